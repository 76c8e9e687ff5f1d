"""The portable backend: every way of many works against float64, on every instruction set."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import ffi
from tests.engine.works import (
    ACTIVATIONS,
    Convolution,
    Inputs,
    Kernel,
    Product,
    TransposedConvolution,
    Way,
    Work,
    check,
    ways,
)

if TYPE_CHECKING:
    from tests.conftest import Seeded

CONVOLUTIONS = [
    Convolution(in_channels=3, out=8, size=(11, 9), kernel=(3, 3), before=(1, 1)),
    Convolution(in_channels=3, out=40, size=(37, 41), kernel=(7, 7), stride=(2, 2), before=(3, 3)),
    Convolution(in_channels=16, out=16, size=(1, 1), kernel=(1, 1)),
    Convolution(in_channels=64, out=48, size=(14, 14), kernel=(3, 3), before=(1, 1)),
    Convolution(in_channels=20, out=33, size=(7, 7), kernel=(3, 3), before=(1, 1), n=2),
    Convolution(in_channels=129, out=130, size=(5, 3), kernel=(1, 1), n=3),
    Convolution(in_channels=70, out=90, size=(23, 19), kernel=(1, 1), stride=(2, 2)),
    Convolution(in_channels=32, out=17, size=(9, 30), kernel=(5, 3), stride=(2, 3), before=(2, 1)),
    Convolution(
        in_channels=18, out=20, size=(13, 17), kernel=(3, 2), dilation=(2, 3), before=(2, 0),
        after=(3, 4),
    ),
    Convolution(
        in_channels=17, out=19, size=(12, 12), kernel=(3, 3), before=(-1, 2), after=(2, -3)
    ),
    Convolution(in_channels=24, out=50, size=(211,), kernel=(9,), before=(4,)),
    Convolution(in_channels=1, out=256, size=(500,), kernel=(20,), stride=(5,)),
    Convolution(in_channels=257, out=18, size=(4,), kernel=(3,), before=(1,)),
    Convolution(in_channels=5, out=21, size=(5, 6, 7), kernel=(3, 3, 3), before=(1, 1, 1)),
    Convolution(
        in_channels=20, out=16, size=(6, 5, 9), kernel=(2, 3, 2), stride=(2, 1, 2), before=(0, 1, 1)
    ),
    Convolution(in_channels=96, out=64, size=(10, 8), kernel=(3, 3), before=(1, 1), groups=2),
    Convolution(in_channels=12, out=18, size=(10, 8), kernel=(3, 3), before=(1, 1), groups=3),
    Convolution(in_channels=40, out=40, size=(15, 29), kernel=(3, 3), before=(1, 1), groups=40),
    Convolution(
        in_channels=33, out=33, size=(16, 8), kernel=(5, 5), stride=(2, 2), before=(2, 2), groups=33
    ),
    Convolution(in_channels=64, out=64, size=(9, 8), kernel=(3, 3), before=(1, 1), groups=16),
    Convolution(in_channels=64, out=64, size=(60, 61), kernel=(3, 3), before=(1, 1)),
    Convolution(in_channels=200, out=70, size=(8, 8), kernel=(3, 3), before=(1, 1)),
]  # fmt: skip
PRODUCTS = [
    Product(m=1, n=1, k=1),
    Product(m=1, n=1000, k=513),
    Product(m=3, n=70, k=30),
    Product(m=8, n=256, k=256),
    Product(m=15, n=33, k=300),
    Product(m=50, n=100, k=1024, scale=0.125),
    Product(m=130, n=50, k=64, batch=(2, 3)),
    Product(m=20, n=40, k=33, a_transposed=True),
    Product(m=29, n=31, k=37, b_transposed=True),
    Product(m=300, n=17, k=700),
    Product(m=12, n=12, k=32, batch=(4,), b_batch=(4,), constant=False, bias=False, scale=0.3),
    Product(
        m=12, n=18, k=32, batch=(2, 3), b_batch=(3,), constant=False, bias=False, b_transposed=True
    ),
    Product(m=70, n=65, k=64, batch=(2,), b_batch=(1,), constant=False),
]  # fmt: skip


def name_of(work: Work) -> str:
    if isinstance(work, Product):
        return f"{work.batch}-{work.m}x{work.k}x{work.n}"
    assert isinstance(work, Convolution)
    return f"{work.in_channels}-{work.out}-{work.size}-{work.kernel}-{work.groups}"


def limit_of(way: Way, work: Work) -> float:
    """Of the largest result; activations may make that smaller than the sums that err."""
    if "winograd" not in way.algorithm:
        return 4e-6
    return 1e-5 if work.activation == "NONE" else 4e-5


def check_all(work: Work, rand: Seeded) -> int:
    found = ways(work, "portable")
    assert found
    return sum(check(way, work, rand, limit_of(way, work)) for way in found)


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("work", CONVOLUTIONS, ids=name_of)
def test_convolutions(isa: str, work: Convolution, rand: Seeded) -> None:
    with direct.using(isa):
        assert check_all(work, rand) > 0


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("work", PRODUCTS, ids=name_of)
def test_products(isa: str, work: Product, rand: Seeded) -> None:
    with direct.using(isa):
        assert check_all(work, rand) > 0


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_epilogues(isa: str, activation: str, residual: bool, rand: Seeded) -> None:
    epilogue = {"activation": activation, "residual": residual}
    with direct.using(isa):
        for bias in (False, True):
            check_all(
                Convolution(in_channels=200 if bias else 20, out=37, size=(5, 18), kernel=(3, 3),
                            before=(1, 1), bias=bias, **epilogue), rand)  # fmt: skip
            check_all(Convolution(in_channels=24, out=24, groups=24, size=(9, 20), kernel=(3, 3),
                                  before=(1, 1), bias=bias, **epilogue), rand)  # fmt: skip
            check_all(Product(m=40 if bias else 1, n=41, k=300, bias=bias, **epilogue), rand)


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("precision", ["FAST", "SMALL"])
def test_precisions(isa: str, precision: str, rand: Seeded) -> None:
    """bfloat16 keeps 8 bits of each factor, int8 7 of a channel's largest weight."""
    works: list[Work] = [
        replace(work, precision=precision) for work in (*CONVOLUTIONS[3:15], *PRODUCTS[:10])
    ]
    works += [
        replace(work, precision=precision, activation="GELU", residual=True)
        for work in (CONVOLUTIONS[4], CONVOLUTIONS[7], PRODUCTS[1], PRODUCTS[5])
    ]
    found = set()
    with direct.using(isa):
        for work in works:
            for way in ways(work, "portable"):
                exact = not way.algorithm.endswith(("bfloat16", "int8"))
                if exact and precision == "FAST":
                    continue
                found.add(way.algorithm)
                assert check(way, work, rand, 1e-5 if exact else 1e-2)
        if precision == "SMALL":
            assert {"direct int8", "packed int8"} <= found
            sizes = {}
            for kind in ("EXACT", "SMALL"):
                work = Product(m=4, n=64, k=300, precision=kind)
                way = next(w for w in ways(work, "portable") if w.algorithm.startswith("packed"))
                sizes[kind] = Kernel(way, work, work.inputs(rand)).item.packed
            assert sizes["SMALL"] < sizes["EXACT"] * 0.3


@pytest.mark.parametrize("isa", direct.isas())
def test_inputs_that_lie_awkwardly(isa: str, rand: Seeded) -> None:
    works: list[Work] = [
        Convolution(in_channels=5, out=20, size=(9, 8), kernel=(3, 3), before=(1, 1)),
        Convolution(in_channels=6, out=20, size=(9, 8), kernel=(1, 1), residual=True),
        Product(m=30, n=20, k=1024, batch=(2,), residual=True),
    ]
    with direct.using(isa):
        for work in works:
            inputs = work.inputs(rand)
            wide = np.zeros((*inputs.x.shape[:-1], 2 * inputs.x.shape[-1]), np.float32)
            wide[..., 1::2] = inputs.x
            turned = Inputs(
                np.asfortranarray(inputs.x),
                np.asfortranarray(inputs.weights),
                inputs.bias,
                None if inputs.residual is None else np.asfortranarray(inputs.residual),
            )
            spread = Inputs(wide[..., 1::2], inputs.weights, inputs.bias, inputs.residual)
            expected = work.expected(inputs)
            for way in ways(work, "portable"):
                for lying in (turned, spread):
                    y = Kernel(way, work, lying).run(lying)
                    assert np.abs(y - expected).max() < 4e-5, str(way)


def test_transposed(rand: Seeded) -> None:
    for stride, after in (((1, 1), (1, 1)), ((2, 2), (0, 1)), ((3, 2), (1, 0))):
        check_all(TransposedConvolution(in_channels=20, out=24, size=(6, 7), kernel=(3, 4),
                                        stride=stride, before=(1, 1), after=after, groups=2,
                                        activation="RELU"), rand)  # fmt: skip


class Team:
    """Parts on threads of Python's, all at once."""

    def __init__(self, threads: int) -> None:
        self._spread = ffi.callback(
            "int(pvb_team *, int, int(*)(void *, int), void *)", self.spread
        )
        self.item = ffi.new("pvb_team *", {"threads": threads, "spread": self._spread})
        self.parts = 0

    def spread(self, _team: object, count: int, part: object, arg: object) -> int:
        self.parts += count
        statuses = [0] * count

        def one(i: int) -> None:
            statuses[i] = part(arg, i)  # type: ignore[operator]

        threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return min(statuses)


@pytest.mark.parametrize(
    "work",
    [
        Convolution(in_channels=64, out=96, size=(7, 7), kernel=(3, 3), before=(1, 1), threads=3),
        Convolution(in_channels=3, out=40, size=(99, 70), kernel=(3, 3), before=(1, 1), threads=4),
        Convolution(
            in_channels=48, out=48, size=(30, 31), kernel=(3, 3), before=(1, 1), groups=48,
            threads=3,
        ),
        Product(m=1, n=500, k=600, threads=3),
        Product(m=200, n=300, k=100, threads=4, activation="GELU"),
    ],
    ids=name_of,
)  # fmt: skip
def test_teams(work: Work, rand: Seeded) -> None:
    inputs = work.inputs(rand)
    team = Team(work.threads)
    for way in ways(work, "portable"):
        kernel = Kernel(way, work, inputs)
        alone = kernel.run(inputs)
        assert (kernel.run(inputs, team=team.item) == alone).all(), str(way)
    assert team.parts > 0


def test_many_threads_at_one_kernel(rand: Seeded) -> None:
    for work in (
        Convolution(in_channels=32, out=32, size=(20, 20), kernel=(3, 3), before=(1, 1)),
        Product(m=5, n=300, k=600),
    ):
        inputs = work.inputs(rand)
        for way in ways(work, "portable"):
            kernel = Kernel(way, work, inputs)
            expected = kernel.run(inputs)
            results: list[Any] = []
            threads = [
                threading.Thread(target=lambda k=kernel, i=inputs, r=results: r.append(k.run(i)))
                for _ in range(6)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(results) == 6
            assert all((result == expected).all() for result in results)

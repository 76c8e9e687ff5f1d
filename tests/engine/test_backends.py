"""Every way of every backend, against sums in float64: sizes, strides, epilogues, threads."""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.engine.direct import EngineError, ffi, lib
from tests.engine.works import (
    ACTIVATIONS,
    Convolution,
    Inputs,
    Kernel,
    Product,
    TransposedConvolution,
    Work,
    backends,
    check,
    ways,
)

TOLERANCES = {"EXACT": 2e-5, "FAST": 2e-2, "SMALL": 5e-2}

CONVOLUTIONS = [
    Convolution(in_channels=3, out=20, size=(17, 13), kernel=(7, 7), stride=(2, 2), before=(3, 3)),
    Convolution(in_channels=16, out=32, size=(9, 11), kernel=(3, 3), before=(1, 1)),
    Convolution(n=3, in_channels=24, out=17, size=(8, 5), kernel=(1, 1)),
    Convolution(in_channels=19, out=21, size=(7, 9), kernel=(3, 2), stride=(2, 1), before=(1, 0)),
    Convolution(in_channels=32, out=32, size=(14, 14), kernel=(3, 3), groups=32, before=(1, 1)),
    Convolution(in_channels=21, out=21, size=(9, 8), kernel=(5, 5), groups=21, stride=(2, 2)),
    Convolution(n=2, in_channels=34, out=68, size=(9, 9), kernel=(3, 3), groups=2, before=(1, 1)),
    Convolution(in_channels=12, out=8, size=(12, 12), kernel=(3, 3), dilation=(2, 3)),
    Convolution(in_channels=16, out=16, size=(6, 7), kernel=(3, 3), before=(2, 0), after=(0, 3)),
    Convolution(n=2, in_channels=18, out=40, size=(33,), kernel=(5,), stride=(2,), before=(2,)),
    Convolution(in_channels=8, out=16, size=(5, 6, 7), kernel=(3, 3, 3), before=(1, 1, 1)),
    Convolution(in_channels=1, out=1, size=(4, 4), kernel=(2, 2)),
    # high and one wide: rows; and not quite, as the only column is of padding
    Convolution(n=2, in_channels=34, out=48, size=(29, 1), kernel=(5, 1), before=(2, 0)),
    Convolution(in_channels=16, out=32, size=(40, 1, 1), kernel=(3, 1, 1), stride=(2, 1, 1)),
    Convolution(in_channels=16, out=32, size=(40, 1), kernel=(3, 1), groups=2),
    Convolution(
        in_channels=8,
        out=16,
        size=(9, 1),
        kernel=(3, 1),
        stride=(1, 2),
        before=(0, 1),
        after=(0, 0),
    ),
    Convolution(n=2, in_channels=128, out=208, size=(28, 28), kernel=(3, 3), before=(1, 1)),
]
TRANSPOSED = [
    TransposedConvolution(in_channels=16, out=24, size=(7, 5), kernel=(4, 4), stride=(2, 2)),
    TransposedConvolution(
        n=2,
        in_channels=20,
        out=18,
        size=(5, 6),
        kernel=(3, 3),
        stride=(2, 2),
        before=(1, 1),
        after=(0, 0),
    ),
    TransposedConvolution(in_channels=32, out=16, size=(6, 6), kernel=(3, 3), groups=2),
    TransposedConvolution(in_channels=9, out=10, size=(11,), kernel=(3,), dilation=(2,)),
    TransposedConvolution(in_channels=9, out=20, size=(11, 1), kernel=(3, 1), stride=(2, 1)),
]
PRODUCTS = [
    Product(m=1, n=40, k=33),
    Product(batch=(2, 3), m=5, n=17, k=64, scale=0.25),
    Product(m=70, n=130, k=19, a_transposed=True),
    Product(m=1, n=1, k=1),
    Product(m=33, n=64, k=100, b_transposed=True),
    Product(batch=(3,), b_batch=(3,), m=9, n=8, k=7, constant=False),
    Product(batch=(2, 3), b_batch=(2, 3), m=33, n=31, k=16, constant=False, b_transposed=True),
    Product(batch=(4, 1), b_batch=(5,), m=6, n=10, k=8, constant=False, scale=0.5),
    Product(batch=(2,), m=6, n=10, k=8, constant=False, a_transposed=True, bias=False),
    Product(m=600, n=500, k=400),
]


def named(works: list[Work]) -> list[object]:
    return [pytest.param(work, id=f"{work.kind.lower()}-{i}") for i, work in enumerate(works)]


@pytest.mark.parametrize("precision", list(TOLERANCES))
@pytest.mark.parametrize("work", named([*CONVOLUTIONS, *TRANSPOSED, *PRODUCTS]))
def test_ways(work: Work, precision: str, rand: random.Random) -> None:
    works = [
        dataclasses.replace(work, precision=precision, **more)
        for more in (
            {"residual": False, "activation": "NONE"},
            {"residual": True, "activation": "RELU"},
            {"bias": False, "residual": True, "activation": "NONE"},
        )
    ]
    for one in works:
        for way in ways(one):
            check(way, one, rand, TOLERANCES[precision])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_epilogues(activation: str, rand: random.Random) -> None:
    end = {"activation": activation, "residual": True}
    if activation == "CLIP":
        end |= {"alpha": -0.5, "beta": 0.75}
    works = [
        Convolution(in_channels=17, out=19, size=(6, 5), kernel=(3, 3), **end),
        Convolution(in_channels=16, out=16, size=(6, 5), kernel=(1, 1), **end),
        Convolution(in_channels=3, out=19, size=(8, 8), kernel=(3, 3), **end),
        Product(m=7, n=33, k=20, **end),
        Product(batch=(2,), b_batch=(2,), m=7, n=33, k=20, constant=False, **end),
    ]
    for work in works:
        for way in ways(work):
            check(way, work, rand)


def test_strided_inputs(rand: random.Random) -> None:
    """Inputs that lie backwards, with gaps, or once for many."""
    work = Convolution(n=2, in_channels=16, out=24, size=(6, 6), kernel=(3, 3), residual=True)
    inputs = work.inputs(rand)
    inputs.x = np.repeat(inputs.x, 2, axis=3)[:, ::-1, :, ::2]
    inputs.weights = np.asfortranarray(inputs.weights)
    inputs.residual = np.broadcast_to(inputs.residual[:, :1], work.shape())
    for way in ways(work):
        if way.item.reads == way.item.writes == lib.PVB_PLAIN:
            kernel = Kernel(way, work, inputs)
            np.testing.assert_allclose(
                kernel.run(inputs), work.expected(inputs), atol=2e-4, err_msg=str(way)
            )
    product = Product(batch=(2,), m=9, n=12, k=10, residual=True)
    inputs = product.inputs(rand)
    inputs.x = np.repeat(inputs.x, 2, axis=2)[:, ::-1, ::2]
    inputs.weights = inputs.weights[:, ::-1]
    for way in ways(product):
        kernel = Kernel(way, product, inputs)
        np.testing.assert_allclose(
            kernel.run(inputs), product.expected(inputs), atol=2e-4, err_msg=str(way)
        )


def many_runs(kernel: Kernel, inputs: Inputs, start: threading.Barrier) -> list[np.ndarray]:
    start.wait()
    return [kernel.run(inputs) for _ in range(10)]


@pytest.mark.parametrize("precision", list(TOLERANCES))
def test_one_kernel_and_many_threads(precision: str, rand: random.Random) -> None:
    for work in (
        Convolution(in_channels=32, out=48, size=(20, 20), kernel=(3, 3), precision=precision),
        Convolution(in_channels=3, out=48, size=(20, 20), kernel=(3, 3), precision=precision),
        Product(m=100, n=200, k=150, precision=precision),
    ):
        inputs = [work.inputs(rand) for _ in range(8)]
        for one in inputs:
            one.weights, one.bias = inputs[0].weights, inputs[0].bias
        for way in ways(work):
            kernel = Kernel(way, work, inputs[0])
            alone = [kernel.run(one) for one in inputs]
            start = threading.Barrier(8)

            with ThreadPoolExecutor(8) as pool:
                runs = pool.map(many_runs, [kernel] * 8, inputs, [start] * 8)
                for expected, got in zip(alone, runs, strict=True):
                    assert all((y == expected).all() for y in got), str(way)


def test_cancel(rand: random.Random) -> None:
    """A run that is to stop does so at its next part, and gives everything back."""
    attention = ffi.new("uint32_t *", 1)
    context = ffi.new("pvt_context *")
    account = lib.pvt_account_new(ffi.NULL, ffi.NULL)
    context.account, context.attention = account, attention
    for work in (
        Convolution(in_channels=64, out=128, size=(40, 40), kernel=(3, 3)),
        Product(m=500, n=600, k=700),
        Product(batch=(8,), b_batch=(8,), m=50, n=60, k=70, constant=False),
    ):
        inputs = work.inputs(rand)
        for way in ways(work):
            kernel = Kernel(way, work, inputs)
            before = lib.pvt_context_set(context)
            try:
                with pytest.raises(EngineError) as caught:
                    kernel.run(inputs)
            finally:
                lib.pvt_context_set(before)
            assert caught.value.status == lib.PVT_E_CANCELLED, str(way)
            assert lib.pvt_account_bytes(account) == 0, str(way)
            np.testing.assert_allclose(kernel.run(inputs), work.expected(inputs), atol=1e-3)
    lib.pvt_account_close(account)


def test_what_no_backend_does() -> None:
    """Empty works have no ways, or ways that do nothing."""
    for work in (
        Convolution(n=0, in_channels=16, out=16, size=(5, 5), kernel=(3, 3)),
        Product(m=0, n=4, k=4),
        Product(m=4, n=4, k=0),
    ):
        for name in ("onednn", "openblas"):
            assert ways(work, name) == []


def test_names_mean_one_thing() -> None:
    """Plans are kept by names: one name never stands for two algorithms of one work."""
    for work, precision in itertools.product([*CONVOLUTIONS, *PRODUCTS], TOLERANCES):
        one = dataclasses.replace(work, precision=precision)
        names = [(way.backend, way.algorithm) for way in ways(one)]
        assert len(set(names)) == len(names)
    assert "portable" in backends()
    assert lib.pvb_backend_named(b"nobody") == ffi.NULL

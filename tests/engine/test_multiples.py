"""Weights that were int8 in the file: they are told, packed small, and results are as exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import polyvm.np as pnp
from tests.engine import direct
from tests.engine.direct import ENGINE, declarations, describe, ffi, lib
from tests.engine.graphs import call, load, model, node, port
from tests.engine.works import Inputs, Kernel, Product, check, ways

if TYPE_CHECKING:
    from tests.conftest import Seeded

ffi.cdef(declarations((ENGINE / "backends" / "multiples.h").read_text()))


def steps_of(weights: np.ndarray) -> np.ndarray | None:
    """What columns are multiples of; None if they are not."""
    steps = np.full(weights.shape[1], np.nan, np.float32)
    found = lib.pvb_multiples(describe(weights), ffi.cast("float *", steps.ctypes.data))
    assert found in (0, 1)
    return steps if found else None


def stored(rng: Any, k: int, n: int, least: int = -128) -> tuple[np.ndarray, np.ndarray]:
    """int8 weights and a scale for each column; some weights are small, as in all that are many."""
    scales = np.exp(rng.uniform(-20, 10, n)).astype(np.float32)
    weights = rng.integers(least, 128, (k, n))
    weights[0] = rng.integers(1, 17, n)
    return weights, scales


def times(weights: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return weights.astype(np.float32) * scales


def test_columns_of_multiples_are_told(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for k, n in ((1, 1), (2, 3), (300, 40), (1000, 2)):
        weights, scales = stored(rng, k, n)
        weights[:, n // 2] = 0
        exact = times(weights, scales)
        for lying in (exact, np.asfortranarray(exact), exact[::-1]):
            steps = steps_of(lying)
            assert steps is not None
            assert steps[n // 2] == 0
            whole = np.rint(lying / np.where(steps > 0, steps, 1))
            assert (np.abs(whole) <= 128).all()
            assert (times(whole, steps) == lying).all()


def test_other_columns_are_told_apart(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    assert steps_of(rng.standard_normal((50, 4)).astype(np.float32)) is None
    weights, scales = stored(rng, 300, 5, least=-127)
    weights[0], weights[1] = 1, 127
    exact = times(weights, scales)
    assert steps_of(exact) is not None
    for wrong in (np.nextafter(exact[1, 3], np.inf), np.nan, np.inf, 128 * scales[3], -1e-38):
        near = exact.copy()
        near[1, 3] = wrong
        assert steps_of(near) is None, wrong


@dataclass(kw_only=True)
class Stored(Product):
    """A product by weights of int8 and scales."""

    def inputs(self, rand: Any) -> Inputs:
        given = super().inputs(rand)
        weights, scales = stored(np.random.default_rng(rand.getrandbits(32)), self.k, self.n)
        given.weights = times(weights, scales / scales.max() / 64)
        return given

    def describe(self, inputs: Inputs | None, keep: list[Any]) -> Any:
        work = super().describe(inputs, keep)
        steps = np.ones(self.n, np.float32) if inputs is None else steps_of(inputs.weights)
        assert steps is not None
        keep.append(steps)
        work.steps = ffi.cast("float *", steps.ctypes.data)
        return work


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("precision", ["EXACT", "FAST"])
def test_products_by_them(isa: str, precision: str, rand: Seeded) -> None:
    works = [
        Stored(m=1, n=1, k=1),
        Stored(m=1, n=200, k=513),
        Stored(m=15, n=33, k=300, scale=0.125, residual=True, activation="RELU"),
        Stored(m=32, n=130, k=64, activation="GELU"),
        Stored(m=130, n=50, k=640, batch=(2,), threads=3),
    ]
    with direct.using(isa):
        for work in works:
            work.precision = precision
            found = [way for way in ways(work, "portable") if way.algorithm == "packed multiples"]
            assert len(found) == 1
            assert check(found[0], work, rand, 4e-6)
        kernel = Kernel(found[0], work, work.inputs(rand))
        assert kernel.item.packed < 1.2 * work.k * (work.n + 14) + 1000


def test_a_model_with_such_weights(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    q, scales = stored(rng, 256, 512)
    scales = (scales / scales.max()).astype(np.float32)
    nodes = [
        node("Cast", "q", "float", to=1),
        node("Mul", "float scales", "w"),
        node("MatMul", "x w", "y"),
    ]
    constants = {"q": q.astype(np.int8), "scales": scales[None]}
    made = model(nodes, [port("x", shape=["n", 256])], [port("y")], constants)
    loaded = load(made, backends="portable", budget=-1.0)
    x = rng.standard_normal((1, 256)).astype(np.float32)
    wanted = x.astype(np.float64) @ times(q, scales)
    apart = np.abs(call(loaded, x)[0] - wanted).max()
    assert apart <= 4e-6 * np.abs(wanted).max()
    assert "packed multiples exact" in loaded.describe(0, pnp.asarray(x))

"""Masks, integer indices, take and put, scatter-add, counts: against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Seeded
from tests.engine import direct
from tests.engine.direct import call, ffi, lib
from tests.engine.test_reduce import samples, views

ISAS = direct.isas()
SIZES = ("uint8", "int16", "float32", "float64", "complex128")


def pointers(arrays: list[np.ndarray]) -> tuple[object, list[object]]:
    kept = [direct.describe(array) for array in arrays]
    return ffi.new("pvt_array *[]", kept), kept


def mask_take(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    count = ffi.new("int64_t *")
    call("mask_count", mask, count)
    out = np.empty((count[0], *x.shape[mask.ndim :]), x.dtype)
    call("mask_take", x, mask, out)
    return out


def nonzero(x: np.ndarray) -> np.ndarray:
    count = ffi.new("int64_t *")
    call("nonzero_count", x, count)
    out = np.empty((count[0], x.ndim), np.int64)
    call("nonzero", x, out)
    return out


def gather(x: np.ndarray, indices: list[np.ndarray], out: np.ndarray) -> None:
    array, _kept = pointers(indices)
    call("gather", x, array, len(indices), out)


def scatter(x: np.ndarray, indices: list[np.ndarray], values: np.ndarray, *, add: bool) -> None:
    array, _kept = pointers(indices)
    call("scatter", x, array, len(indices), values, add)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", SIZES)
def test_masks(dtype: str, isa: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(30))
    with direct.using(isa):
        for shape in ((), (1,), (63,), (64,), (5000,), (70, 80), (4, 5, 6), (0,), (3, 0)):
            x = np.asarray(rng.integers(0, 100, shape)).astype(dtype)
            for dims in range(len(shape) + 1):
                for share in (0.0, 0.02, 0.5, 0.97, 1.0):
                    mask = np.asarray(rng.random(shape[:dims]) < share)
                    np.testing.assert_array_equal(mask_take(x, mask), x[mask])
                    put, wanted = x.copy(), x.copy()
                    values = np.asarray(rng.integers(0, 100, x[mask].shape)).astype(dtype)
                    call("mask_put", put, mask, values)
                    wanted[mask] = values
                    np.testing.assert_array_equal(put, wanted)
                    call("mask_put", put, mask, np.asarray(7))
                    wanted[mask] = 7
                    np.testing.assert_array_equal(put, wanted)
            np.testing.assert_array_equal(nonzero(x), np.argwhere(x))


@settings(max_examples=300, deadline=None, print_blob=True)
@given(views(), st.integers(0, 5), st.integers(0, 2**30), st.sampled_from(ISAS))
def test_masks_over_any_view(
    view: tuple[np.ndarray, tuple[int, ...]], dims: int, seed: int, isa: str
) -> None:
    x = view[0]
    rng = np.random.default_rng(seed)
    dims = min(dims, x.ndim)
    mask = np.asarray(rng.random((*x.shape[:dims], 2)) < rng.random())[..., 0]
    with direct.using(isa):
        np.testing.assert_array_equal(mask_take(x, mask), x[mask])
        np.testing.assert_array_equal(nonzero(x), np.argwhere(x))
        wanted = x.copy()
        values = samples(x.dtype.name, x[mask].shape[1:], seed)
        call("mask_put", x, mask, values)
        wanted[mask] = values
        np.testing.assert_array_equal(x, wanted)
        values = samples("int8", x[mask].shape, seed)
        call("mask_put", x, mask, values)
        with np.errstate(all="ignore"):
            wanted[mask] = values
        np.testing.assert_array_equal(x, wanted)


def test_masks_refuse() -> None:
    x = np.zeros((3, 4))
    with pytest.raises(direct.EngineError) as raised:
        mask_take(x, np.zeros((3, 5), bool))
    with pytest.raises(IndexError) as theirs:
        x[np.zeros((3, 5), bool)]
    assert str(raised.value) == str(theirs.value)
    assert raised.value.status == lib.PVT_E_INDEX
    with pytest.raises(direct.EngineError, match="cannot assign 2 input values to the 3 output"):
        call("mask_put", np.zeros(5), np.array([1, 1, 1, 0, 0], bool), np.zeros(2))
    with pytest.raises(direct.EngineError):
        call("mask_put", x, np.ones(3, bool), np.zeros((2, 4)))
    with pytest.raises(direct.EngineError):
        call("mask_take", x, np.ones(3, bool), np.zeros((2, 4)))
    with pytest.raises(direct.EngineError, match="array of bool"):
        call("mask_take", x, np.ones(3), np.zeros((3, 4)))
    y = np.arange(10)
    call("mask_put", y, np.ones(10, bool), y[::-1])
    np.testing.assert_array_equal(y, np.arange(10)[::-1])


# ---- Integer indices --------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", SIZES)
def test_take(dtype: str, isa: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(30))
    modes = {"raise": "PVT_INDEX_RAISE", "wrap": "PVT_INDEX_WRAP", "clip": "PVT_INDEX_CLIP"}
    with direct.using(isa):
        for shape in ((9,), (4, 5), (3, 4, 2), (2, 3, 17), (6, 1)):
            base = rng.integers(0, 100, shape).astype(dtype)
            for x in (base, base.T, base[::-1], np.stack([base, base], -1)[..., 0]):
                for axis in range(x.ndim):
                    for places in ((), (0,), (6,), (700,), (2, 3)):
                        for mode, name in modes.items():
                            reach = 1 if mode == "raise" else 3
                            size = x.shape[axis] * reach
                            at = np.asarray(rng.integers(-size, size, places))
                            wanted = np.take(x, at, axis, mode=mode)
                            out = np.empty(wanted.shape, dtype)
                            call("take", x, at, axis, name, out)
                            np.testing.assert_array_equal(out, wanted)
                            wide = np.zeros((*wanted.shape, 2), "float64")[..., 1]
                            call("take", x, at, axis, name, wide)
                            np.testing.assert_array_equal(wide, wanted.real)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", SIZES)
def test_along(dtype: str, isa: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(30))
    with direct.using(isa):
        for shape in ((9,), (4, 5), (3, 4, 2), (2, 600), (600, 2), (1, 7)):
            base = rng.integers(0, 100, shape).astype(dtype)
            for x in (base, base.T, base[::-1]):
                for axis in range(x.ndim):
                    wide = list(x.shape)
                    wide[axis] = int(rng.integers(1, 9))
                    for cut in (
                        tuple(wide),
                        tuple(1 if i != axis else n for i, n in enumerate(wide)),
                    ):
                        at = rng.integers(-x.shape[axis], x.shape[axis], cut)
                        wanted = np.take_along_axis(x, at, axis)
                        out = np.empty(wanted.shape, dtype)
                        call("take_along", x, at, axis, out)
                        np.testing.assert_array_equal(out, wanted)
                        got, reference = x.copy(), x.copy()
                        values = rng.integers(0, 100, wanted.shape)
                        unique = np.argsort(rng.random(x.shape), axis)
                        values = rng.integers(0, 100, x.shape)
                        call("put_along", got, unique, values, axis)
                        np.put_along_axis(reference, unique, values.astype(dtype), axis)
                        np.testing.assert_array_equal(got, reference)
                        call("put_along", got, at, np.asarray(3), axis)
                        np.put_along_axis(reference, at, 3, axis)
                        np.testing.assert_array_equal(got, reference)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", SIZES)
def test_gather_and_scatter(dtype: str, isa: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(30))
    with direct.using(isa):
        for shape in ((9,), (40, 50), (3, 4, 2), (2, 3, 170), (5, 4, 3, 2)):
            base = rng.integers(0, 100, shape).astype(dtype)
            for x in (base, base.T, base[::-1]):
                for count in range(1, x.ndim + 1):
                    for places in ((), (0,), (1,), (5,), (1300,), (3, 2), (2, 1, 4)):
                        cuts = [places] * count
                        if count > 1 and places:
                            cuts[0] = (1,) * len(places)
                        indices = [
                            np.asarray(rng.integers(-n, n, cut))
                            for n, cut in zip(x.shape, cuts, strict=False)
                        ]
                        wanted = np.asarray(x[tuple(indices)])
                        out = np.empty(wanted.shape, dtype)
                        gather(x, indices, out)
                        np.testing.assert_array_equal(out, wanted)
                        values = np.asarray(rng.integers(0, 100, wanted.shape))
                        for given in (
                            values.astype(dtype),
                            values,
                            values[..., :1] if values.ndim else values,
                        ):
                            got, reference = x.copy(), x.copy()
                            scatter(got, indices, given, add=False)
                            reference[tuple(indices)] = given
                            np.testing.assert_array_equal(got, reference)
                            scatter(got, indices, given, add=True)
                            np.add.at(reference, tuple(indices), given.astype(dtype))
                            np.testing.assert_array_equal(got, reference)


@pytest.mark.parametrize("dtype", direct.NUMPY_DTYPES)
def test_scatter_add_in_every_type(dtype: str) -> None:
    for shape in ((5,), (5, 3), (5, 2)):
        got, wanted = np.zeros(shape, dtype), np.zeros(shape, dtype)
        at = np.array([0, 4, 4, -1, 2, 4])
        values = samples(dtype, (6, *shape[1:]), 5)
        scatter(got, [at], values, add=True)
        np.add.at(wanted, at, values)
        np.testing.assert_array_equal(got, wanted)


def test_indices_out_of_bounds_change_nothing() -> None:
    x = np.arange(12.0).reshape(3, 4)
    before = x.copy()
    huge = np.iinfo(np.int64).max
    for at in (3, -4, huge, -huge - 1):
        bad = np.array([0] * 600 + [at])
        sentence = f"index {at} is out of bounds for axis 0 with size 3"
        with pytest.raises(direct.EngineError, match=sentence) as raised:
            gather(x, [bad], np.empty((601, 4)))
        assert raised.value.status == lib.PVT_E_INDEX
        with pytest.raises(direct.EngineError, match=sentence):
            call("take", x, bad, 0, "PVT_INDEX_RAISE", np.empty((601, 4)))
        with pytest.raises(direct.EngineError, match=sentence):
            scatter(x, [bad], np.ones(4), add=False)
        with pytest.raises(direct.EngineError, match=sentence):
            call("put_along", x, np.stack([bad] * 4, 1), np.asarray(1.0), 0)
        np.testing.assert_array_equal(x, before)
    with pytest.raises(direct.EngineError, match="index 9 is out of bounds for axis 1 with size 4"):
        gather(x, [np.array([0]), np.array([9])], np.empty(1))
    with pytest.raises(direct.EngineError, match="cannot do a non-empty take from an empty axes"):
        call("take", np.empty(0), np.array([0]), 0, "PVT_INDEX_WRAP", np.empty(1))
    with pytest.raises(direct.EngineError, match="could not be broadcast together"):
        gather(x, [np.array([0, 1]), np.array([0, 1, 2])], np.empty(2))
    with pytest.raises(direct.EngineError, match="too many indices"):
        gather(x, [np.array([0])] * 3, np.empty(1))


def test_scatter_with_overlap() -> None:
    x = np.arange(5)
    scatter(x, [x[::-1]], x, add=False)
    np.testing.assert_array_equal(x, np.arange(5)[::-1])
    y = np.arange(6)
    gather(y, [y[::-1].copy()], y)
    np.testing.assert_array_equal(y, np.arange(6)[::-1])


def test_bincount(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(30))
    x = rng.integers(0, 50, 40_000)
    weights = rng.random(40_000)
    for step in (1, -3):
        out = np.empty(60, np.int64)
        call("bincount", x[::step], None, out)
        np.testing.assert_array_equal(out, np.bincount(x[::step], minlength=60))
        total = np.empty(60)
        call("bincount", x[::step], weights[::step], total)
        np.testing.assert_array_equal(total, np.bincount(x[::step], weights[::step], 60))
    with pytest.raises(direct.EngineError, match="must have no negative elements") as raised:
        call("bincount", np.array([1, -1]), None, np.empty(3, np.int64))
    assert raised.value.status == lib.PVT_E_VALUE
    with pytest.raises(direct.EngineError, match="index 3 is out of bounds"):
        call("bincount", np.array([1, 3]), None, np.empty(3, np.int64))

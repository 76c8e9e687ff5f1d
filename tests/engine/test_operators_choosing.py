"""Operators of models that reduce, choose and rank elements, against NumPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, one, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

TYPES = (np.bool_, np.int8, np.uint16, bfloat16, np.float16, np.float32, np.int64, np.complex128)
NUMBERS = (np.int8, np.int32, np.int64, np.uint8, np.uint64, np.float16, np.float32, np.float64)


def ways(rand: Seeded) -> Ways:
    return Ways(rand.getrandbits(32), plain=False)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def drawn(rand: Seeded, shape: tuple[int, ...], dtype: Any, most: int = 9) -> np.ndarray:
    low = 0 if np.dtype(dtype).kind in "ub" else -most
    values = [rand.randint(low, most) for _ in range(math.prod(shape))]
    return np.array(values, np.float64).astype(dtype).reshape(shape)


def places(rand: Seeded, shape: tuple[int, ...], size: int) -> np.ndarray:
    values = [rand.randint(-size, size - 1) for _ in range(math.prod(shape))]
    return np.array(values, rand.choice((np.int32, np.int64))).reshape(shape)


# ---- Reductions -----------------------------------------------------------------


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceSumSquare": lambda x, **k: np.sum(x * x, **k),
    "ReduceL1": lambda x, **k: np.sum(abs(x), **k),
    "ReduceL2": lambda x, **k: np.sqrt(np.sum(x * x, **k)),
    "ReduceLogSum": lambda x, **k: np.log(np.sum(x, **k)),
    "ReduceLogSumExp": lambda x, **k: np.log(np.sum(np.exp(x), **k)),
}


@pytest.mark.parametrize("op", sorted(REDUCTIONS))
def test_reductions(op: str, rand: Seeded) -> None:
    for dtype in (np.float32, np.float64, np.float16, bfloat16, np.int32, np.int64):
        if "Log" in op and np.dtype(dtype).kind == "i":
            continue
        for shape in ((3,), (2, 3), (2, 3, 4), (1, 2, 1, 3), ()):
            x = abs(drawn(rand, shape, dtype, 1 if op == "ReduceProd" else 3)) + np.array(1, dtype)
            count = rand.randint(0, len(shape))
            axes = sorted(rand.sample(range(len(shape)), count))
            keep = rand.random() < 0.5
            over = tuple(axes) or None
            wanted = np.asarray(REDUCTIONS[op](x.astype(np.float64), axis=over, keepdims=keep))
            named = ints(*(a - len(shape) if rand.random() < 0.5 else a for a in axes))
            got = one(op, x, named, keepdims=int(keep), ways=ways(rand))
            with np.errstate(over="ignore"):
                agree(got, wanted.astype(dtype), 5e-2 if dtype is bfloat16 else None)
            old = {"axes": [int(a) for a in named]} if axes else {}
            agree(one(op, x, opset=11, keepdims=int(keep), **old), got, 1e-12)
    x = drawn(rand, (2, 3), np.float32)
    assert one(op, x, noop_with_empty_axes=1).shape == (2, 3)
    with pytest.raises((ValueError, IndexError), match="axis 2"):
        one(op, x, ints(2))


def test_reductions_of_nothing() -> None:
    x = np.zeros((2, 0, 3), np.float32)
    wanted = {"ReduceSum": 0, "ReduceProd": 1, "ReduceMax": -np.inf, "ReduceMin": np.inf}
    wanted |= {"ReduceL1": 0, "ReduceL2": 0, "ReduceSumSquare": 0}
    wanted |= {"ReduceLogSum": -np.inf, "ReduceLogSumExp": -np.inf, "ReduceMean": np.nan}
    for op, value in wanted.items():
        agree(one(op, x, ints(1)), np.full((2, 1, 3), value, np.float32))
    for dtype in (np.int8, np.uint32, np.int64):
        none, limits = np.zeros((0, 2), dtype), np.iinfo(dtype)
        agree(one("ReduceMax", none, ints(0)), np.full((1, 2), limits.min, dtype))
        agree(one("ReduceMin", none, ints(0)), np.full((1, 2), limits.max, dtype))
    agree(one("ReduceMax", np.zeros((0,), bool)), np.array([False]))
    agree(one("ReduceMin", np.zeros((0,), bool)), np.array([True]))


def test_sums_of_exponentials_do_not_overflow() -> None:
    x = np.array([[1000, 1000.5], [-np.inf, -np.inf], [-1000, 0], [np.inf, 1]], np.float32)
    wanted = np.array([1000.974077, -np.inf, 0, np.inf], np.float32)
    agree(one("ReduceLogSumExp", x, ints(1), keepdims=0), wanted)


def test_places_of_extremes(rand: Seeded) -> None:
    for dtype in NUMBERS:
        x = drawn(rand, (3, 4, 5), dtype, 2)
        for axis in (0, 1, -1):
            for op, function in (("ArgMax", np.argmax), ("ArgMin", np.argmin)):
                wanted = function(x, axis, keepdims=True)
                agree(one(op, x, axis=axis, ways=ways(rand)), wanted)
                agree(one(op, x, axis=axis, keepdims=0), wanted.squeeze(axis))
                last = x.shape[axis] - 1 - function(np.flip(x, axis), axis, keepdims=True)
                agree(one(op, x, axis=axis, select_last_index=1, ways=ways(rand)), last)


def test_running_totals(rand: Seeded) -> None:
    for dtype in (np.int32, np.int64, np.float32, np.float64):
        x = drawn(rand, (3, 4, 2), dtype, 5)
        for axis in (0, 1, -1):
            at = np.array(axis)
            total = np.cumsum(x, axis, dtype=dtype)
            agree(one("CumSum", x, at, ways=ways(rand)), total)
            agree(one("CumSum", x, at, exclusive=1, ways=ways(rand)), total - x)
            back = np.flip(np.cumsum(np.flip(x, axis), axis, dtype=dtype), axis)
            agree(one("CumSum", x, at, reverse=1, ways=ways(rand)), back)
            agree(one("CumSum", x, at, reverse=1, exclusive=1), back - x)
    agree(one("CumSum", np.zeros((0, 2), np.float32), np.array(0)), np.zeros((0, 2), np.float32))


# ---- Gathering ------------------------------------------------------------------


def test_gather(rand: Seeded) -> None:
    for dtype in TYPES:
        x = drawn(rand, (3, 4, 5), dtype)
        for axis in (0, 1, 2, -1):
            for shape in ((), (1,), (3,), (2, 3), (0,)):
                at = places(rand, shape, x.shape[axis])
                agree(one("Gather", x, at, axis=axis, ways=ways(rand)), np.take(x, at, axis))
    for index in (3, -4):
        for constant in ((), (1,)):
            with pytest.raises((ValueError, IndexError), match="out of bounds"):
                one("Gather", np.zeros((3, 2)), np.array(index), constant=constant)


def test_gather_elements(rand: Seeded) -> None:
    for dtype in TYPES:
        x = drawn(rand, (3, 4, 5), dtype)
        for axis in (0, 1, -1):
            shape = [2, 4, 3]
            shape[axis] = 6
            at = places(rand, tuple(shape), x.shape[axis])
            cut = [slice(size) for size in shape]
            cut[axis] = slice(None)
            wanted = np.take_along_axis(x[tuple(cut)], at, axis)
            agree(one("GatherElements", x, at, axis=axis, ways=ways(rand)), wanted)
    with pytest.raises(ValueError, match="indices"):
        one("GatherElements", np.zeros((2, 2)), np.zeros((3, 1), np.int64), axis=1)


def test_gather_nd(rand: Seeded) -> None:
    for dtype in TYPES:
        x = drawn(rand, (2, 3, 4, 5), dtype)
        for batch in (0, 1, 2):
            for depth in range(1, 5 - batch):
                shape = (*x.shape[:batch], 6)
                parts = [places(rand, shape, x.shape[batch + k]) for k in range(depth)]
                at = np.stack(parts, -1).astype(np.int64)
                grid = np.indices((*shape, 1))[:batch, ..., 0]
                wanted = x[(*grid, *np.moveaxis(at, -1, 0))]
                got = one("GatherND", x, at, batch_dims=batch, ways=ways(rand))
                agree(got, wanted)
    with pytest.raises((ValueError, IndexError), match="out of bounds"):
        one("GatherND", np.zeros((2, 2)), ints(0, 2)[None])


# ---- Scattering -----------------------------------------------------------------


COMBINING: dict[str, Callable[[Any, Any], Any]] = {
    "none": lambda _, u: u,
    "add": lambda t, u: t + u,
    "mul": lambda t, u: t * u,
    "max": np.maximum,
    "min": np.minimum,
}


@pytest.mark.parametrize("how", sorted(COMBINING))
def test_scatter_elements(how: str, rand: Seeded) -> None:
    for dtype in (np.bool_, bfloat16, np.uint16, *NUMBERS):
        x = drawn(rand, (3, 4, 5), dtype)
        for axis in (0, 2, -2):
            shape = (2, 3, 4)
            if how == "none":  # no place twice
                at = np.argsort(np.random.default_rng(rand.getrandbits(32)).random(shape), axis)
            else:
                at = places(rand, shape, x.shape[axis])
            updates = drawn(rand, shape, dtype)
            wanted = x.copy()
            for index in np.ndindex(*shape):
                place = list(index)
                place[axis] = int(at[index])
                spot = tuple(place)
                with np.errstate(over="ignore", invalid="ignore"):
                    wanted[spot] = COMBINING[how](wanted[spot], updates[index])
            got = one("ScatterElements", x, at, updates, axis=axis, reduction=how, ways=ways(rand))
            agree(got, wanted)
    x, at, updates = np.zeros((3, 2), np.float32), np.array([[1, 2]]), np.ones((1, 2), np.float32)
    agree(one("Scatter", x, at, updates, opset=10), np.array([[0, 0], [1, 0], [0, 1]], np.float32))
    with pytest.raises((ValueError, IndexError), match="out of bounds"):
        one("ScatterElements", x, at + 1, updates, reduction=how)
    with pytest.raises(ValueError, match="shape"):
        one("ScatterElements", x, at, updates[:, :1], reduction=how)


@pytest.mark.parametrize("how", sorted(COMBINING))
def test_scatter_nd(how: str, rand: Seeded) -> None:
    for dtype in (np.bool_, bfloat16, np.int16, *NUMBERS):
        x = drawn(rand, (4, 3, 2), dtype)
        for depth in (1, 2, 3):
            if how == "none":
                order = rand.sample(list(np.ndindex(*x.shape[:depth])), 3)
                at = np.array(order, np.int64)[:, None]
            else:
                parts = [places(rand, (5, 2), x.shape[k]) for k in range(depth)]
                at = np.stack(parts, -1).astype(np.int64)
            updates = drawn(rand, (*at.shape[:-1], *x.shape[depth:]), dtype)
            wanted = x.copy()
            for index in np.ndindex(*at.shape[:-1]):
                spot = tuple(int(k) for k in at[index])
                with np.errstate(over="ignore", invalid="ignore"):
                    wanted[spot] = COMBINING[how](wanted[spot], updates[index])
            got = one("ScatterND", x, at, updates, reduction=how, ways=ways(rand))
            agree(got, wanted, 4e-2 if dtype is bfloat16 else None)
    with pytest.raises((ValueError, IndexError), match="out of bounds"):
        one("ScatterND", np.zeros((2, 2)), ints(2)[None], np.zeros((1, 2)), reduction=how)


# ---- Choosing -------------------------------------------------------------------


def test_what_is_not_zero(rand: Seeded) -> None:
    for dtype in TYPES:
        for shape in ((7,), (3, 4), (2, 0), (2, 3, 4)):
            x = drawn(rand, shape, dtype, 1)
            agree(one("NonZero", x, ways=ways(rand)), np.array(np.nonzero(x)))
    assert one("NonZero", np.array(3.0)).shape == (0, 1)


def test_compress(rand: Seeded) -> None:
    x = drawn(rand, (3, 4, 2), np.int32)
    for axis in (0, 1, -1, None):
        size = x.size if axis is None else x.shape[axis]
        for length in (size, size - 1, 0):
            mask = drawn(rand, (length,), np.bool_, 1)
            options = {} if axis is None else {"axis": axis}
            got = one("Compress", x, mask, ways=ways(rand), **options)
            agree(got, np.compress(mask, x, axis))
    agree(one("Compress", x, np.array([True, False, False, False]), axis=0), x[:1])
    with pytest.raises((ValueError, IndexError), match="out of bounds"):
        one("Compress", x, np.array([False, False, False, True]), axis=0)


def test_one_hot(rand: Seeded) -> None:
    for dtype in (np.float32, np.int64, np.bool_, bfloat16):
        indices = np.array([[0, 2, -1], [5, -6, 1]])
        values = np.array([0, 1], dtype)
        for axis in (0, 1, -1):
            hot = (indices % 5)[..., None] == np.arange(5)
            hot &= ((indices >= -5) & (indices < 5))[..., None]
            wanted = np.moveaxis(values[hot.astype(int)], -1, axis)
            got = one("OneHot", indices, np.array(5), values, axis=axis, ways=ways(rand))
            agree(got, wanted)
    agree(one("OneHot", np.float32(1), np.float32([3]), np.int32([7, 8])), np.int32([7, 8, 7]))


# ---- Ranking --------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 9, 300])
def test_top_k(size: int, rand: Seeded) -> None:
    for dtype in (bfloat16, *NUMBERS):
        x = drawn(rand, (2, size, 3), dtype, 40)
        for k in sorted({0, 1, size // 20 + 1, size}):
            for largest in (0, 1):
                key = -x.astype(np.float64) if largest else x.astype(np.float64)
                order = np.argsort(key, 1, kind="stable")[:, :k]
                values, at = run("TopK", x, ints(k), outputs=2, axis=1, largest=largest,
                                 ways=ways(rand))  # fmt: skip
                agree(at, order)
                agree(values, np.take_along_axis(x, order, 1))
    with pytest.raises(ValueError, match="k is"):
        run("TopK", np.zeros(3), ints(4), outputs=2)
    limits = np.array([2**63, 2**64 - 1, 0, 5] + [1] * 20, np.uint64)
    agree(run("TopK", limits, ints(2), outputs=2)[1], ints(1, 0))
    agree(run("TopK", limits.view(np.int64), ints(1), outputs=2, largest=0)[1], ints(0))


def test_unique(rand: Seeded) -> None:
    for dtype in (np.int8, np.uint64, np.int64, np.float16, np.float32, np.float64):
        for shape in ((20,), (4, 5), (0,)):
            x = drawn(rand, shape, dtype, 3)
            wanted = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
            got = run("Unique", x, outputs=4, ways=ways(rand))
            for mine, other in zip(got, wanted, strict=True):
                agree(mine, other.reshape(-1))
            order = np.argsort(wanted[1])
            got = run("Unique", x, outputs=4, sorted=0, ways=ways(rand))
            agree(got[0], wanted[0][order])
            agree(got[1], wanted[1][order])
            agree(got[0][got[2]].reshape(-1), x.reshape(-1))
            agree(got[3], wanted[3][order])
    x = drawn(rand, (6, 2, 3), np.int32, 1)
    for axis in (0, 1, -1):
        wanted = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
        got = run("Unique", x, outputs=4, axis=axis, ways=ways(rand))
        for mine, other in zip(got, wanted, strict=True):
            agree(mine, other if other.ndim > 1 else other.reshape(-1))


def test_boxes_that_overlap(rand: Seeded) -> None:
    """By the definition: the best score that no chosen box overlaps too much is chosen."""
    count, classes = 30, 2
    low = np.array([[rand.random(), rand.random()] for _ in range(count)])
    size = np.array([[rand.random() / 2, rand.random() / 2] for _ in range(count)])
    boxes = np.concatenate([low, low + size], 1).astype(np.float32)
    scores = np.array([[rand.random() for _ in range(count)] for _ in range(classes)], np.float32)
    wanted = []
    for c in range(classes):
        chosen: list[int] = []
        for i in np.argsort(-scores[c], kind="stable"):
            if scores[c, i] <= 0.2 or len(chosen) == 5:
                continue
            if all(share(boxes[i], boxes[j]) <= 0.3 for j in chosen):
                chosen.append(int(i))
        wanted += [[0, c, i] for i in chosen]
    limits = (np.array([5]), np.float32([0.3]), np.float32([0.2]))
    args = (boxes[None], scores[None], *limits)
    agree(one("NonMaxSuppression", *args, ways=ways(rand)), np.array(wanted).reshape(-1, 3))
    turned = boxes[:, [2, 1, 0, 3]]
    agree(one("NonMaxSuppression", turned[None], scores[None], *limits), np.array(wanted))
    middle = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
    got = one("NonMaxSuppression", middle[None], scores[None], *limits, center_point_box=1)
    assert got.shape[1] == 3
    assert one("NonMaxSuppression", boxes[None], scores[None]).shape == (0, 3)


def share(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / (float(np.prod(a[2:] - a[:2])) + float(np.prod(b[2:] - b[:2])) - common)


def test_ngrams() -> None:
    pool = {
        "ngram_counts": [0, 3],
        "ngram_indexes": [0, 1, 2, 3, 4],
        "pool_int64s": [2, 3, 5, 2, 3, 5, 2],
    }
    x = np.array([[2, 3, 5, 2, 3], [5, 5, 2, 1, 3]])
    options = {
        "min_gram_length": 1,
        "max_gram_length": 2,
        "max_skip_count": 0,
        "mode": "TF",
        **pool,
    }
    agree(one("TfIdfVectorizer", x, **options), np.float32([[2, 2, 1, 2, 1], [1, 1, 2, 0, 1]]))
    skipping = options | {"max_skip_count": 1, "min_gram_length": 2, "mode": "TFIDF"}
    weights = [1.0, 1.0, 1.0, 0.5, 2.0]
    got = one("TfIdfVectorizer", x.astype(np.int32), **skipping, weights=weights)
    agree(got, np.float32([[0, 0, 0, 1, 2], [0, 0, 0, 0.5, 4]]))
    with pytest.raises((ValueError, RuntimeError, NotImplementedError), match="texts"):
        one("TfIdfVectorizer", x, **(options | {"pool_strings": ["a"]}))

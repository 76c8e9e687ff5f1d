"""Calls of reductions, scans, orders, sets, statistics and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from .making import EVERY, INTEGERS, NUMBERS, REAL, WIDE, Maker, Name
from .table import SUMS, UNSIGNED_ZEROS, Arguments, Check, entry

PLAIN = ("bool", *REAL)


@entry("max min amax amin", check=UNSIGNED_ZEROS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(REAL)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True, initial=3)}


@entry("nanmax nanmin", check=UNSIGNED_ZEROS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


@entry("argmax argmin nanargmax nanargmin", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x], {"axis": m.axis(x), **m.options(keepdims=True)}


@entry("any all count_nonzero", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(EVERY)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


@entry("sum prod nansum nanprod", check=SUMS, examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(EVERY, special=False, low=-2, high=2)
    return [x], {
        "axis": m.axes(x),
        **m.options(keepdims=True, dtype=m.choose(["float64", "int64"])),
    }


@entry("mean nanmean var std nanvar nanstd", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN, special=False)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


@entry("cumsum cumprod nancumsum nancumprod", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(EVERY, special=False, low=-2, high=2)
    return [x], {"axis": m.axis(x)}


@entry("cumulative_sum cumulative_prod", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(NUMBERS, special=False, low=-2, high=2)
    axis = {} if x.ndim == 1 and m.chance() else {"axis": m.axis(x, none=m.chance(6))}
    return [x], {**axis, **m.options(include_initial=True)}


@entry("ptp", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, special=False)
    return [x], {"axis": m.axes(x)}


@entry("average", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, special=False)
    weights = m.array(WIDE, x.shape, special=False, low=0.5, high=2)
    return [x], {"axis": m.axis(x), **m.options(weights=weights, returned=True)}


@entry("median nanmedian", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN, special=False)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


METHODS = ("linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "nonsense")


@entry("percentile nanpercentile", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS, *WIDE), m.shape(empty=False), special=False)
    q = m.choose([50, 0, 100, 33.3, [10, 90], 101])
    return [x, q], {"axis": m.axes(x), **m.options(method=m.choose(METHODS), keepdims=True)}


@entry("quantile nanquantile", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS, *WIDE), m.shape(empty=False), special=False)
    q = m.choose([0.5, 0, 1, 0.333, [0.1, 0.9], -0.5])
    return [x, q], {"axis": m.axes(x), **m.options(method=m.choose(METHODS), keepdims=True)}


@entry("cov corrcoef", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS[:4], *WIDE), (m.number(1, 4), m.number(2, 5)), special=False)
    return [x], m.options(rowvar=False)


# ---- Orders -----------------------------------------------------------------------------------


@entry("sort", check=UNSIGNED_ZEROS, examples=25)
def _(m: Maker) -> Arguments:
    x = m.array(EVERY)
    return [x], {"axis": m.axis(x)}


@entry("argsort", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(EVERY)
    return [x], {"axis": m.axis(x), "stable": True}


def partitioned(mine: Any, other: Any) -> None:
    """Partitions agree in the element at the place, and in which elements there are."""
    if isinstance(other, Exception):
        assert isinstance(mine, type(other)), (mine, other)
        return
    assert mine.shape == other.shape
    assert sorted(map(str, mine.ravel().tolist())) == sorted(map(str, other.ravel().tolist()))
    if other.size:
        assert str(mine.ravel().tolist()[0]) == str(other.ravel().tolist()[0])


@entry("partition", check=Check(by=partitioned))
def _(m: Maker) -> Arguments:
    return [m.array(REAL, (m.number(1, 9),)), 0], {}


def permutation(mine: Any, other: Any) -> None:
    if isinstance(other, Exception):
        assert isinstance(mine, type(other)), (mine, other)
        return
    assert sorted(mine.tolist()) == sorted(other.tolist())
    assert mine.dtype.name == other.dtype.name


@entry("argpartition", check=Check(by=permutation))
def _(m: Maker) -> Arguments:
    return [m.array(REAL, (m.number(1, 9),)), m.choose([0, -1, 99])], {}


@entry("lexsort")
def _(m: Maker) -> Arguments:
    n = m.number(1, 6)
    return [
        [m.array(INTEGERS, (n,), low=0, high=2, special=False) for _ in range(m.number(1, 3))]
    ], {}


@entry("sort_complex")
def _(m: Maker) -> Arguments:
    return [
        m.array(("int8", "float32", "complex64", "complex128"), (m.number(0, 6),), special=False)
    ], {}


@entry("searchsorted", examples=20)
def _(m: Maker) -> Arguments:
    dtype = m.choose((*INTEGERS, *WIDE))
    x = m.array((dtype,), (m.number(0, 8),), layout="", special=False)
    x.base.sort()
    return [x, m.choose([m.array((dtype,), special=False), 3])], m.options(
        side=m.choose(["left", "right", "x"])
    )


@entry("digitize")
def _(m: Maker) -> Arguments:
    return [
        m.array(WIDE, special=False),
        m.choose([[0, 5, 10], [10, 5, 0], [0], [0, 5, 3]]),
    ], m.options(right=True)


@entry("unique unique_all unique_counts unique_inverse", check=UNSIGNED_ZEROS, examples=16)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY, low=-2, high=2)], {}


def same_set(mine: Any, other: Any) -> None:
    """The standard leaves the order open."""
    assert mine.dtype.name == other.dtype.name
    found = np.sort(np.array(mine.tolist(), other.dtype))
    np.testing.assert_array_equal(found, np.sort(other))


@entry("unique_values", check=Check(by=same_set), examples=16)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY, low=-2, high=2)], {}


@entry("isin", examples=16)
def _(m: Maker) -> Arguments:
    dtypes = m.choose([INTEGERS, WIDE, ("bool",)])
    x = m.array(dtypes, low=-3, high=3, special=False)
    return [x, m.choose([m.array(dtypes, low=-3, high=3), [1, 2], 3])], {}


@entry("intersect1d union1d setdiff1d setxor1d", check=UNSIGNED_ZEROS)
def _(m: Maker) -> Arguments:
    dtypes = m.choose([INTEGERS, WIDE])
    return [m.array(dtypes, low=-3, high=3, special=False) for _ in range(2)], {}


# ---- Counting ---------------------------------------------------------------------------------


@entry("bincount", examples=16)
def _(m: Maker) -> Arguments:
    n = m.number(0, 8)
    x = m.array(
        (*INTEGERS[:6], "float32"), (n,), low=-1 if m.chance(8) else 0, high=6, special=False
    )
    weights = m.options(weights=m.array(WIDE, (n,), special=False)) if n else {}
    return [x], {**weights, **m.options(minlength=m.number(0, 9))}


@entry("histogram", check=SUMS, examples=20)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS[:4], *WIDE), special=False)
    return [x], m.options(
        bins=m.choose([3, 7, [0, 1, 5], [3, 2, 1], 0, "sqrt"]),
        range=m.choose([(0, 5), (5, 0), (-20, 20)]),
        density=True,
    )


@entry("histogram_bin_edges", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE, (m.number(1, 30),), special=False)
    return [x], m.options(
        bins=m.choose([4, "sqrt", "sturges", "auto", "fd", "scott", "rice", "doane"])
    )


@entry("histogram2d", check=SUMS)
def _(m: Maker) -> Arguments:
    n = m.number(1, 20)
    return [m.array(WIDE, (n,), special=False) for _ in range(2)], m.options(
        bins=m.choose([3, [2, 4]]), range=[[-20, 20], [-20, 20]]
    )


@entry("histogramdd", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, (m.number(1, 20), 3), special=False)], m.options(
        bins=[2, 3, 2], density=True
    )


# ---- Lines, products, integrals ---------------------------------------------------------------


@entry("convolve correlate", check=SUMS)
def _(m: Maker) -> Arguments:
    a, b = (m.array((*INTEGERS, *WIDE), (m.number(1, 8),), special=False) for _ in range(2))
    return [a, b], m.options(mode=m.choose(["full", "same", "valid"]))


@entry("interp", check=SUMS)
def _(m: Maker) -> Arguments:
    n = m.number(1, 6)
    xp = m.array(WIDE, (n,), special=False, layout="")
    xp.base[:] = [3.5 * i - 9 for i in range(n)]
    return [m.array(WIDE, special=False), xp, m.array(WIDE, (n,), special=False)], m.options(
        left=-1.0, right=2.0, period=50.0
    )


@entry("gradient", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS[:4], *WIDE), m.shape(1, 2, empty=False), special=False)
    return [x, *m.choose([[], [2.0]])], m.options(edge_order=m.choose([1, 2]), axis=0)


@entry("trapezoid", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS, *WIDE), m.shape(1), special=False)
    return [x], {"axis": m.number(-x.ndim, x.ndim - 1), **m.options(dx=0.5)}


@entry("cross", check=SUMS)
def _(m: Maker) -> Arguments:
    shape = (*m.shape(0, 2), m.choose([3, 3, 2]))
    return [m.array((*INTEGERS, *WIDE), shape, special=False) for _ in range(2)], {}


def matrices(
    m: Maker, dtypes: Any = (*INTEGERS, *WIDE, "complex64", "complex128", "bool")
) -> list[Any]:
    """Two that can be multiplied; now and then two that cannot."""
    n, k, p = (m.number(0 if m.chance(6) else 1, 5) for _ in range(3))
    left = m.choose([(n, k), (n, k), (k,), (2, n, k)])
    right = m.choose([(k, p), (k, p), (k,), (2, k, p)])
    if m.chance(12):
        right = (k + 1, p)
    return [m.array(dtypes, shape, special=False) for shape in (left, right)]


@entry("matmul dot inner", check=SUMS, examples=20)
def _(m: Maker) -> Arguments:
    return matrices(m), {}


@entry("vdot", check=SUMS)
def _(m: Maker) -> Arguments:
    shape = m.shape()
    return [m.array(NUMBERS, shape, special=False) for _ in range(2)], {}


@entry("vecdot", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(NUMBERS, m.shape(1), special=False)
    return [x, m.array(NUMBERS, x.shape, special=False)], {}


@entry("matvec", check=SUMS)
def _(m: Maker) -> Arguments:
    n, k = m.number(1, 4), m.number(1, 4)
    return [m.array(WIDE, (n, k), special=False), m.array(WIDE, (k,), special=False)], {}


@entry("vecmat", check=SUMS)
def _(m: Maker) -> Arguments:
    n, k = m.number(1, 4), m.number(1, 4)
    return [m.array(WIDE, (n,), special=False), m.array(WIDE, (n, k), special=False)], {}


@entry("outer kron", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array((*INTEGERS, *WIDE), m.shape(0, 2), special=False) for _ in range(2)], {}


@entry("tensordot", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    shape = m.shape(1)
    a = m.array((*INTEGERS, *WIDE), shape, special=False)
    b = m.array((*INTEGERS, *WIDE), shape[::-1], special=False)
    last = len(shape) - 1
    return [a, b], {"axes": m.choose([0, ([last], [0]), ([0], [last]), 1, 5])}


SUBSCRIPTS = (
    ("ij,jk->ik", (3, 4), (4, 2)),
    ("ij,jk", (3, 4), (4, 2)),
    ("ij->ji", (3, 4)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("ij->", (3, 4)),
    ("i,i", (4,), (4,)),
    ("i,j->ij", (4,), (3,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)),
    ("ij,j,ik->k", (3, 4), (4,), (3, 2)),
    ("ijk,kl->ijl", (2, 3, 4), (4, 5)),
    ("ij,ij->i", (3, 4), (3, 4)),
    ("ij,jk->zk", (3, 4), (4, 2)),
    ("ij,jk->ik", (3, 4), (3, 2)),
)


@entry("einsum", check=Check(rtol=1e3, zeros=False), examples=30)
def _(m: Maker) -> Arguments:
    text, *shapes = m.choose(SUBSCRIPTS)
    dtype = m.choose([("int64",), WIDE])
    return [text, *(m.array(dtype, shape, special=False) for shape in shapes)], m.options(
        optimize=m.choose([True, False])
    )


def contraction(mine: Any, other: Any) -> None:
    """Orders of contraction may differ; each ends with one array left."""
    assert mine[0][0] == other[0][0] == "einsum_path"
    counts = [sum(len(step) - 1 for step in found[0][1:]) for found in (mine, other)]
    assert counts[0] == counts[1]
    assert isinstance(mine[1], str)


@entry("einsum_path", check=Check(by=contraction))
def _(m: Maker) -> Arguments:
    text, *shapes = m.choose(SUBSCRIPTS[:13])
    return [text, *(m.array(WIDE, shape, special=False) for shape in shapes)], {}


# ---- Functions applied by other functions ------------------------------------------------------


@entry("apply_along_axis", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS, *WIDE), m.shape(1, empty=False), special=False)
    return [Name(m.choose(["sum", "sort", "max", "cumsum"])), m.number(-x.ndim, x.ndim), x], {}


@entry("apply_over_axes", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array((*INTEGERS, *WIDE), (2, 3, 2), special=False)
    return [Name("sum"), x, m.choose([0, [0, 2], [1]])], {}


@entry("vectorize", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE, m.shape(empty=False), special=False)
    return [m.choose(["add", "maximum"]), x, m.choose([2.0, x])], {}


@entry("ufunc", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array((*INTEGERS, *WIDE), (m.number(1, 5),), special=False)], {}

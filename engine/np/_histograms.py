"""Counting values by intervals."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable

from polyvm.np import _core as core
from polyvm.np._creation import linspace
from polyvm.np._statistics import percentile, ptp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FEW = 64  # values that are found as fast by searching

__all__ = [
    "digitize",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
]


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Return in which interval of monotonic ``bins`` each value lies, 0 being before the first.

    Intervals contain their lower end, or their upper one if ``right``.
    """
    x, bins = core.asarray(x), core.asarray(bins)
    if x.dtype.kind == "c":
        raise TypeError("x may not be complex")
    if bins.ndim != 1:
        raise ValueError("object of too small depth for desired array")
    rising, falling = bins[1:] >= bins[:-1], bins[1:] <= bins[:-1]
    side = "left" if right else "right"
    if bool(core.all(rising)):
        return core.searchsorted(bins, x, side=side)
    if not bool(core.all(falling)):
        raise ValueError("bins must be monotonically increasing or decreasing")
    return bins.size - core.searchsorted(bins[::-1], x, side=side)


# ---- Widths by themselves ------------------------------------------------------------------


def _scott(x: Any) -> float:
    return math.pow(24.0 * math.sqrt(math.pi) / x.size, 1.0 / 3.0) * float(core.std(x))


def _sturges(x: Any) -> float:
    return float(ptp(x)) / (math.log2(x.size) + 1.0)


def _rice(x: Any) -> float:
    return float(ptp(x)) / (2.0 * math.pow(x.size, 1.0 / 3))


def _root(x: Any) -> float:
    return float(ptp(x)) / math.sqrt(x.size)


def _freedman_diaconis(x: Any) -> float:
    high, low = percentile(x, [75, 25])
    return 2.0 * float(high - low) * math.pow(x.size, -1.0 / 3.0)


def _doane(x: Any) -> float:
    if x.size <= 2:
        return 0.0
    spread = math.sqrt(6.0 * (x.size - 2) / ((x.size + 1.0) * (x.size + 3)))
    sigma = float(core.std(x))
    if not sigma > 0.0:
        return 0.0
    skew = abs(float(core.mean(((x - core.mean(x)) / sigma) ** 3)))
    return float(ptp(x)) / (1.0 + math.log2(x.size) + math.log2(1.0 + skew / spread))


def _stone(x: Any, low: float, high: float) -> float:
    size = x.size
    extent = float(ptp(x))
    if size <= 1 or extent == 0:
        return 0.0

    def cost(bins: int) -> float:
        width = extent / bins
        share = histogram(x, bins=bins, range=(low, high))[0] / size
        return (2.0 - (int(size) + 1) * float(core.sum(share * share))) / width

    return extent / min(range(1, max(100, int(math.sqrt(size))) + 1), key=cost)


def _auto(x: Any) -> float:
    return min(max(_freedman_diaconis(x), _root(x) / 2), _sturges(x))


_WIDTHS: dict[str, Callable[[Any], float]] = {
    "auto": _auto,
    "doane": _doane,
    "fd": _freedman_diaconis,
    "rice": _rice,
    "scott": _scott,
    "sqrt": _root,
    "sturges": _sturges,
}


# ---- Edges ---------------------------------------------------------------------------------


def _limits(a: Any, range: Any) -> tuple[Any, Any]:
    if range is not None:
        low, high = (float(end) for end in range)
        if low > high:
            raise ValueError("max must be larger than min in range parameter.")
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"supplied range of [{low}, {high}] is not finite")
    elif a.size == 0:
        low, high = 0.0, 1.0
    else:
        low, high = core.min(a), core.max(a)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"autodetected range of [{low}, {high}] is not finite")
    if low == high:
        return low - 0.5, high + 0.5
    return low, high


def _estimated(a: Any, name: str, range: Any) -> int:
    if name != "stone" and name not in _WIDTHS:
        raise ValueError(f"{name!r} is not a valid estimator for `bins`")
    low, high = _limits(a, range)
    if range is not None:
        a = a[core.logical_and(a >= low, a <= high)]
    if a.size == 0:
        return 1
    width = _stone(a, low, high) if name == "stone" else _WIDTHS[name](a)
    if not width:
        return 1
    if a.dtype.kind in "iu" and width < 1:
        width = 1
    return math.ceil(float(high - low) / width)


def _edges(a: Any, bins: Any, range: Any, weights: Any) -> Any:
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError(
                "Automated estimation of the number of bins is not supported for weighted data"
            )
        bins = _estimated(a, bins, range)
    elif core.asarray(bins).ndim == 1:
        edges = core.asarray(bins)
        if bool(core.any(edges[:-1] > edges[1:])):
            raise ValueError("`bins` must increase monotonically, when an array")
        return edges
    elif core.asarray(bins).ndim > 1:
        raise ValueError("`bins` must be 1d, when an array")
    try:
        count = operator.index(bins)
    except TypeError:
        raise TypeError("`bins` must be an integer, a string, or an array") from None
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    low, high = _limits(a, range)
    dtype = a.dtype if a.dtype.kind == "f" else core.float64
    return linspace(low, high, count + 1, dtype=dtype)


def _flat(a: Any, weights: Any) -> tuple[Any, Any]:
    a = core.asarray(a)
    if a.dtype.kind == "b":
        a = a.astype(core.uint8)
    if weights is not None:
        weights = core.asarray(weights)
        if weights.shape != a.shape:
            raise ValueError("weights should have the same shape as a.")
        weights = core.ravel(weights)
    return core.ravel(a), weights


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Return the edges that `histogram` uses."""
    a, weights = _flat(a, weights)
    return _edges(a, bins, range, weights)


# ---- Counts --------------------------------------------------------------------------------


def _intervals(values: Any, edges: Any) -> Any:
    """Return each value's interval, the last one closed; -1 or more than there are outside."""
    places = core.searchsorted(edges, values, side="right") - 1
    last = core.logical_and(values == edges[-1], places == edges.size - 1)
    return core.where(last, places - 1, places)


def _equal_intervals(values: Any, edges: Any) -> Any:
    """Return the intervals by arithmetic where all are as wide, with values beside an edge put
    right; None where an interval is too narrow for that.
    """
    count = edges.size - 1
    first, last = float(edges[0]), float(edges[-1])
    width = (last - first) / count if last > first else 0.0
    if width <= 1e-12 * max(abs(first), abs(last)) or not math.isfinite(width):
        return None
    outside = core.logical_not(core.logical_and(values >= first, values <= last))
    near = core.subtract(values, first, dtype=core.float64) / width
    if bool(core.any(outside)):
        near = core.where(outside, 0.0, near)
    places = core.minimum(near.astype(core.int64), count - 1)
    places = places - (values < core.take(edges, places))
    beyond = values >= core.take(edges, core.minimum(core.maximum(places, 0) + 1, count))
    places = core.minimum(places + beyond, count - 1)
    return core.where(outside, -1, places)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, Any]:
    """Return how many values lie in each interval, and the edges of the intervals.

    ``bins``: how many, edges, or how to find a number: 'auto', 'doane', 'fd', 'rice', 'scott',
    'sqrt', 'stone', 'sturges'. The last interval contains its upper edge.
    """
    a, weights = _flat(a, weights)
    edges = _edges(a, bins, range, weights)
    equal = core.asarray(bins).ndim == 0 if not isinstance(bins, str) else True
    places = _equal_intervals(a, edges) if equal and a.size > _FEW else None
    if places is None:
        places = _intervals(a, edges)
    count = edges.size - 1
    inside = core.logical_and(places >= 0, places < count)
    if a.dtype.kind == "f":
        inside = core.logical_and(inside, core.logical_not(core.isnan(a)))
    if not bool(core.all(inside)):
        places = places[inside]
        weights = None if weights is None else weights[inside]
    totals = _totals(places, weights, count)
    if density:
        widths = (edges[1:] - edges[:-1]).astype(core.float64)
        return totals / widths / core.sum(totals), edges
    return totals, edges


def _totals(places: Any, weights: Any, count: int) -> Any:
    if weights is None:
        return core.bincount(places, minlength=count)
    if weights.dtype.kind == "c":
        parts = [
            core.bincount(places, part, minlength=count) for part in (weights.real, weights.imag)
        ]
        return (parts[0] + 1j * parts[1]).astype(weights.dtype)
    kept = weights.astype(core.int64) if weights.dtype.kind == "b" else weights
    return core.bincount(places, kept, minlength=count).astype(kept.dtype)


def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[Any, list[Any]]:
    """Return how many points lie in each box, and the edges along each dimension.

    ``sample``: (points, dimensions), or a sequence of one array a dimension.
    """
    if isinstance(sample, core.ndarray) and sample.ndim == 2:
        points = sample
    else:
        columns = [core.asarray(one) for one in sample]
        points = core.stack(columns, axis=1) if columns[0].ndim == 1 else core.asarray(sample)
    dims = points.shape[1]
    try:
        given = list(bins)
    except TypeError:
        given = [bins] * dims
    if len(given) != dims:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * dims if range is None else list(range)
    if len(ranges) != dims:
        raise ValueError("range argument must have one entry per dimension")
    edges: list[Any] = []
    inside: Any = None
    flat: Any = None
    for k, (one, limits) in enumerate(zip(given, ranges, strict=True)):
        values = points[:, k]
        if core.asarray(one).ndim == 0 and int(one) < 1:
            raise ValueError(f"`bins[{k}]` must be positive, when an integer")
        if core.asarray(one).ndim == 1 and bool(
            core.any(core.asarray(one)[:-1] > core.asarray(one)[1:])
        ):
            raise ValueError(f"`bins[{k}]` must be monotonically increasing, when an array")
        spread = values if limits is None and values.size else values.astype(core.float64)
        its = _edges(spread, one, limits, None)
        edges.append(its)
        places = _intervals(values, its)
        fits = core.logical_and(places >= 0, places < its.size - 1)
        inside = fits if inside is None else core.logical_and(inside, fits)
        flat = places if flat is None else flat * (its.size - 1) + places
    if weights is not None:
        weights = core.asarray(weights)[inside]
    shape = tuple(one.size - 1 for one in edges)
    totals = _totals(flat[inside], weights, math.prod(shape))
    counts = core.reshape(totals.astype(core.float64), shape)
    if density:
        total = core.sum(counts)
        for k, one in enumerate(edges):
            widths = (1,) * k + (-1,) + (1,) * (dims - k - 1)
            counts = counts / core.reshape(one[1:] - one[:-1], widths)
        counts = counts / total
    return counts, edges


def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[Any, Any, Any]:
    """Return how many points lie in each rectangle, and the edges along x and along y."""
    x, y = core.asarray(x), core.asarray(y)
    if x.size != y.size:
        raise ValueError("x and y must have the same length.")
    if isinstance(bins, Iterable):
        given = list(bins) if not isinstance(bins, core.ndarray) else bins
        if len(given) not in (1, 2):  # the same edges for both
            bins = [core.asarray(bins)] * 2
        elif len(given) == 1:
            bins = [given[0]] * 2
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, edges[0], edges[1]

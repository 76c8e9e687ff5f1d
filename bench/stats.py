"""The few statistics that the tables need."""

from collections.abc import Sequence
from math import exp, log
from statistics import fmean, median
from typing import TypedDict


class Spread(TypedDict):
    """A median and the values around it."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest of at least one value."""
    return {
        "median": median(values),
        "low": min(values),
        "high": max(values),
        "count": len(values),
    }


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of at least one positive value."""
    return exp(fmean(log(value) for value in values))


def quartile_spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median: 0.01 is 1 %."""
    ordered = sorted(values)
    low = ordered[len(ordered) // 4]
    high = ordered[(3 * len(ordered)) // 4 if len(ordered) > 3 else -1]
    return (high - low) / 2 / median(ordered)


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the least-squares line; 0 for fewer than two points."""
    if len(x) < 2:
        return 0.0
    mean_x, mean_y = fmean(x), fmean(y)
    square = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / square

"""The few statistics that the tables need."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np


class Spread(TypedDict):
    """A median and the values around it."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest of at least one value."""
    return {
        "median": float(np.median(values)),
        "low": float(np.min(values)),
        "high": float(np.max(values)),
        "count": len(values),
    }


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of at least one positive value."""
    return float(np.exp(np.mean(np.log(values))))


def quartile_spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median: 0.01 is 1 %."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float((high - low) / 2 / middle)


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the least-squares line; 0 for fewer than two points."""
    if len(x) < 2:
        return 0.0
    return float(np.polyfit(x, y, 1)[0])

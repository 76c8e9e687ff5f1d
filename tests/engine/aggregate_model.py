"""What aggregates come to, in plain Python: rows are (time, value, ...) in the order of coming."""

from __future__ import annotations

import collections
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = tuple[int, Any] | tuple[int, Any, Any]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers(rows: Sequence[Row]) -> list[Any]:
    return [row[1] for row in rows if is_number(row[1])]


def by_time(rows: Sequence[Row]) -> list[Any]:
    return [row[1] for row in sorted(rows, key=lambda row: row[0]) if row[1] is not None]


def naive_sum(rows: Sequence[Row]) -> Any:
    given = numbers(rows)
    if any(isinstance(number, float) for number in given):
        if any(math.isnan(number) for number in given):
            return math.nan
        return float(sum(Fraction(number) for number in given))
    total = sum(given)
    return total if -(2**63) <= total < 2**64 else float(total)


def naive_mean(rows: Sequence[Row]) -> Any:
    given = numbers(rows)
    if not given:
        return None
    if any(math.isnan(number) for number in given):
        return math.nan
    return float(sum(Fraction(number) for number in given) / len(given))


def naive_variance(rows: Sequence[Row], ddof: int = 1) -> Any:
    given = numbers(rows)
    if len(given) <= ddof:
        return None
    if any(math.isnan(number) for number in given):
        return math.nan
    mean = sum(Fraction(number) for number in given) / len(given)
    return float(sum((number - mean) ** 2 for number in map(Fraction, given)) / (len(given) - ddof))


def naive_extreme(rows: Sequence[Row], better: Callable[[Any, Any], bool]) -> Any:
    best = None
    for number in numbers(rows):
        if not math.isnan(number) and (best is None or better(number, best)):
            best = number
    return best


def naive_by(rows: Sequence[Any], better: Callable[[Any, Any], bool]) -> Any:
    best: tuple[Any, Any] | None = None
    for _, value, number in rows:
        if value is None or not is_number(number) or math.isnan(number):
            continue
        if best is None or better(number, best[1]):
            best = value, number
    return None if best is None else best[0]


def first(rows: Sequence[Row]) -> Any:
    values = by_time(rows)
    return values[0] if values else None


def last(rows: Sequence[Row]) -> Any:
    """Of equal times the one that came last: sorting is stable."""
    values = by_time(rows)
    return values[-1] if values else None


def identity(value: Any) -> Any:
    """Equal for what counts as one value: 1 and 1.0, not 1 and True; any NaN."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return (is_number(value), type(value) is bool, str(value) if isinstance(value, list) else value)


def naive_distinct(rows: Sequence[Row]) -> int:
    return len({identity(row[1]) for row in rows if row[1] is not None})


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and bool(a == b)


def near(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return same(a, b) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return same(a, b)


# ---- As authors write them: is this what the rows come to? -----------------------


def _count_if(rows: Sequence[Row]) -> int:
    return sum(is_number(row[1]) and bool(row[1] > 0) for row in rows)


def _equal(found: Any, wanted: Any) -> bool:
    """1 and 1.0 are equal, so either may stand for both."""
    return same(found, wanted) or (is_number(found) and is_number(wanted) and found == wanted)


def _close(found: Any, wanted: Any, rows: Sequence[Row]) -> bool:
    if not (is_number(found) and is_number(wanted)):
        return same(found, wanted)
    scale = sum(abs(float(number)) for number in numbers(rows) if not math.isnan(number))
    return _equal(found, wanted) or math.isclose(
        found, wanted, rel_tol=1e-9, abs_tol=1e-12 * (1 + scale)
    )


def _is_by(found: Any, rows: Sequence[Any], better: Callable[[Any, Any], bool]) -> bool:
    """Of equal numbers any may count: panes of a window are merged in the order of time."""
    given = [
        row for row in rows if row[1] is not None and is_number(row[2]) and not math.isnan(row[2])
    ]
    best = naive_extreme([row[::2] for row in given], better)
    return any(same(found, row[1]) for row in given if row[2] == best) or (
        found is None and not given
    )


def _are_top(found: Any, rows: Sequence[Row], k: int) -> bool:
    """Exact as long as there are no more values than counters. NaN equals nothing."""
    values = [row[1] for row in rows if row[1] is not None]
    counts = collections.Counter(
        (number, "nan") if identity(value) == "nan" else identity(value)
        for number, value in enumerate(values)
    )
    if [count for _, count in found] != sorted(counts.values(), reverse=True)[:k]:
        return False
    return all(
        count == (1 if identity(value) == "nan" else counts[identity(value)])
        for value, count in found
    )


def _quantile(rows: Sequence[Row], q: float) -> float | None:
    values = sorted(float(number) for number in numbers(rows) if not math.isnan(number))
    return values[max(math.ceil(q * len(values)) - 1, 0)] if values else None


def _decayed(rows: Sequence[Row], half_ns: int) -> float:
    given = [row for row in rows if is_number(row[1])]
    latest = max((row[0] for row in given), default=0)
    return float(sum(row[1] * 2.0 ** -((latest - row[0]) / half_ns) for row in given))


# Of columns v and w; sketches as long as they are exact.
CHECKS: dict[str, Callable[[Any, Sequence[Row]], bool]] = {
    "count()": lambda found, rows: found == len(rows),
    "count(v)": lambda found, rows: found == sum(row[1] is not None for row in rows),
    "count_if(v > 0)": lambda found, rows: found == _count_if(rows),
    "sum(v)": lambda found, rows: _close(found, naive_sum(rows), rows),
    "mean(v)": lambda found, rows: _close(found, naive_mean(rows), rows),
    "variance(v, 0)": lambda found, rows: near(found, naive_variance(rows, 0)),
    "min(v)": lambda found, rows: _equal(found, naive_extreme(rows, lambda a, b: a < b)),
    "max(v)": lambda found, rows: _equal(found, naive_extreme(rows, lambda a, b: a > b)),
    "first(v)": lambda found, rows: same(found, first(rows)),
    "last(v)": lambda found, rows: same(found, last(rows)),
    "min_by(v, w)": lambda found, rows: _is_by(found, rows, lambda a, b: a < b),
    "max_by(v, w)": lambda found, rows: _is_by(found, rows, lambda a, b: a > b),
    "distinct(v)": lambda found, rows: found == naive_distinct(rows),
    "distinct_approx(v, 16)": lambda found, rows: found == naive_distinct(rows),
    "last_n(v, 3)": lambda found, rows: same(found, by_time(rows)[-3:]),
    "collect(v, 3)": lambda found, rows: same(found, by_time(rows)[:3]),
    "top_k(v, 3)": lambda found, rows: _are_top(found, rows, 3),
    "quantile(v, 0.5)": lambda found, rows: same(found, _quantile(rows, 0.5)),
    "decayed_sum(v, '20ms')": lambda found, rows: _close(found, _decayed(rows, 20_000_000), rows),
}

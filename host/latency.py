"""Latency percentiles in constant memory: a histogram with logarithmic buckets.

Buckets grow by 1/16 of a power of two, so a percentile is off by 3 % at most, over the whole
range of 1 ns to 2**63 ns. Histograms of several tasks or times can be merged by addition.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SUB_BITS = 4
_SUB = 1 << _SUB_BITS
_BUCKETS = (63 - _SUB_BITS + 1) * _SUB


class Histogram:
    """Counts of durations in nanoseconds. Not locked: one writer at a time."""

    __slots__ = ("_counts", "count", "maximum", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self.total = 0
        self.maximum = 0

    def record(self, duration_ns: int) -> None:
        """Add one duration; what lies outside [0, 2**63) counts as the nearest that does not."""
        value = min(max(duration_ns, 0), (1 << 63) - 1)
        self._counts[_index(value)] += 1
        self.count += 1
        self.total += value
        self.maximum = max(self.maximum, value)

    def record_all(self, durations_ns: Sequence[int]) -> None:
        """Add many, as `record` does one."""
        if not durations_ns:
            return
        most = (1 << 63) - 1
        values = [min(max(each, 0), most) for each in durations_ns]
        for index, count in Counter(map(_index, values)).items():
            self._counts[index] += count
        self.count += len(values)
        self.total += sum(values)
        self.maximum = max(self.maximum, *values)

    def merge(self, other: Histogram) -> None:
        """Add all that ``other`` counted."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.total += other.total
        self.maximum = max(self.maximum, other.maximum)

    def copy(self) -> Histogram:
        """Return one with the same counts."""
        other = Histogram()
        other._counts = self._counts.copy()
        other.count, other.total, other.maximum = self.count, self.total, self.maximum
        return other

    def below(self, exponents: Iterable[int]) -> list[int]:
        """Return how many durations were below each 2**exponent ns, exactly.

        Exponents rise, from 4 on.
        """
        counts = []
        start = seen = 0
        for exponent in exponents:
            end = _index(1 << exponent)
            seen += sum(self._counts[start:end])
            start = end
            counts.append(seen)
        return counts

    def percentile(self, percent: float) -> int:
        """Return the duration in ns that ``percent`` (0 to 100) of those recorded do not exceed.

        It is the middle of that duration's bucket, never above the maximum; 0 if nothing was
        recorded.
        """
        rank = max(1, -(-self.count * percent // 100))
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                return min(_middle(index), self.maximum)
        return self.maximum


def _index(value: int) -> int:
    if value < _SUB:
        return value
    shift = value.bit_length() - 1 - _SUB_BITS
    return (shift << _SUB_BITS) + (value >> shift)


def _middle(index: int) -> int:
    if index < 2 * _SUB:
        return index
    shift = (index >> _SUB_BITS) - 1
    low = (_SUB + (index & (_SUB - 1))) << shift
    return low + (1 << shift) // 2

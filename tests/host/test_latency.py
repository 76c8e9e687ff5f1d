from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from polyvm.host.latency import Histogram

durations = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=200)


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(durations, st.integers(1, 100))
def test_percentiles_are_within_a_sixteenth(values: list[int], percent: int) -> None:
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    found = recorded(values).percentile(percent)
    assert abs(found - exact) <= exact / 32 + 1


@given(durations, durations)
def test_merging_is_recording_both(one: list[int], other: list[int]) -> None:
    merged = recorded(one)
    merged.merge(recorded(other))
    both = recorded(one + other)
    assert (merged.count, merged.total, merged.maximum) == (both.count, both.total, both.maximum)
    assert all(merged.percentile(p) == both.percentile(p) for p in (0, 1, 50, 99, 100))


def test_empty_is_zero() -> None:
    assert Histogram().percentile(50) == 0


def test_out_of_range_counts_as_the_nearest() -> None:
    assert recorded([-5]).percentile(50) == 0
    assert recorded([2**70]).maximum == 2**63 - 1

"""The operations that are timed compute the same as NumPy."""

import pytest

from bench.arrays.operations import OPERATIONS
from bench.contenders import arrays


@pytest.mark.parametrize("size", [2, 16, 1000])
@pytest.mark.parametrize("name", OPERATIONS)
def test_both_compute_the_same(name: str, size: int) -> None:
    told = arrays.same(name, size)
    if "missing" in told:
        pytest.skip(told["missing"])
    assert told == {"same": True}


def test_both_are_timed_in_every_round() -> None:
    ours, theirs = arrays.measure("add", 16, 3)["ns"]
    assert len(ours) == len(theirs) == 3
    assert min(ours + theirs) > 0

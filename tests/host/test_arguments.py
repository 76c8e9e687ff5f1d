"""What commands' options may be."""

from __future__ import annotations

import math

import pytest

from polyvm.host.cli import arguments
from polyvm.host.errors import UsageError


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, None), (0.0, 0), (-1.5, -1_500_000_000), (9e9, 9 * 10**18)]
)
def test_times(seconds: float | None, expected: int | None) -> None:
    assert arguments.nanoseconds("--at", seconds) == expected


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e30, -1e10])
def test_no_times(seconds: float) -> None:
    with pytest.raises(UsageError, match=r"--at .* is no time; it is in seconds since the epoch"):
        arguments.nanoseconds("--at", seconds)


def test_texts_and_numbers() -> None:
    assert arguments.text("--key", "Ключ") == "Ключ"
    with pytest.raises(UsageError, match=r"--key is no UTF-8: 'a\\udcff'"):
        arguments.text("--key", "a\udcff")
    assert arguments.number("--most", 1, least=1) == 1
    for wrong in (0, -1, 2**63, 10**30):
        with pytest.raises(UsageError, match="--most is 1 or more, and less than 2"):
            arguments.number("--most", wrong, least=1)

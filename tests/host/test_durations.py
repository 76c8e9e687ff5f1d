"""Durations: exact, and nothing but what the manifest's manual shows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host import durations

UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("500ms", 500_000_000),
        ("2s", 2_000_000_000),
        ("1.5m", 90_000_000_000),
        ("1h", 3_600_000_000_000),
        ("7d", 7 * 86_400 * 10**9),
        ("0s", 0),
        ("0.000001ms", 1),
        ("0.1s", 100_000_000),
        ("007s", 7_000_000_000),
        ("0.000000001h", 3600),
        ("2562047h", 2562047 * 3600 * 10**9),
    ],
)
def test_read(text: str, nanoseconds: int) -> None:
    assert durations.parse(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-1s",
        "+1s",
        "1 s",
        " 1s",
        "1s ",
        "1s\n",
        "1.s",
        ".5s",
        "1,5s",
        "1S",
        "1us",
        "1e3s",
        "1m30s",
        "inf",
        "nans",
        "1_0s",
        "٣s",
        "1.0000000001s",
        "1" * 20 + "s",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a number and one of ms, s, m, h, d, such as"):
        durations.parse(text)


def test_too_fine_and_too_long() -> None:
    with pytest.raises(ValueError, match=r"'0\.0000001ms' is finer than a nanosecond"):
        durations.parse("0.0000001ms")
    with pytest.raises(ValueError, match="'2562048h' is longer than 292 years"):
        durations.parse("2562048h")
    with pytest.raises(ValueError, match=r"^'x{37}'\.\.\. must be"):
        durations.parse("x" * 1000)


@given(
    st.integers(0, 10**5),
    st.text("0123456789", min_size=1, max_size=9),
    st.sampled_from(list(UNITS)),
)
def test_exact(whole: int, fraction: str, unit: str) -> None:
    text = f"{whole}.{fraction}{unit}"
    exact = Fraction(f"{whole}.{fraction}") * UNITS[unit]
    if exact.denominator == 1:
        assert durations.parse(text) == exact
    else:
        with pytest.raises(ValueError, match="finer than a nanosecond"):
            durations.parse(text)

from __future__ import annotations

import pytest

from polyvm.host import sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("1B", 1),
        ("64MB", 64_000_000),
        ("64MiB", 2**26),
        ("1.5GB", 1_500_000_000),
        ("0.5KiB", 512),
        ("1.000001kB", 1000),
        ("007kB", 7000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert sizes.parse(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "64", "64 MB", "-1MB", "1e3B", "64mb", "64MB ", ".5MB", "1.MB", "٣MB", "1TB", "9" * 99],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r'must be a number and one of B, kB, .*, as in "64MB"$'):
        sizes.parse(text)


def test_more_than_any_machine_has() -> None:
    with pytest.raises(ValueError, match="more than any machine has"):
        sizes.parse("999999GB")

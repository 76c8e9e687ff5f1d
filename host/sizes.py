"""Sizes in bytes as manifests write them, ``"64MB"``, ``"512KiB"``, and as people read them."""

from __future__ import annotations

import re

_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_MAX = 2**47
_SIZE = re.compile(rf"([0-9]{{1,15}})(?:\.([0-9]{{1,6}}))?({'|'.join(_UNITS)})")


def parse(text: str) -> int:
    """Return the bytes, rounded down.

    Raises ValueError, whose words go on after the name of the field.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        shown = repr(text) if len(text) <= 40 else repr(text[:37]) + "..."
        raise ValueError(f'{shown} must be a number and one of {", ".join(_UNITS)}, as in "64MB"')
    whole, fraction, unit = match[1], match[2] or "", _UNITS[match[3]]
    size: int = int(whole + fraction) * unit // 10 ** len(fraction)
    if size > _MAX:
        raise ValueError(f"{text!r} is more than any machine has; use less")
    return size


def size(count: int) -> str:
    """Return a number of bytes in KiB or MiB."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"

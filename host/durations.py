"""Durations as manifests and commands write them: ``500ms``, ``2s``, ``1.5m``, ``1h``, ``7d``."""

from __future__ import annotations

import re

_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_MAX = 2**63 - 1
_DURATION = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?(ms|s|m|h|d)")


def parse(text: str) -> int:
    """Return the nanoseconds, exactly.

    Raises ValueError, whose words go on after the name of the field.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        shown = repr(text) if len(text) <= 40 else repr(text[:37]) + "..."
        raise ValueError(
            f'{shown} must be a number and one of {", ".join(_UNITS)}, such as "500ms" or "1.5m"'
        )
    whole, fraction = match[1], (match[2] or "").ljust(9, "0")
    nanoseconds, rest = divmod(int(whole + fraction) * _UNITS[match[3]], 10**9)
    if rest:
        raise ValueError(f"{text!r} is finer than a nanosecond; use fewer digits")
    if nanoseconds > _MAX:
        raise ValueError(f"{text!r} is longer than 292 years; use less")
    return nanoseconds

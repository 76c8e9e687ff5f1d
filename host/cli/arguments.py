"""Values of options that a command's parser lets pass, checked: texts, times, numbers of events."""

from __future__ import annotations

from polyvm.host.errors import UsageError

_SECOND = 10**9
_LIMIT = 2**63


def text(name: str, value: str) -> str:
    """Return the text of an argument. Raises UsageError for bytes that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name} is no UTF-8: {value[:80]!r}") from None
    return value


def nanoseconds(name: str, seconds: float | None) -> int | None:
    """Return a time in nanoseconds since the epoch. Raises UsageError for NaN, or beyond 2262."""
    if seconds is None:
        return None
    if not -_LIMIT < seconds * _SECOND < _LIMIT:
        raise UsageError(f"{name} {seconds} is no time; it is in seconds since the epoch")
    return int(seconds * _SECOND)


def number(name: str, value: int, least: int = 0) -> int:
    """Return a number of events or rows. Raises UsageError unless it is one from ``least`` on."""
    if not least <= value < _LIMIT - 1:
        raise UsageError(f"{name} is {least} or more, and less than 2^63, not {value}")
    return value

"""Times as authors write them: `every` or `cron`, with what belongs to them, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from polyvm.host import durations, schedules
from polyvm.host.errors import ManifestError
from polyvm.host.timers import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

MISSED = ("once", "skip")

_T = TypeVar("_T")


class Times(Protocol):
    """What has them, such as a trigger."""

    @property
    def every(self) -> str | None:
        """Such as "10s"."""

    @property
    def cron(self) -> str | None:
        """Such as "*/5 * * * *"."""

    @property
    def timezone(self) -> str:
        """Of cron."""

    @property
    def at_start(self) -> bool:
        """Whether it also fires at the beginning."""

    @property
    def jitter(self) -> str | None:
        """By how much it fires later, by chance."""

    @property
    def missed(self) -> str:
        """What comes of times while nobody was there."""


def check(times: Times, place: str) -> None:
    """Refuse, with a ManifestError that begins with ``place``, what is not as it has to be."""
    if times.missed not in MISSED:
        raise ManifestError(
            f"{place}: missed {times.missed[:40]!r} must be one of {', '.join(MISSED)}"
        )
    most = schedules.MAX_JITTER_NS
    if times.cron is not None:
        read(schedules.check_timezone, "timezone", times.timezone, place)
        read(lambda line: schedules.cron(line, times.timezone), "cron", times.cron, place)
    elif times.every is not None:
        most = read(schedules.every, "every", times.every, place).every_ns // 2
    if times.jitter is None:
        return
    if read(durations.parse, "jitter", times.jitter, place) > most:
        limit = "24h" if times.cron is not None else "half of every"
        raise ManifestError(f"{place}: jitter {times.jitter!r} is too much; it is at most {limit}")


def plan(times: Times) -> Plan:
    """Return when it is to fire; `check` has seen that it is one of both."""
    if times.cron is not None:
        schedule: schedules.Schedule = schedules.Cron(times.cron, times.timezone)
    else:
        schedule = schedules.Every(durations.parse(times.every or ""))
    jitter_ns = durations.parse(times.jitter) if times.jitter is not None else 0
    return Plan(schedule, jitter_ns, times.at_start, times.missed == "skip")


def read(parse: Callable[[str], _T], field: str, text: str, place: str) -> _T:
    """Parse a field's text; its ValueError becomes a ManifestError."""
    try:
        return parse(text)
    except ValueError as error:
        raise ManifestError(f"{place}: {field} {error}") from None

"""When timers are due: at equal distances, or as a line of cron says.

Times are nanoseconds. Distances are counted on a monotonic clock, which nobody sets; lines of cron
by the clock on the wall, in their own time zone.
"""

from __future__ import annotations

import contextlib
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from cronsim import CronSim, CronSimError

from polyvm.host import durations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

MIN_EVERY_NS = 10 * 10**6
MAX_JITTER_NS = 24 * 3600 * 10**9
SECOND = 10**9
_MOST_COUNTED = 1000  # missed times of a cron line
_NEVER = 2**63 - 1
_SET_BACK_NS = 3600 * SECOND  # a clock that is set back by less fires no time twice


class Moment(NamedTuple):
    """One moment on both clocks."""

    monotonic_ns: int
    wall_ns: int  # since the epoch


class Due(NamedTuple):
    """What is due at a moment: the latest of its times, and how many before it were missed."""

    scheduled_ns: int  # on the wall
    late_ns: int
    missed: int


@dataclass(frozen=True)
class Every:
    """At equal distances from a beginning."""

    every_ns: int

    def begin(self, now: Moment, last_ns: int | None = None) -> int:
        """Return when it is due first, on the monotonic clock.

        last_ns: when it was due last on the wall, in an earlier process; it goes on from there,
        and what is due since is due now.
        """
        if last_ns is None or last_ns > now.wall_ns:
            return now.monotonic_ns + self.every_ns
        return now.monotonic_ns - (now.wall_ns - last_ns) + self.every_ns

    def wait_ns(self, next_ns: int, now: Moment) -> int:
        """Return how long until it is due, 0 or less if it is."""
        return next_ns - now.monotonic_ns

    def due(self, next_ns: int, now: Moment) -> tuple[Due, int]:
        """Return what is due, and when it is next. `wait_ns` has said that it is."""
        missed, late = divmod(now.monotonic_ns - next_ns, self.every_ns)
        scheduled = now.wall_ns - late
        return Due(scheduled, late, missed), next_ns + (missed + 1) * self.every_ns

    def on_wall(self, next_ns: int, now: Moment) -> int:
        """Return when it is due next by the clock on the wall."""
        return now.wall_ns + next_ns - now.monotonic_ns

    def set_back(self, next_ns: int, now: Moment, last_ns: int | None) -> int:
        """The clock on the wall was set back: that is nothing to it."""
        del now, last_ns
        return next_ns


@dataclass(frozen=True)
class Cron:
    """As a line of cron says: minute, hour, day of the month, month, day of the week.

    In the hour that a clock skips in spring, lines with a fixed hour are due right after it; in the
    one that comes twice in autumn they are due once, and lines with * as minute or hour in both.
    """

    line: str
    timezone: str

    @cached_property
    def _zone(self) -> tzinfo:
        # CronSim knows UTC, which has no summer time, by this object.
        return UTC if self.timezone == "UTC" else zoneinfo.ZoneInfo(self.timezone)

    def check(self) -> None:
        """Raise ValueError, whose words go on after the name of the field."""
        if len(self.line.split()) != 5:
            raise ValueError(
                f"{self.line[:40]!r} must have five fields: minute, hour, day of the month, month, "
                'day of the week, such as "*/5 * * * *"'
            )
        try:
            next(CronSim(self.line, datetime.now(self._zone)))
        except CronSimError as error:
            raise ValueError(f"{self.line[:40]!r}: {str(error).lower()}") from None
        except StopIteration:
            raise ValueError(f"{self.line[:40]!r} names a day that never comes") from None

    def after(self, wall_ns: int) -> int:
        """Return the first of its times behind this one."""
        return min(next(self._times(wall_ns)), _NEVER)

    def _times(self, wall_ns: int) -> Iterator[int]:
        """Its times behind this one, without an end."""
        with contextlib.suppress(ValueError, OverflowError, OSError):
            begin = datetime.fromtimestamp(wall_ns // SECOND, self._zone)
            for time in CronSim(self.line, begin):
                yield int(time.timestamp()) * SECOND
        while True:
            yield _NEVER  # a clock that is set beyond all calendars

    def begin(self, now: Moment, last_ns: int | None = None) -> int:
        """Return when it is due first, by the clock on the wall; last_ns as with `Every`."""
        return self.after(now.wall_ns if last_ns is None else min(last_ns, now.wall_ns))

    def wait_ns(self, next_ns: int, now: Moment) -> int:
        """Return how long until it is due, 0 or less if it is."""
        return next_ns - now.wall_ns

    def due(self, next_ns: int, now: Moment) -> tuple[Due, int]:
        """Return what is due, and when it is next; beyond 1000 missed times, some of the last."""
        scheduled, missed, following = next_ns, -1, next_ns
        times = self._times(next_ns)
        while following <= now.wall_ns:
            scheduled, missed = following, missed + 1
            following = next(times) if missed < _MOST_COUNTED else self.after(now.wall_ns)
        return Due(scheduled, now.wall_ns - scheduled, missed), following

    def on_wall(self, next_ns: int, now: Moment) -> int:
        """Return when it is due next by the clock on the wall."""
        del now
        return next_ns

    def set_back(self, next_ns: int, now: Moment, last_ns: int | None) -> int:
        """The clock on the wall was set back: return when it is due next now.

        Times that come again do not count again, unless they are more than an hour away.
        """
        del next_ns
        if last_ns is not None and now.wall_ns < last_ns < now.wall_ns + _SET_BACK_NS:
            return self.after(last_ns)
        return self.after(now.wall_ns)


Schedule = Every | Cron


def every(text: str) -> Every:
    """Read a distance such as "10s". Raises ValueError, whose words go on after its name."""
    distance = durations.parse(text)
    if distance < MIN_EVERY_NS:
        raise ValueError(f"{text!r} is too often; it is at least 10ms")
    return Every(distance)


def cron(line: str, timezone: str) -> Cron:
    """Read a line of cron. Raises ValueError likewise."""
    made = Cron(line, timezone)
    made.check()
    return made


def check_timezone(timezone: str) -> None:
    """Raise ValueError for a name that this machine knows no time zone by."""
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f'{timezone[:40]!r} is no time zone of this machine; it is a name such as "UTC" or '
            '"Europe/Berlin"'
        ) from None

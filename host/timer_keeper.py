"""Timers over restarts: when each was due last, in a file of the state folder.

It is written when a timer that is seldom due has fired, and otherwise every ten seconds. What a
host that is killed has fired since then fires again in the next one.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec

from polyvm.host import durable
from polyvm.host.schedules import SECOND, Cron

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polyvm.host.timers import Plan

_FILE = "timers.json"
_FORMAT = 1
_MAX_BYTES = 64 * 2**20
_SELDOM_NS = 60 * SECOND
_WRITE_EVERY_S = 10.0
_FORGET_NS = 90 * 24 * 3600 * SECOND  # a timer that is not there any more


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    schedule: str
    last_ns: int  # since the epoch


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    timers: dict[str, _Entry]


class TimerKeeper:
    """The file of one host. Methods are for any thread. Raises StateFileError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = durable.StateFile(
            folder / _FILE,
            _File,
            format=_FORMAT,
            max_bytes=_MAX_BYTES,
            new=lambda: _File(format=_FORMAT, timers={}),
            unreadable="make it readable, or delete it to begin with no timer's past",
            damaged="delete it to begin with no timer's past",
        )
        self._lock = threading.Lock()
        self._past = self._file.read().timers
        self._schedules: dict[str, str] = {}
        self._noted: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        self._written = time.monotonic()

    def last_ns(self, name: str, plan: Plan) -> int | None:
        """Return when a timer that begins now was due last in an earlier process; None: never."""
        schedule = _words(plan)
        with self._lock:
            self._schedules[name] = schedule
            past = self._past.pop(name, None)
        return past.last_ns if past is not None and past.schedule == schedule else None

    def note(self, last_ns: dict[str, int]) -> None:
        """Take down when some were due last. Nothing is written."""
        with self._lock:
            self._noted.update(last_ns)

    def save(self, *, at_once: bool = False) -> None:
        """Write what has changed, if it is time to."""
        with self._lock:
            noted, schedules = self._noted.copy(), self._schedules.copy()
        changed = {name for name, last in noted.items() if self._saved.get(name) != last}
        due = at_once or time.monotonic() - self._written >= _WRITE_EVERY_S
        seldom = any(noted[name] - self._saved.get(name, 0) >= _SELDOM_NS for name in changed)
        if not changed or not (due or seldom):
            return
        self._written = time.monotonic()
        with durable.locked(self._folder):
            state = self._file.read()
            state.timers.update({name: _Entry(schedules[name], noted[name]) for name in changed})
            state.timers = _without_old(state.timers)
            self._file.write(state)
        self._saved.update({name: noted[name] for name in changed})


def _words(plan: Plan) -> str:
    schedule = plan.schedule
    if isinstance(schedule, Cron):
        return f"{schedule.line} {schedule.timezone}"
    return f"every {schedule.every_ns} ns"


def _without_old(timers: Mapping[str, _Entry]) -> dict[str, _Entry]:
    oldest = time.time_ns() - _FORGET_NS
    return {name: entry for name, entry in timers.items() if entry.last_ns >= oldest}

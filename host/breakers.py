"""Circuit breakers, as the host sees them: rules from manifests, and their state over restarts.

The breakers themselves are the library's (vm/src/breaker.h describes them); they ask nobody while
tasks run.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias

import msgspec

from polyvm.host import durable, durations
from polyvm.host.errors import ManifestError

MAX_CRASHES = 16  # PVM_BREAKER_CRASHES_MAX
MIN_WINDOW_NS = 1_000_000  # PVM_BREAKER_WINDOW_MIN

_FILE = "breakers.json"
_FORMAT = 1
_MAX_BYTES = 64 * 1024 * 1024

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Policy(NamedTuple):
    """pvm_breaker_policy, field by field."""

    consecutive: int
    rate_percent: int
    min_calls: int
    timeouts: int
    crashes: int
    trials: int
    window_ns: int
    crash_window_ns: int
    open_ns: int
    max_open_ns: int
    trial_wait_ns: int


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[breaker]`` of a manifest. 0 switches a rule off."""

    consecutive: _Count = 10  # failures in a row
    rate: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50  # percent of the calls in the window
    window: str = "60s"
    min_calls: _Count = 100  # in the window; a rate of fewer says nothing
    timeouts: _Count = 3  # in a row
    crashes: Annotated[int, msgspec.Meta(ge=0, le=MAX_CRASHES)] = 2  # each ends the host's process
    crash_window: str = "1h"  # "0s": since the version came
    open: str = "5s"  # the first cool-down; each further one is twice as long
    max_open: str = "5m"
    trials: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    trial_wait: str = "5m"  # after which a lost trial is replaced; "0s": never


def policy(rules: Rules, where: str) -> Policy:
    """Check a manifest's table and put it into the library's terms; ``where`` names the manifest.

    Raises ManifestError.
    """

    def nanoseconds(field: str) -> int:
        try:
            return durations.parse(getattr(rules, field))
        except ValueError as error:
            raise ManifestError(f"{where}: breaker.{field} {error}") from None

    made = Policy(
        consecutive=rules.consecutive,
        rate_percent=rules.rate,
        min_calls=rules.min_calls,
        timeouts=rules.timeouts,
        crashes=rules.crashes,
        trials=rules.trials,
        window_ns=nanoseconds("window"),
        crash_window_ns=nanoseconds("crash_window"),
        open_ns=nanoseconds("open"),
        max_open_ns=nanoseconds("max_open"),
        trial_wait_ns=nanoseconds("trial_wait"),
    )
    if made.window_ns < MIN_WINDOW_NS:
        raise ManifestError(
            f"{where}: breaker.window {rules.window!r} is too short; use 1ms or more"
        )
    if made.open_ns == 0:
        raise ManifestError(
            f"{where}: breaker.open {rules.open!r} would let the task go on at once; to switch a "
            "rule off, set the rule to 0"
        )
    if made.max_open_ns < made.open_ns:
        raise ManifestError(
            f"{where}: breaker.max_open {rules.max_open!r} is shorter than breaker.open "
            f"{rules.open!r}; make it as long at least"
        )
    return made


class State(enum.StrEnum):
    """pvm_breaker_state, in its order."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Hold(enum.StrEnum):
    """pvm_breaker_hold, in its order: what the operator ordered."""

    AUTO = "auto"
    HOLD_OPEN = "open"
    HOLD_CLOSED = "closed"


class Reason(enum.StrEnum):
    """pvm_breaker_reason, in its order: why a breaker is not closed."""

    NONE = "none"
    CONSECUTIVE = "consecutive"
    RATE = "rate"
    TIMEOUTS = "timeouts"
    CRASHES = "crashes"
    OPERATOR = "operator"


_ENUMS = {"state": State, "hold": Hold, "reason": Reason}

_U32: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_Duration: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a breaker survives a restart: what pvm_breaker_restore reads."""

    state: State
    hold: Hold
    reason: Reason
    failures: _U32
    timeouts: _U32
    openings: _U32
    opened: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    age_ns: _Duration
    remaining_ns: _Duration
    crash_age_ns: Annotated[tuple[_Duration, ...], msgspec.Meta(max_length=MAX_CRASHES)]

    def numbers(self) -> dict[str, Any]:
        """Return the fields of pvm_breaker_snapshot as C has them."""
        fields = {name: getattr(self, name) for name in Kept.__struct_fields__}
        for name, kind in _ENUMS.items():
            fields[name] = list(kind).index(fields[name])
        return {**fields, "crashes": len(self.crash_age_ns)}


class Snapshot(Kept, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """pvm_breaker_snapshot: a breaker at one moment."""

    changes: int
    trials: int
    refused: int
    window_calls: int
    window_failures: int

    @classmethod
    def of(cls, seen: Any) -> Snapshot:
        """Copy what has the attributes of the C struct."""
        fields: dict[str, Any] = {name: getattr(seen, name) for name in cls.__struct_fields__}
        for name, kind in _ENUMS.items():
            fields[name] = list(kind)[fields[name]]
        fields["crash_age_ns"] = tuple(seen.crash_age_ns[n] for n in range(seen.crashes))
        return cls(**fields)


class _Entry(Kept, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: _Duration  # nanoseconds since the epoch


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    breakers: dict[str, _Entry]


class BreakerFile:
    """The breakers' file in a state folder, which several processes may share.

    All methods raise StateFileError if the state cannot be read or written: a task that an
    operator holds back must not come back because of a damaged file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = durable.StateFile(
            folder / _FILE,
            _File,
            format=_FORMAT,
            max_bytes=_MAX_BYTES,
            new=lambda: _File(format=_FORMAT, breakers={}),
            sound=_check,
            unreadable="make it readable, or delete it to begin with every circuit breaker closed",
            damaged="delete it to begin with every circuit breaker closed",
        )
        self._saved: dict[str, int] = {}

    def load(self, clock: Callable[[], int] = time.time_ns) -> dict[str, Kept]:
        """Return the breakers by their task's name, with the time since then gone by."""
        now = clock()
        return {name: _later(entry, now) for name, entry in self._file.read().breakers.items()}

    def save(
        self, snapshots: Mapping[str, Snapshot], clock: Callable[[], int] = time.time_ns
    ) -> bool:
        """Keep the breakers that changed since they were last saved here; durable when it returns.

        Returns whether there were any. Breakers of other names stay as they are in the file.
        """
        changes = {name: snapshot.changes for name, snapshot in snapshots.items()}
        changed = [name for name, count in changes.items() if count != self._saved.get(name, 0)]
        if not changed:
            return False
        with durable.locked(self._folder):
            state = self._file.read()
            for name in changed:
                kept = snapshots[name]
                if _as_new(kept):
                    state.breakers.pop(name, None)
                else:
                    fields = {field: getattr(kept, field) for field in Kept.__struct_fields__}
                    state.breakers[name] = _Entry(at=clock(), **fields)
            self._file.write(state)
        self._saved.update(changes)
        return True


def _check(state: _File) -> None:
    for name, entry in state.breakers.items():
        if not _is_sound(entry):
            raise ValueError(f"the breaker of {name!r} contradicts itself")


def _is_sound(kept: Kept) -> bool:
    """Whether pvm_breaker_restore takes it."""
    if kept.hold == Hold.HOLD_OPEN:
        return kept.state == State.OPEN and kept.reason == Reason.OPERATOR
    if kept.hold == Hold.HOLD_CLOSED and kept.state != State.CLOSED:
        return False
    closed = kept.state == State.CLOSED
    return closed == (kept.reason == Reason.NONE) and kept.reason != Reason.OPERATOR


def _as_new(kept: Kept) -> bool:
    """Whether a breaker without a past would behave the same."""
    told = kept.opened or kept.failures or kept.crash_age_ns
    return kept.state == State.CLOSED and kept.hold == Hold.AUTO and not told


def _later(entry: _Entry, now: int) -> Kept:
    """The host was down meanwhile, and cool-downs went on; a clock set back counts as no time."""
    gone = max(0, now - entry.at)

    def older(age: int) -> int:
        return min(age + gone, 2**63 - 1)

    fields = {field: getattr(entry, field) for field in Kept.__struct_fields__}
    fields["age_ns"] = older(entry.age_ns)
    fields["remaining_ns"] = max(0, entry.remaining_ns - gone)
    fields["crash_age_ns"] = tuple(map(older, entry.crash_age_ns))
    return Kept(**fields)

"""What a host remembers of sealed bundles: the highest sequence of each task, and the latest time.

An older bundle that was signed in its day is still signed well; only this memory tells that it is
old. So what cannot be read is an error, never a new beginning, and what is recorded is durable.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from polyvm.host import durable
from polyvm.host.errors import RollbackError, StateFileError

if TYPE_CHECKING:
    from collections.abc import Callable

_FILE = "sequences.json"
_FORMAT = 1
_MAX_BYTES = 256 * 1024 * 1024
_DAY = 24 * 60 * 60


class _Mark(msgspec.Struct, forbid_unknown_fields=True):
    sequence: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _State(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    latest: Annotated[int, msgspec.Meta(ge=0)]  # the latest time seen, seconds since the epoch
    tasks: dict[str, _Mark]


def default_folder() -> Path:
    """Return where the user's state is. Raises StateFileError for a user without a home."""
    if folder := os.environ.get("POLYVM_STATE"):
        return Path(folder)
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "polyvm"
    try:
        return Path.home() / ".local" / "state" / "polyvm"
    except RuntimeError:
        raise StateFileError(
            "this user has no home folder to keep state in; name a folder with --state or in "
            "POLYVM_STATE"
        ) from None


class History:
    """One state folder, which any number of processes may share.

    All methods raise StateFileError if the state cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = durable.StateFile(
            folder / _FILE,
            _State,
            format=_FORMAT,
            max_bytes=_MAX_BYTES,
            new=lambda: _State(format=_FORMAT, latest=0, tasks={}),
            unreadable="without it older bundles could come back",
            damaged="delete it to let older bundles in once more",
        )
        self._now = 0.0

    def check(self, name: str, sequence: int, digest: bytes) -> None:
        """Raise RollbackError for a sequence below the task's mark, or at it with other content."""
        self._check(self._file.read(), name, sequence, digest)

    def record(
        self,
        name: str,
        sequence: int,
        digest: bytes,
        created: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Check, and raise the task's mark in the same step; durable when it returns.

        ``created`` also raises the latest time seen, unless it is more than a day ahead: then it
        is the sealing machine's clock that is wrong.
        """
        with durable.locked(self.folder):
            state = self._file.read()
            self._check(state, name, sequence, digest)
            now = max(state.latest, int(clock()))
            latest = max(now, created) if created <= now + _DAY else now
            mark = _Mark(sequence, digest.hex())
            if state.tasks.get(name) == mark and latest == state.latest:
                return
            state.tasks[name] = mark
            state.latest = latest
            self._file.write(state)

    def now(self, clock: Callable[[], float] = time.time) -> float:
        """Return the time, never earlier than any seen before, though the clock be set back."""
        self._now = max(self._now, clock(), self._file.read().latest)
        return self._now

    def _check(self, state: _State, name: str, sequence: int, digest: bytes) -> None:
        mark = state.tasks.get(name)
        if mark is None or sequence > mark.sequence:
            return
        if sequence < mark.sequence:
            raise RollbackError(
                f"task {name!r}: sequence {sequence} is older than {mark.sequence}, which was live "
                "here; get the newest bundle, or seal this one anew to go back to it"
            )
        if digest.hex() != mark.digest:
            raise RollbackError(
                f"task {name!r}: another bundle with the same sequence {sequence} was live here; "
                "seal it anew, with a higher sequence"
            )

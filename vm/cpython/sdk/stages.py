"""Which steps of an interrupted build need not be repeated."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Stages:
    """Finished steps of the build in one folder; recorded in a file each, after the step.

    A folder whose steps are not recorded counts as empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def done(self, *names: str) -> bool:
        """Whether any of these steps was finished, in this run or an earlier one."""
        self._last = time.monotonic()
        return any(self._file(name).exists() for name in names)

    def mark(self, name: str) -> None:
        """Record that a step is finished; it took the time since `done` was asked."""
        part = self._file(name).with_suffix(".part")
        part.write_text(json.dumps(round(time.monotonic() - self._last, 1)))
        part.replace(self._file(name))

    def seconds_of(self, name: str) -> float | None:
        """How long a finished step took; None if it was no part of this build."""
        file = self._file(name)
        return float(json.loads(file.read_text())) if file.exists() else None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.done"

"""Circuit breakers over restarts: read when a host starts, written when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyvm.host.breakers import BreakerFile, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from polyvm.vm import Executor


class BreakerKeeper:
    """The breakers of one executor and their file in a state folder. Raises StateFileError.

    `added` and `save` may be called from different threads.
    """

    def __init__(self, folder: Path, executor: Executor) -> None:
        self._executor = executor
        self._file = BreakerFile(folder)
        self._past = self._file.load()
        self._tasks: dict[str, int] = {}

    def added(self, name: str, task_id: int) -> None:
        """A task was added and has not run: go on where its name's breaker stood."""
        past = self._past.pop(name, None)
        if past is not None:
            self._executor.restore_breaker(task_id, past.numbers())
        self._tasks[name] = task_id

    def save(self) -> None:
        """Write what has changed since the last time."""
        tasks = self._tasks.copy()
        self._file.save(
            {name: Snapshot.of(self._executor.breaker(task)) for name, task in tasks.items()}
        )

"""A host that goes on where the one before it died: what it had accepted, and who is to blame.

What was accepted and not collected is submitted again, under its old id, as another attempt: at
least once, in the end. An invocation that took the host down is not tried again: it ends as
`crashed`, and its task's circuit breaker is told. A chain goes on as a whole, from its first task.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from polyvm.host import log
from polyvm.host.errors import PolyvmError
from polyvm.host.journal import Journals
from polyvm.vm import Outcome, QueueFull, VmError, report_crashes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polyvm.host.journal import Unfinished
    from polyvm.host.registry import Registry

_ROOM_CHECK = 0.05  # seconds; an upper bound only, as completions end the wait


class Recovery:
    """The journals of one folder, for one life of a host. Raises StateFileError."""

    def __init__(self, folder: Path) -> None:
        self._journals = Journals(folder)
        self._log = log.get()
        report_crashes(self._journals.report)
        died = [life for life in self._journals.lives if not life.orderly]
        self.resumes = bool(died)
        # A life that died at its very start had not come to note where the others were.
        self.position = max((life.position for life in died), default=0)

    @property
    def options(self) -> dict[str, Any]:
        """What the executor is to be started with."""
        return {"journal": self._journals.path, "epoch": self._journals.epoch}

    def replay(
        self,
        registry: Registry,
        ended: Callable[[Unfinished, Outcome, str], None],
        blamed: Callable[[], None],
    ) -> None:
        """Submit again what the former host left, once its tasks are live.

        ``blamed`` is called when breakers were told of the crash, and before anything runs: what
        they are now must outlive the next crash, which may come at once.

        ``ended`` is called for each invocation that is not run again: it ended with the host, or
        its task takes it no more.
        """
        again = self._journals.unfinished()
        self._blame(registry)
        blamed()
        guilty = self._journals.guilty()
        rejected = 0
        for record in again:
            crashed = record.crashed | _crashed(record, guilty)
            chain = registry.chain(record.task)
            if crashed & 1 and len(chain) == 1:
                ended(record, Outcome.CRASHED, "the host's process ended while it ran")
                continue
            reason = self._submit(registry, record, crashed)
            if reason is not None:
                rejected += 1
                for each in _whole(record, chain):
                    if each.id == record.id:
                        ended(each, Outcome.REJECTED, reason)
                    else:
                        ended(each, Outcome.CANCELLED, f"skipped: {record.task} was rejected")
        if again:
            self._log.info(
                "work of the host before this one goes on",
                invocations=len(again),
                rejected=rejected,
            )
        self._journals.settle()

    def end(self, *, mapped: bool) -> None:
        """All that was accepted has ended, and was told. ``mapped``: see `Journals.end`."""
        self._journals.end(mapped=mapped)

    def release(self) -> None:
        """Leave the journal to the next host."""
        self._journals.release()

    def _blame(self, registry: Registry) -> None:
        last = self._journals.last
        for culprit in last.culprits if last is not None else ():
            self._log.error(
                "the host before this one crashed",
                task=culprit.task,
                version=culprit.version,
                doing=culprit.doing,
                signal=culprit.signal,
                report=str(self._journals.crash_report()),
            )
            registry.note_crash(culprit.task)

    def _submit(self, registry: Registry, record: Unfinished, crashed: int) -> str | None:
        """Why it is not accepted again; None if it is."""
        left = 0
        if record.deadline_ns is not None:
            left = max(1, record.deadline_ns - time.time_ns())
        while True:
            try:
                taken = registry.submit(
                    record.task,
                    record.payload,
                    record.tag,
                    deadline_ns=left,
                    id=record.id,
                    attempt=record.attempt,
                    ids=record.ids,
                    crashed=crashed,
                )
            except QueueFull:
                registry.wait_for_room(_ROOM_CHECK)
            except (VmError, PolyvmError) as error:
                return str(error)
            else:
                return None if taken else "the task is not there any more"


def _crashed(record: Unfinished, guilty: set[int]) -> int:
    """Return which of its chain's invocations took a host down, bit by bit."""
    offsets = (number - record.id for number in guilty)
    return sum(1 << offset for offset in offsets if 0 <= offset < max(1, record.ids))


def _whole(record: Unfinished, chain: tuple[str, ...]) -> Iterator[Unfinished]:
    """It, and those that it would have started, under the ids that they had."""
    if record.ids <= 1:
        yield record
        return
    for place, name in enumerate(chain[: record.ids]):
        yield replace(record, task=name, id=record.id + place, trigger=record.id)

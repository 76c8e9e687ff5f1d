"""The feed: each line of the input becomes one invocation of every task that takes it.

And each that is an event goes to the triggers, whose tasks may start by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm.host.invocations import reason
from polyvm.host.lines import MAX_LINE_BYTES, OverlongLine, read_lines
from polyvm.host.payload import from_json
from polyvm.host.switches import Disabled, Paused
from polyvm.vm import QueueFull, StoreError, VmError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from polyvm.host.registry import Registry

_ROOM_CHECK = 0.05  # seconds; an upper bound only, as completions end the wait


class Feed:
    """Reads JSON lines and submits them. One use: make one, then `run` it in some thread.

    A line that is no JSON, or holds what MessagePack cannot, is reported and counted; the feed
    goes on. When the executor is full the feed waits for completions, and when a task is paused,
    until it is resumed; so nothing is lost and memory stays constant. Line numbers, from 1, are
    the invocations' tags.
    """

    def __init__(
        self,
        source: str,
        registry: Registry,
        *,
        bad_line: Callable[[int, str], None],
        refused: Callable[[int, str, Exception], None],
        stop: threading.Event,
        cancel: threading.Event,
        accepted: Callable[[int], None] | None = None,
        skip: int = 0,
    ) -> None:
        """Prepare to read ``source``.

        ``bad_line(line, reason)`` and ``refused(line, task, error)`` are called in the feed's
        thread, and ``accepted(line)`` after each line that is done with. The first ``skip`` lines
        were accepted by an earlier process. ``stop`` ends the feed after the line at hand;
        ``cancel`` at once.
        """
        self._source = source
        self._registry = registry
        self._bad_line = bad_line
        self._refused = refused
        self._stop = stop
        self._cancel = cancel
        self._accepted = accepted
        self._skip = skip
        self.lines = 0  # read so far, blank ones included
        self.bad = 0  # of these, not usable
        self.unrouted = 0  # of these, taken by no task and no trigger
        self.lost = 0  # invocations given up at `cancel`

    def run(self) -> None:
        """Feed until the end of the source. Raises MissingError if it cannot be read."""
        for line in read_lines(self._source, self._stop):
            self.lines += 1
            if self.lines <= self._skip:
                continue
            if isinstance(line, OverlongLine):
                self._reject(f"is longer than {MAX_LINE_BYTES} bytes")
            elif line and not line.isspace():
                self._feed(line)
            if self._accepted is not None and not self._cancel.is_set():
                self._accepted(self.lines)

    def _feed(self, line: bytes) -> None:
        try:
            value, payload = from_json(line)
        except ValueError as error:
            self._bury(line, str(error))
            return
        targets = self._registry.targets(_event(value))
        for name in targets:
            self._submit(name, payload)
        # What is no map is no event, but may be a task's input.
        is_event = self._registry.firing.expects_events and (isinstance(value, dict) or not targets)
        matched = self._to_triggers(payload) if is_event else 0
        if not targets and not matched:
            self.unrouted += 1

    def _to_triggers(self, payload: bytes) -> int:
        report = self._registry.firing.ingest(payload, source=self._place(), first_tag=self.lines)
        if report.error is not None:
            self._reject(f"the event was not kept: {report.error}")
            return 1
        if report.dead:
            self._reject("the event was refused; see `polyvm events --dead`")
            return 1
        for start in report.starts:
            if isinstance(start.error, QueueFull | Paused) and start.payload is not None:
                self._submit(start.task, start.payload)  # with patience: nothing is lost
            elif start.error is not None:
                self._registry.firing.count_refusal(start.task, reason(start.error))
                self._refused(self.lines, start.task, start.error)
        return report.matched

    def _submit(self, name: str, payload: bytes) -> None:
        while not self._cancel.is_set():
            try:
                # 0 means that the task was withdrawn a moment ago: then the line is not its.
                self._registry.submit(name, payload, self.lines)
            except QueueFull:
                self._registry.wait_for_room(_ROOM_CHECK)
            except Paused as error:
                if self._stop.is_set():  # nobody may ever resume it
                    self._refused(self.lines, name, error)
                    return
                self._registry.wait_for_room(_ROOM_CHECK)
            except Disabled:
                return  # a moment ago: then the line is not its
            except VmError as error:
                self._refused(self.lines, name, error)
                return
            else:
                return
        self.lost += 1

    def _bury(self, line: bytes, reason: str) -> None:
        try:
            self._registry.firing.bury(line, f"the line {reason}", self._place())
        except StoreError as error:
            reason = f"{reason}; and it was not kept as a dead letter: {error}"
        self._reject(reason)

    def _place(self) -> str:
        return f"{self._source}:{self.lines}"

    def _reject(self, reason: str) -> None:
        self.bad += 1
        self._bad_line(self.lines, reason)


def _event(value: Any) -> str | None:
    event = value.get("event") if isinstance(value, dict) else None
    return event if isinstance(event, str) else None

"""The feed: each line of the input becomes one invocation of every task that takes it.

And each that is an event goes to the triggers, whose tasks may start by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host.invocations import reason
from polyvm.host.lines import MAX_LINE_BYTES, OverlongLine, read_blocks
from polyvm.host.payload import from_json
from polyvm.host.switches import Disabled, Paused
from polyvm.vm import DecodeError, QueueFull, StoreError, VmError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from polyvm.host.event_report import Start
    from polyvm.host.registry import Registry

_LOOK_AHEAD = 64  # lines, where tasks take some and triggers others
_REFUSED = "the event was refused; see `polyvm events --dead`"
_ROOM_CHECK = 0.05  # seconds; an upper bound only, as completions end the wait


class _Line(msgspec.Struct):
    """What says which tasks take a line."""

    event: Any = None


_LINE = msgspec.json.Decoder(_Line)


class Feed:
    """Reads JSON lines and submits them. One use: make one, then `run` it in some thread.

    Lines that are events for triggers alone are handed over many at a time, as many as there are;
    the executor tells which of them need more. A line that is no JSON, or holds what MessagePack
    cannot, is reported and counted; the feed goes on. When the executor is full the feed waits for
    completions, and when a task is paused, until it is resumed; so nothing is lost and memory stays
    constant. Line numbers, from 1, are the invocations' tags.
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
        for block in read_blocks(self._source, self._stop):
            if isinstance(block, OverlongLine):
                self.lines += 1
                if self.lines > self._skip:
                    self._reject(f"is longer than {MAX_LINE_BYTES} bytes")
                    self._note()
            else:
                self._feed(block)

    def _note(self) -> None:
        if self._accepted is not None and not self._cancel.is_set():
            self._accepted(self.lines)

    def _feed(self, block: bytes) -> None:
        at = until = 0  # the lines between are events for triggers alone
        while at < len(block) and not self._stop.is_set():
            if self.lines < self._skip:
                self.lines += 1
                at = until = _end(block, at)
                continue
            if at >= until:
                until = self._for_triggers(block, at)
            if at < until:
                before = at
                at, waited = self._to_triggers(block, at, until)
                if waited:  # meanwhile other tasks may have come
                    until = at
                if at != before:
                    continue
            end = _end(block, at)
            self._feed_line(block[at:end].removesuffix(b"\n"))
            at = end

    def _for_triggers(self, block: bytes, at: int) -> int:
        """Where the lines end, from ``at`` on, that no task takes and triggers may."""
        if not self._registry.firing.expects_events:
            return at
        if not self._registry.takes_lines:
            return len(block)
        for _ in range(_LOOK_AHEAD):
            if at == len(block):
                break
            end = _end(block, at)
            try:
                event = _LINE.decode(block[at:end]).event
            except (ValueError, RecursionError):  # no map, no JSON, nothing
                break
            if self._registry.targets(event if isinstance(event, str) else None):
                break
            at = end
        return at

    def _to_triggers(self, block: bytes, at: int, until: int) -> tuple[int, bool]:
        """Hand in lines; where those end that are done with, and whether there was a wait for room.

        Where none are, the first one is to be looked at for itself.
        """
        report = self._registry.firing.ingest(
            memoryview(block)[at:until],
            lines=True,
            source=self._source,
            first_tag=self.lines + 1,
            attended=True,
            positions=self._accepted is not None,
        )
        before, end = self.lines, at + report.consumed
        self.lines += block.count(b"\n", at, end) + (end == len(block) and block[-1:] != b"\n")
        self.unrouted += report.events - report.matched - report.dead
        if report.dead:  # it is the last one of these
            self._reject(_REFUSED)
        waited = self._see_to(report.starts)
        if report.error is not None and not isinstance(report.error, DecodeError):
            why = f"the event was not kept: {report.error}"
            numbered = enumerate(block[at:end].split(b"\n"), before + 1)
            numbers = [number for number, line in numbered if line.strip()]
            if len(numbers) > report.events:  # none of these outlives what it is to
                for number in numbers:
                    self._reject(why, number)
            else:
                self.lines += 1
                self._reject(why)
                end = _end(block, end)
        self._note()
        return end, waited

    def _see_to(self, starts: list[Start]) -> bool:
        """Submit again what found no room, with patience: nothing is lost. Whether some did."""
        waited = False
        for start in starts:
            if isinstance(start.error, QueueFull | Paused) and start.payload is not None:
                self._submit(start.task, start.payload, start.tag)
                waited = True
            elif start.error is not None:
                self._registry.firing.count_refusal(start.task, reason(start.error))
                self._refused(start.tag, start.task, start.error)
        return waited

    def _feed_line(self, line: bytes) -> None:
        self.lines += 1
        if line and not line.isspace():
            self._take(line)
        self._note()

    def _take(self, line: bytes) -> None:
        try:
            value, payload = from_json(line)
        except ValueError as error:
            self._bury(line, str(error))
            return
        targets = self._registry.targets(_event(value))
        for name in targets:
            self._submit(name, payload, self.lines)
        # What is no map is no event, but may be a task's input.
        is_event = self._registry.firing.expects_events and (isinstance(value, dict) or not targets)
        matched = self._matches(payload) if is_event else 0
        if not targets and not matched:
            self.unrouted += 1

    def _matches(self, payload: bytes) -> int:
        report = self._registry.firing.ingest(payload, source=self._place(), first_tag=self.lines)
        if report.error is not None:
            self._reject(f"the event was not kept: {report.error}")
            return 1
        if report.dead:
            self._reject(_REFUSED)
            return 1
        self._see_to(report.starts)
        return report.matched

    def _submit(self, name: str, payload: bytes, tag: int) -> None:
        while not self._cancel.is_set():
            try:
                # 0 means that the task was withdrawn a moment ago: then the line is not its.
                self._registry.submit(name, payload, tag)
            except QueueFull:
                self._registry.wait_for_room(_ROOM_CHECK)
            except Paused as error:
                if self._stop.is_set():  # nobody may ever resume it
                    self._refused(tag, name, error)
                    return
                self._registry.wait_for_room(_ROOM_CHECK)
            except Disabled:
                return  # a moment ago: then the line is not its
            except VmError as error:
                self._refused(tag, name, error)
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

    def _reject(self, reason: str, line: int | None = None) -> None:
        self.bad += 1
        self._bad_line(self.lines if line is None else line, reason)


def _end(block: bytes, at: int) -> int:
    """Where the line that begins there ends, with its newline."""
    return block.find(b"\n", at) + 1 or len(block)


def _event(value: Any) -> str | None:
    event = value.get("event") if isinstance(value, dict) else None
    return event if isinstance(event, str) else None

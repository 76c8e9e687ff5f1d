"""Traces of invocations: in a file that trace viewers open, and as the API tells them.

The file is in Chrome's trace event format, in its form of an array whose end may be missing: a
`[`, then an event a line with a comma after it. https://ui.perfetto.dev and chrome://tracing open
it as it is, and it can be read line by line.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import log
from polyvm.host.errors import WriteError
from polyvm.host.results import whole_lines
from polyvm.vm import Outcome, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from polyvm.host.manifest import Manifest
    from polyvm.vm import Trace

_START_NS = 1_735_689_600 * 10**9  # of 2025: counted from 1970, microseconds lose their fractions
_PARTS = (
    ("load", Stage.TAKEN, Stage.READY),
    ("decode", Stage.READY, Stage.DECODED),
    ("call", Stage.DECODED, Stage.RETURNED),
    ("encode", Stage.RETURNED, Stage.ENCODED),
)
_MOMENTS = (("interrupted", Stage.KICKED), ("given up", Stage.GIVEN_UP))
_encoder = msgspec.json.Encoder()


def fields(trace: Trace) -> dict[str, Any]:
    """Return what the API tells: stages in nanoseconds since acceptance, those that it came to."""
    accepted = trace.at_ns[Stage.ACCEPTED]
    return {
        "run_id": str(trace.id),
        "worker": trace.worker,
        "accepted_ns": str(accepted),  # since the epoch; too long for many JSON readers
        "stages_ns": {
            stage.name.lower(): at - accepted
            for stage, at in sorted(trace.at_ns.items(), key=lambda each: each[1])
        },
        "interruptions": trace.kicks,
        "pauses": trace.pauses,
        "paused_ns": trace.paused_ns,
    }


class TraceFile:
    """Appends traces to a file, which an earlier process may have begun. One thread at a time.

    What cannot be written ends the tracing, not the run: the log says so, once.
    """

    def __init__(self, path: Path) -> None:
        """Open it. Raises WriteError."""
        self._path = path
        self._pid = os.getpid()
        self._threads: set[int] = set()
        try:
            self._file = path.open("a+b", buffering=0)
            whole = whole_lines(self._file.fileno())
            self._file.truncate(whole)
            self._put(b"" if whole else b"[\n")
            self._put(_line(self._named("process_name", 0, f"polyvm {self._pid}")))
        except OSError as error:
            raise WriteError(
                f"cannot write traces to {path}: {error.strerror}; choose another --trace"
            ) from None

    def write(self, traced: Iterable[tuple[Trace, Manifest]]) -> None:
        """Add some invocations."""
        if self._file.closed:
            return
        lines = [_line(event) for each in traced for event in self._events(*each)]
        try:
            self._put(b"".join(lines))
        except OSError as error:
            log.get().error("tracing ends", file=str(self._path), reason=error.strerror)
            self.close()

    def close(self) -> None:
        """Nothing more is written."""
        self._file.close()

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def _events(self, trace: Trace, manifest: Manifest) -> Iterator[dict[str, Any]]:
        at = trace.at_ns
        end = at[Stage.ENDED]
        taken = at.get(Stage.TAKEN, end)
        name = manifest.name
        waiting = {"cat": "wait", "name": name, "id": hex(trace.id), "pid": self._pid, "tid": 0}
        yield {"ph": "b", "ts": _us(at[Stage.ACCEPTED]), **waiting, "args": _told(trace, manifest)}
        yield {"ph": "e", "ts": _us(taken), **waiting}
        if Stage.TAKEN not in at:
            return
        place = {"pid": self._pid, "tid": trace.worker + 1}
        if trace.worker not in self._threads:
            self._threads.add(trace.worker)
            yield self._named("thread_name", trace.worker + 1, f"worker {trace.worker}")
        yield {
            "ph": "X",
            "cat": "run",
            "name": name,
            **place,
            **_span(taken, end),
            "args": _told(trace, manifest),
        }
        for part, start, over in _PARTS:
            if start in at and over in at:
                span = _span(at[start], at[over])
                yield {"ph": "X", "cat": "part", "name": part, **place, **span}
        for what, stage in _MOMENTS:
            if stage in at:
                yield {"ph": "i", "s": "t", "name": what, "ts": _us(at[stage]), **place}

    def _named(self, kind: str, thread: int, name: str) -> dict[str, Any]:
        return {"ph": "M", "name": kind, "pid": self._pid, "tid": thread, "args": {"name": name}}


def _told(trace: Trace, manifest: Manifest) -> dict[str, Any]:
    told = {
        "id": str(trace.id),
        "version": manifest.version,
        "outcome": Outcome(trace.outcome).name.lower(),
        "attempt": trace.attempt,
        "interruptions": trace.kicks,
        "pauses": trace.pauses,
        "paused_us": trace.paused_ns / 1000,
        "collected_after_us": (trace.at_ns[Stage.COLLECTED] - trace.at_ns[Stage.ENDED]) / 1000,
    }
    return {**told, "trigger": str(trace.trigger)} if trace.trigger else told


def _us(at_ns: int) -> float:
    return (at_ns - _START_NS) / 1000


def _span(start_ns: int, end_ns: int) -> dict[str, float]:
    return {"ts": _us(start_ns), "dur": max(0, end_ns - start_ns) / 1000}


def _line(event: dict[str, Any]) -> bytes:
    return _encoder.encode(event) + b",\n"

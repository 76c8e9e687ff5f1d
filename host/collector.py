"""What comes out of tasks: ends of invocations to who waits and to the results; logs to the log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from polyvm.host import log, results
from polyvm.host.invocations import reason
from polyvm.host.rejections import RejectionLog
from polyvm.host.returned import Returned
from polyvm.vm import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.invocations import Invocations
    from polyvm.host.journal import Unfinished
    from polyvm.host.lifetime import Lifetime
    from polyvm.host.manifest import Manifest
    from polyvm.host.registry import Registry
    from polyvm.host.results import ResultWriter
    from polyvm.host.traces import TraceFile
    from polyvm.vm import Batch, Completion, LogRecord, Trace

_WAIT_MS = 100  # how long a thread waits at a time, and so how soon it sees the end


class Collector:
    """Collects from executors, in a thread for each source, until `finish`.

    ``durable``: a journal forgets completions at the collection after theirs, so that results must
    have reached their file by then. ``traces``: where those of traced invocations go.
    """

    def __init__(
        self,
        registry: Registry,
        invocations: Invocations,
        writer: ResultWriter | None,
        lifetime: Lifetime,
        *,
        durable: bool,
        traces: TraceFile | None = None,
    ) -> None:
        self._registry = registry
        self._invocations = invocations
        self._writer = writer
        self._lifetime = lifetime
        self._durable = durable
        self._traces = traces
        self._writing = threading.Lock()
        self._counting = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._log = log.get()
        self._returned = Returned(registry)
        self.rejections = RejectionLog()
        self.not_run = 0  # invocations that ended without a run of this process
        self.lost_records = 0

    def completions_of(self, collect: Callable[..., Batch]) -> None:
        """Start to collect ended invocations."""
        self._threads.append(self._lifetime.thread(self._collect, collect))

    def logs_of(self, collect: Callable[..., tuple[list[LogRecord], int]]) -> None:
        """Start to collect what tasks print and log."""
        self._threads.append(self._lifetime.thread(self._collect_logs, collect))

    def finish(self) -> None:
        """Collect what is there, and end. Nothing is added any more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        """Write what is left, after `finish`."""
        self.rejections.close()
        if self._traces is not None:
            self._traces.close()
        if self._writer is not None:
            self._lifetime.guard(self._writer.close)

    def rejected(self, line: int, task: str, error: Exception) -> None:
        """Tell of a line that a task did not take."""
        self.rejections.note(line, task, error)
        self._not_run(task, {"line": line}, Outcome.REJECTED, str(error))

    def ended_before(self, record: Unfinished, outcome: Outcome, reason: str) -> None:
        """Tell of what an earlier process accepted, and this one does not run."""
        numbers = {"line": record.tag, "id": record.id}
        if record.trigger:
            numbers["trigger"] = record.trigger
        self._not_run(record.task, numbers, outcome, reason)
        self._write([], flush=True)

    def _not_run(self, task: str, numbers: dict[str, int], outcome: Outcome, reason: str) -> None:
        live = self._registry.live(task)
        fields = {
            "task": task,
            "version": live.manifest.version if live is not None else "",
            **numbers,
            "outcome": outcome.name.lower(),
            "error": reason,
            "queued_us": 0,
            "run_us": 0,
        }
        self.not_run += 1
        # The place in the input is noted after this: a host that dies then does not read it again.
        self._write([results.encode(fields)], flush=self._durable)

    def _write(self, lines: list[bytes], *, flush: bool = False) -> None:
        if self._writer is None:
            return
        with self._writing:
            for line in lines:
                self._writer.write(line)
            if flush:
                self._writer.flush()

    def _write_traces(
        self, settled: list[tuple[Completion, Manifest]], traces: dict[int, Trace]
    ) -> None:
        if self._traces is not None:
            self._traces.write(
                (traces[completion.id], manifest)
                for completion, manifest in settled
                if completion.id in traces
            )

    def _collect(self, collect: Callable[..., Batch]) -> None:
        while True:
            last = self._over.is_set()
            batch = collect(timeout_ms=0 if last else _WAIT_MS)
            completions = list(batch)
            # before the runs that appended them count as over
            for start in self._registry.firing.appended():
                if start.error is not None:
                    self._registry.firing.count_refusal(start.task, reason(start.error))
            if self._registry.settle_arrays() and self._registry.pending == 0:
                self._lifetime.changed.set()
            if completions:
                self._returned.take(completions)  # first: what they start is pending, too
                settled = self._registry.settle(completions)
                traces = {trace.id: trace for trace in batch.traces}
                if traces:
                    self._write_traces(settled, traces)
                paired = self._invocations.hand_out(settled, traces)
                if self._writer is not None and not self._writer.failed:
                    lines = [results.encode(results.record(*pair)) for pair in paired]
                    self._lifetime.guard(self._write, lines, flush=self._durable)
                if self._registry.pending == 0:
                    self._lifetime.changed.set()
            else:
                self._lifetime.guard(self._write, [], flush=True)
                if last:
                    return

    def _collect_logs(self, collect: Callable[..., tuple[list[LogRecord], int]]) -> None:
        while True:
            last = self._over.is_set()
            records, dropped = collect(timeout_ms=0 if last else _WAIT_MS)
            for record in records:
                log.task_record(self._log, record)
            if dropped:
                with self._counting:
                    self.lost_records += dropped
                self._log.warning("task log records were lost, as too many came", lost=dropped)
            if last and not records:
                return

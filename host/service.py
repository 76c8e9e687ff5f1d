"""`polyvm run`: the tasks folder, the feed, the executor and the outputs, tied together.

Threads: the main one draws and waits for signals; one each watches the folder, feeds, collects
completions and collects logs. What they share is the registry, which locks, and the events below.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyvm.host import loader, log, results
from polyvm.host.admission import Admission, Policy
from polyvm.host.api.access import Access
from polyvm.host.breaker_keeper import BreakerKeeper
from polyvm.host.errors import ExitCode, MissingError, PolyvmError
from polyvm.host.feed import Feed
from polyvm.host.invocations import Invocations
from polyvm.host.isolation import ProcessRunner
from polyvm.host.recovery import Recovery
from polyvm.host.registry import Registry
from polyvm.host.results import ResultWriter
from polyvm.host.runners import Runners
from polyvm.host.sealing.history import default_folder
from polyvm.host.switches import Switches, SwitchFile
from polyvm.host.table import Display, LiveTable, Progress, ProgressLines, render
from polyvm.host.watcher import Change, Deploy, Refused, Superseded, Watcher, Withdraw
from polyvm.vm import Executor, Outcome, VmError, collect_logs, info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from rich.console import Console

    from polyvm.host.api.server import Server
    from polyvm.host.bundle import Bundle
    from polyvm.host.journal import Unfinished
    from polyvm.vm import Completion, LogRecord

_POLL_EVERY = 0.5  # seconds between looks at the tasks folder
_FIRST_POLLS = 0.1  # the same while the first scan waits for a file that is being written
_DRAW_EVERY = 0.25
_WAIT_MS = 100  # how long the collectors wait at a time, and so how soon they see the end
_STUCK_AFTER = 5.0  # seconds that cancelled work gets to end before the process ends without it
_MOST_STUCK = 8  # threads that were given up, before a host with a journal starts anew
_SHOWN_BAD_LINES = 20  # bad lines that are logged one by one; the others are only counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `polyvm run` was asked to do."""

    tasks: Path
    input: str | None = None  # a path, or "-" for stdin; None: watch the folder until stopped
    output: str | None = None  # a path, or "-" for stdout; None: results are not kept
    workers: int | None = None  # None: one for each core
    python: Path | None = None  # of tasks that run in processes; None: this one
    table: bool = True
    keep_running: bool = False  # go on watching after the input's end
    packed: Path = field(default=loader.PACKED)
    policy: Policy = field(default_factory=Policy)
    access: Access = field(default_factory=Access)  # where requests may come from
    switches: Path | None = None  # a file of switches
    journal: Path | None = None  # a folder for what must outlive the process


class Service:
    """One run, from start to summary. Make one and call `run`, once.

    ``signals``: SIGINT and SIGTERM stop it; then `run` must be called in the main thread.
    """

    def __init__(self, options: Options, console: Console, *, signals: bool = True) -> None:
        self._options = options
        self._console = console
        self._log = log.get()
        admission = Admission(options.policy, info().bytecode_magic)
        self._watcher = Watcher(
            options.tasks, lambda path: loader.load(path, admission, options.packed), admission
        )
        self._recovery = Recovery(options.journal) if options.journal is not None else None
        resumes = self._recovery is not None and self._recovery.resumes
        self._writer = (
            ResultWriter(options.output, resume=resumes) if options.output is not None else None
        )
        self._writing = threading.Lock()
        self._server = _server(options.access)
        self.switches = Switches()
        self._switch_file = (
            SwitchFile(options.switches, self.switches) if options.switches is not None else None
        )
        kept = self._recovery.options if self._recovery is not None else {}
        self._processes = ProcessRunner(options.python, epoch=kept.get("epoch", 1))
        self._executor = Executor(workers=options.workers, **kept)
        folder = _state_folder(options)
        self._breakers = BreakerKeeper(folder, self._executor) if folder is not None else None
        self._registry = Registry(
            Runners(self._executor, self._processes),
            self.switches,
            self._breakers.added if self._breakers is not None else None,
        )
        self._refused: dict[Path, str] = {}
        self._fatal: BaseException | None = None
        self._handled = _SIGNALS if signals else ()
        self._signals = 0
        self._wake = threading.Event()  # something happened that the main thread waits for
        self.scanned = threading.Event()  # the tasks folder was read once
        self._stop = threading.Event()  # take no more input
        self._cancel = threading.Event()  # give up what is pending
        self._collected = threading.Event()  # all completions and logs are in
        self._fed = threading.Event()  # the feed has ended
        self._feed = (
            None
            if options.input is None
            else Feed(
                options.input,
                self._registry,
                bad_line=self._bad_line,
                refused=self._reject,
                stop=self._stop,
                cancel=self._cancel,
                accepted=self._executor.note_position if self._recovery is not None else None,
                # What came through a pipe is gone.
                skip=self._recovery.position if self._recovery and options.input != "-" else 0,
            )
        )
        self._counting = threading.Lock()
        self._lost_records = 0
        self.invocations = Invocations(self._registry, self._stop.is_set)
        self._start = time.monotonic()
        self._not_run = 0  # invocations that were rejected, or ended with an earlier process
        self._restarting = False  # too many threads were given up
        self.stuck = False  # a worker did not come back: end the process without joining it

    def run(self) -> ExitCode:
        """Run to the end of the input, or until stopped; print the summary.

        Raises the PolyvmError that ended the run early, after the rest has been put in order.
        """
        with self._signals_handled():
            collectors = [
                self._thread(self._collect, self._executor.collect),
                self._thread(self._collect, self._processes.collect),
                self._thread(self._collect_logs, collect_logs),
                self._thread(self._collect_logs, self._processes.collect_logs),
            ]
            serving = self._serve()
            try:
                self._work()
            finally:
                self._shut_down(collectors, serving)
        return self._exit_code()

    def _work(self) -> None:
        self._first_scan()
        if self._recovery is not None:
            # A life that accepts nothing new must not lose the place in the input.
            self._executor.note_position(self._recovery.position)
            self._recovery.replay(self._registry, self._not_run_again, self._save_breakers)
        self._save_breakers()
        self.scanned.set()
        helpers = [self._thread(self._watch)]
        if self._feed is not None:
            helpers.append(self._thread(self._run_feed, self._feed))
        else:
            self._fed.set()
        display = self._display()
        try:
            self._until(display, "running", self._input_ended)
            if self._signals:
                self._log.info(
                    "stopping: accepted work is finished; interrupt again to cancel it",
                    pending=self._registry.pending,
                )
            self._stop.set()
            self._until(display, "draining", self._drained)
            for helper in helpers:
                helper.join()
        finally:
            display.close()

    def _input_ended(self) -> bool:
        endless = self._feed is None or self._options.keep_running
        return self._stop.is_set() or (self._fed.is_set() and not endless)

    def _drained(self) -> bool:
        return self._cancel.is_set() or (self._fed.is_set() and self._registry.pending == 0)

    def _until(self, display: Display, phase: str, over: Callable[[], bool]) -> None:
        while not over():
            display.show(self._progress(phase))
            self._wake.wait(_DRAW_EVERY)
            self._wake.clear()

    def _first_scan(self) -> None:
        while True:
            self._apply(self._watcher.poll())
            if not self._watcher.unsettled or self._stop.is_set():
                break
            time.sleep(_FIRST_POLLS)
        if self._feed is not None and not self._registry.snapshot() and not self._stop.is_set():
            raise MissingError(
                f"{self._options.tasks}: holds no task that can run; "
                + ("see the errors above" if self._refused else "put bundles or task folders there")
            )

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_EVERY):
            self._apply(self._watcher.poll())
            self._look_at_switches()
            self._look_at_threads()
            self._save_breakers()

    def _look_at_threads(self) -> None:
        """Threads that were given up cost memory, and maybe a core: a new process has none."""
        stuck = self._executor.threads().stuck
        if self._recovery is not None and stuck > _MOST_STUCK and not self._restarting:
            self._log.error("too many tasks did not stop; the host starts anew", threads=stuck)
            self._restarting = True
            self.stop()

    def _save_breakers(self) -> None:
        if self._breakers is not None:
            self._breakers.save()

    def _look_at_switches(self) -> None:
        try:
            if self._switch_file is not None and self._switch_file.poll():
                self._log.info("switches read", file=str(self._options.switches))
        except PolyvmError as error:
            self._log.error("switches not read", reason=str(error))

    def _apply(self, changes: list[Change]) -> None:
        for path in [path for path in self._refused if not path.exists()]:
            del self._refused[path]
        for change in changes:
            match change:
                case Deploy(bundle):
                    self._deploy(bundle)
                case Withdraw(name):
                    if self._registry.withdraw(name):
                        self._log.info("task withdrawn", task=name)
                case Refused(path, error):
                    self._refused[path] = str(error)
                    self._log.error("task refused", reason=str(error))
                case Superseded(path):
                    self._refused.pop(path, None)

    def _deploy(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        try:
            self._registry.deploy(bundle)
        except VmError as error:
            reason = f"{bundle.source}: {error}"
            self._refused[bundle.source] = reason
            self._log.error("task refused", reason=reason)
            return
        self._refused.pop(bundle.source, None)
        seal = bundle.seal
        sealed = {"publisher": seal.publisher, "sequence": seal.sequence} if seal else {}
        self._log.info("task live", task=manifest.name, version=manifest.version, **sealed)

    def _run_feed(self, feed: Feed) -> None:
        try:
            feed.run()
        finally:
            self._fed.set()
            self._wake.set()

    def _bad_line(self, line: int, reason: str) -> None:
        assert self._feed is not None
        if self._feed.bad <= _SHOWN_BAD_LINES:
            self._log.error("bad line", input=self._options.input, line=line, reason=reason)
        if self._feed.bad == _SHOWN_BAD_LINES:
            self._log.error("more bad lines are counted, not shown")

    def _reject(self, line: int, task: str, reason: str) -> None:
        self._log.error("invocation rejected", task=task, line=line, reason=reason)
        live = self._registry.live(task)
        fields = {
            "task": task,
            "version": live.manifest.version if live is not None else "",
            "line": line,
            "outcome": "rejected",
            "error": reason,
            "queued_us": 0,
            "run_us": 0,
        }
        self._not_run += 1
        self._write([results.encode(fields)])

    def _not_run_again(self, record: Unfinished, outcome: Outcome, reason: str) -> None:
        live = self._registry.live(record.task)
        fields = {
            "task": record.task,
            "version": live.manifest.version if live is not None else "",
            "line": record.tag,
            "id": record.id,
            "outcome": outcome.name.lower(),
            "error": reason,
            "queued_us": 0,
            "run_us": 0,
        }
        self._not_run += 1
        self._write([results.encode(fields)], flush=True)

    def _write(self, lines: list[bytes], *, flush: bool = False) -> None:
        if self._writer is None:
            return
        with self._writing:
            for line in lines:
                self._writer.write(line)
            if flush:
                self._writer.flush()

    def _collect(self, collect: Callable[..., list[Completion]]) -> None:
        while True:
            last = self._collected.is_set()
            completions = collect(timeout_ms=0 if last else _WAIT_MS)
            if completions:
                paired = self.invocations.hand_out(self._registry.settle(completions))
                if self._writer is not None and not self._writer.failed:
                    lines = [results.encode(results.record(*pair)) for pair in paired]
                    # The next collection lets the journal forget them.
                    self._guard(self._write, lines, flush=self._recovery is not None)
                if self._registry.pending == 0:
                    self._wake.set()
            else:
                self._guard(self._write, [], flush=True)
                if last:
                    return

    def _collect_logs(self, collect: Callable[..., tuple[list[LogRecord], int]]) -> None:
        while True:
            last = self._collected.is_set()
            records, dropped = collect(timeout_ms=0 if last else _WAIT_MS)
            for record in records:
                log.task_record(self._log, record)
            if dropped:
                with self._counting:
                    self._lost_records += dropped
                self._log.warning("task log records were lost, as too many came", lost=dropped)
            if last and not records:
                return

    def _serve(self) -> threading.Thread | None:
        if self._server is None:
            return None
        from polyvm.host.api.backend import Backend
        from polyvm.host.metrics import Metrics

        metrics = Metrics(
            self._registry,
            self.invocations,
            threads=self._executor.threads,
            refused=lambda: len(self._refused),
            lost_records=lambda: self._lost_records,
        )
        backend = Backend(
            registry=self._registry,
            invocations=self.invocations,
            switches=self.switches,
            metrics=metrics,
            unready=self._unready,
            refused=lambda: [(str(path), reason) for path, reason in list(self._refused.items())],
        )
        self._log.info("listening", **self._server.places())
        return self._thread(self._server.run, backend)

    def _unready(self) -> str | None:
        if self._stop.is_set():
            return "the host is stopping"
        return None if self.scanned.is_set() else "the tasks folder has not been read yet"

    def _shut_down(
        self, collectors: list[threading.Thread], serving: threading.Thread | None
    ) -> None:
        self._stop.set()
        self._guard(self._save_breakers)
        self._registry.snapshot()  # the last look at the VMs' memory, before they retire
        stopper = self._thread(self._stop_runners)
        while stopper.is_alive() and not self.stuck:
            stopper.join(_STUCK_AFTER)
            self.stuck = stopper.is_alive() and self._cancel.is_set()
        self._collected.set()
        for collector in collectors:
            collector.join()
        if self._server is not None and serving is not None:
            self._server.stop()
            serving.join()
        if self._writer is not None:
            self._guard(self._writer.close)
        lost = self._executor.threads().stuck
        if not self.stuck:
            self._executor.close()
        if self._recovery is not None:
            if self._restarting or self.stuck or self._fatal is not None:
                self._recovery.release()
            else:
                self._guard(self._recovery.end, mapped=lost > 0)
        if not isinstance(self._fatal, BrokenPipeError):
            self._summary()
        if self._fatal is not None:
            raise self._fatal

    def _stop_runners(self) -> None:
        self._processes.stop(0)
        self._executor.stop(0)

    def _summary(self) -> None:
        progress = self._progress("cancelled" if self._cancel.is_set() else "finished")
        self._console.print(render(progress))
        for path, reason in progress.refused:
            self._console.print(f"refused: {path}: {reason}", markup=False, highlight=False)
        if self._feed is not None and self._feed.unrouted:
            self._console.print(f"{self._feed.unrouted:,} lines were for no task")
        if self.stuck:
            self._console.print("some task did not stop; the process ends without it")

    def _exit_code(self) -> ExitCode:
        if self._restarting:
            return ExitCode.RESTART
        if self._cancel.is_set():
            return ExitCode.INTERRUPTED
        progress = self._progress("finished")
        if self._not_run or progress.failures or progress.bad_lines or progress.refused:
            return ExitCode.PARTIAL
        return ExitCode.OK

    def _progress(self, phase: str) -> Progress:
        return Progress(
            rows=self._registry.snapshot(),
            refused=list(self._refused.items()),
            lines=self._feed.lines if self._feed is not None else 0,
            bad_lines=self._feed.bad if self._feed is not None else 0,
            pending=self._registry.pending,
            elapsed_s=time.monotonic() - self._start,
            phase=phase,
        )

    def _display(self) -> Display:
        if self._options.table and self._console.is_terminal:
            return LiveTable(self._console)
        return ProgressLines(self._log)

    def _thread(self, function: Callable[..., object], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(
            target=self._guard, args=(function, *arguments), name=function.__name__, daemon=True
        )
        thread.start()
        return thread

    def _guard(self, function: Callable[..., object], *arguments: Any, **options: Any) -> None:
        """Call; what it raises ends the run: the first such error is the one that is told."""
        try:
            function(*arguments, **options)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread
            if self._fatal is None:
                self._fatal = error
            if not isinstance(error, MissingError):  # input that ends too soon: finish the rest
                self._cancel.set()
            self._stop.set()
            self._wake.set()

    @contextlib.contextmanager
    def _signals_handled(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._on_signal) for number in self._handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1
        self.stop(cancel=self._signals > 1)

    def stop(self, *, cancel: bool = False) -> None:
        """Let `run` finish what was accepted, or cancel it, and end. From any thread."""
        self._stop.set()
        if cancel:
            self._cancel.set()
        self._wake.set()


def _state_folder(options: Options) -> Path | None:
    """Where breakers are kept; a host that was told of no state keeps none."""
    if options.policy.state is not None or options.journal is None:
        return options.policy.state
    return default_folder()


def _server(access: Access) -> Server | None:
    """Open the sockets. What serves them is imported only by hosts that listen."""
    if not access:
        return None
    from polyvm.host.api.server import Server

    return Server(access)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)

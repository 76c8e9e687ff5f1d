"""`polyvm run`: the tasks folder, the feed, the executor and the outputs, tied together.

Threads: the main one draws and waits for signals; one each watches the folder, feeds, collects
completions and collects logs. What they share is the registry, which locks, and the events of the
lifetime.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from polyvm.engine import blas, libraries
from polyvm.host import batch_features, loader, log, streams
from polyvm.host.admission import Admission, Policy
from polyvm.host.api.access import Access
from polyvm.host.batch_features import JobError
from polyvm.host.breaker_keeper import BreakerKeeper
from polyvm.host.collector import Collector
from polyvm.host.deployer import Deployer
from polyvm.host.errors import (
    ExitCode,
    MissingError,
    PolyvmError,
    StateFileError,
    UsageError,
)
from polyvm.host.event_fields import EventFields
from polyvm.host.event_store import Keeping, losses, open_store
from polyvm.host.events import Events
from polyvm.host.features import FeatureTables
from polyvm.host.feed import Feed
from polyvm.host.flows import FlowError
from polyvm.host.invocations import Invocations
from polyvm.host.isolation import ProcessRunner
from polyvm.host.job_runner import JobRunner
from polyvm.host.lifetime import Lifetime
from polyvm.host.live_flows import LiveFlows
from polyvm.host.live_triggers import LiveTriggers
from polyvm.host.mapping import Mapping
from polyvm.host.preloader import Preloader
from polyvm.host.recovery import Recovery
from polyvm.host.registry import Registry
from polyvm.host.results import ResultWriter
from polyvm.host.runners import Runners
from polyvm.host.sealing.history import default_folder
from polyvm.host.store_server import StoreServer
from polyvm.host.switches import Disabled, Paused, Switches, SwitchFile
from polyvm.host.table import Display, LiveTable, Progress, ProgressLines, render
from polyvm.host.ticker import Ticker
from polyvm.host.timer_keeper import TimerKeeper
from polyvm.host.traces import TraceFile
from polyvm.host.watcher import Watcher
from polyvm.vm import Executor, VmError, collect_logs, info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

    from polyvm.host.api.server import Server
    from polyvm.host.batch_features import Done
    from polyvm.host.flows import Flow
    from polyvm.host.jobs import Job
    from polyvm.host.live_flows import FlowFigures
    from polyvm.host.tables import Bounds
    from polyvm.vm import SubmitOptions, TableStats

_POLL_EVERY = 0.5  # seconds between looks at the tasks folder
_FIRST_POLLS = 0.1  # the same while the first scan waits for a file that is being written
_DRAW_EVERY = 0.25
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
    event_fields: EventFields = field(default_factory=EventFields)  # what triggers look at
    keeping: Keeping | None = None  # of events
    flows: tuple[Flow, ...] = ()  # that belong to no task
    tables: dict[str, Bounds] = field(default_factory=dict)  # of features, likewise
    jobs: tuple[Job, ...] = ()
    journal: Path | None = None  # a folder for what must outlive the process
    trace: Path | None = None  # a file for traces
    trace_share: float = 1.0  # of the invocations


class Service:
    """One run, from start to summary. Make one and call `run`, once.

    ``signals``: SIGINT and SIGTERM stop it; then `run` must be called in the main thread.
    """

    def __init__(self, options: Options, console: Console, *, signals: bool = True) -> None:
        self._options = options
        self._console = console
        self._log = log.get()
        self._lifetime = Lifetime()
        self._handled = signals
        admission = Admission(options.policy, info().bytecode_magic)
        watcher = Watcher(
            options.tasks, lambda path: loader.load(path, admission, options.packed), admission
        )
        self._recovery = Recovery(options.journal) if options.journal is not None else None
        resumes = self._recovery is not None and self._recovery.resumes
        writer = (
            ResultWriter(options.output, resume=resumes) if options.output is not None else None
        )
        self._server = _server(options.access)
        self.switches = Switches()
        self._switch_file = (
            SwitchFile(options.switches, self.switches) if options.switches is not None else None
        )
        kept = self._recovery.options if self._recovery is not None else {}
        try:
            libraries.load_for_vms()
        except RuntimeError as error:
            raise MissingError(f"{blas.SWITCH}: {error}") from error
        self.event_store = open_store(options.keeping) if options.keeping is not None else None
        self._executor = Executor(workers=options.workers, **kept)
        where = options.keeping.folder if options.keeping is not None else None
        self.features = FeatureTables(self.event_store, where)
        self.features.attach(self._executor)
        self._processes = ProcessRunner(self._executor, options.python)
        folder = _state_folder(options)
        self._breakers = BreakerKeeper(folder, self._executor) if folder is not None else None
        self._timers = TimerKeeper(folder) if folder is not None else None
        self._timers_unsaved = False  # and that was told
        self._last_data: tuple[list[FlowFigures], list[TableStats]] | None = (
            None  # of a closed host
        )
        self._preloader = Preloader(self._lifetime.stopping)
        self._registry = Registry(
            Runners(self._executor, self._processes),
            self.switches,
            self._breakers.added if self._breakers is not None else None,
            self._make_triggers(),
            flows=LiveFlows(self._executor.flows, self.switches),
            tables=self.features,
            load=self._preloader.want,
        )
        try:
            self.features.declare(options.tables)
            self._registry.firing.set_flows(options.flows)
        except (VmError, FlowError) as error:
            raise UsageError(f"flows: {error}") from error
        self._deployer = Deployer(watcher, self._registry)
        self._jobs = self._make_jobs(options.jobs)
        self._ticker = Ticker(self._registry, self._lifetime.stopping, self._lifetime.cancelled)
        self.invocations = Invocations(self._registry, self._lifetime.stopping.is_set)
        self.events = Events(self._registry, self._lifetime.stopping.is_set)
        store = StoreServer(self.features.packed, self.event_store, self.events.append)
        self._processes.serve(store)
        self._collector = Collector(
            self._registry,
            self.invocations,
            writer,
            self._lifetime,
            durable=self._recovery is not None,
            traces=self._trace(options),
        )
        self.scanned = threading.Event()  # the tasks folder was read once
        self._fed = threading.Event()  # the feed has ended
        self._feed = self._make_feed(options.input) if options.input is not None else None
        self._start = time.monotonic()
        self._restarting = False  # too many threads were given up
        self.stuck = False  # a worker did not come back: end the process without joining it

    @property
    def event_unit_ns(self) -> int:
        """The unit of the times of events."""
        unit: int = self._options.event_fields.configuration["time_unit_ns"]
        return unit

    def _make_jobs(self, jobs: tuple[Job, ...]) -> JobRunner:
        store, keeping = self.event_store, self._options.keeping
        if store is None and any(job.sql is not None for job in jobs):
            raise UsageError("jobs with sql read kept events; start the host with --events DIR")

        def query(job: Job) -> Done:
            assert store is not None, "jobs with sql have one"
            assert keeping is not None, "that is where it is"
            stopping = self._lifetime.stopping
            return batch_features.run(job, store, keeping.folder, self.features, stopping=stopping)

        def start(task: str, payload: bytes) -> Exception | None:
            try:
                number = self._registry.submit(task, payload, 0)
            except (VmError, Disabled, Paused) as error:
                return error
            return None if number else JobError(f"no task {task!r} is here")

        return JobRunner(jobs, query, start, self._lifetime.stopping, keeper=self._timers)

    def _make_triggers(self) -> LiveTriggers:
        configuration = self._options.event_fields.configuration
        before_counting = None
        if self.event_store is not None:
            for lost in filter(None, map(losses, self.event_store.streams())):
                self._log.error("events lost", what=lost)
            assert self._options.keeping is not None, "that is why there is a store"
            configuration["store"] = self.event_store.handle
            declared = self._options.keeping.streams
            configuration["streams"] = streams.packed(declared)
            before_counting = partial(streams.settle_counts, self.event_store, declared)
        self._executor.triggers.configure(**configuration)
        return LiveTriggers(
            self._executor.triggers,
            self.switches,
            kept=self.event_store is not None,
            before_counting=before_counting,
            keeper=self._timers,
        )

    def _trace(self, options: Options) -> TraceFile | None:
        if options.trace is None:
            return None
        file = TraceFile(options.trace)
        self._executor.trace(options.trace_share)
        return file

    def _make_feed(self, source: str) -> Feed:
        return Feed(
            source,
            self._registry,
            bad_line=self._bad_line,
            refused=self._collector.rejected,
            stop=self._lifetime.stopping,
            cancel=self._lifetime.cancelled,
            accepted=self._executor.note_position if self._recovery is not None else None,
            # What came through a pipe is gone.
            skip=self._recovery.position if self._recovery is not None and source != "-" else 0,
        )

    def run(self) -> ExitCode:
        """Run to the end of the input, or until stopped; print the summary.

        Raises the PolyvmError that ended the run early, after the rest has been put in order.
        """
        with self._lifetime.until_signalled() if self._handled else contextlib.nullcontext():
            self._collector.completions_of(self._executor.collect_batch)
            self._collector.logs_of(collect_logs)
            self._collector.logs_of(self._processes.collect_logs)
            serving = self._serve()
            try:
                self._work()
            finally:
                self._shut_down(serving)
        return self._exit_code()

    def map(
        self, task: str, values: Iterable[Any], chunk: int, options: SubmitOptions
    ) -> Iterator[Any]:
        """Run a task on many values, as `Host.map` says."""
        stopping = self._lifetime.stopping.is_set
        mapping = Mapping(self._registry, self.invocations, stopping, task, options)
        return mapping.run(values, chunk)

    def set_flows(self, flows: tuple[Flow, ...]) -> None:
        """Have these flows, as `Host.set_flows` says."""
        self._registry.firing.set_flows(flows)

    def stop(self, *, cancel: bool = False) -> None:
        """Let `run` finish what was accepted, or cancel it, and end. From any thread."""
        self._lifetime.stop(cancel=cancel)

    def _work(self) -> None:
        self._first_scan()
        if self._recovery is not None:
            # A life that accepts nothing new must not lose the place in the input.
            self._executor.note_position(self._recovery.position)
            self._recovery.replay(self._registry, self._collector.ended_before, self._save_breakers)
        self._save_breakers()
        if self._handled:
            # The process is ours: what start-up has made stays to the end, and need not be looked
            # through by each full collection, which would hold events up for milliseconds.
            gc.collect()
            gc.freeze()
        self.scanned.set()
        ticking = self._lifetime.thread(self._ticker.run)
        helpers = [
            self._lifetime.thread(self._watch),
            self._lifetime.thread(self._preloader.run),
        ]
        if self._feed is not None:
            helpers.append(self._lifetime.thread(self._run_feed, self._feed))
        else:
            self._fed.set()
        if self._options.jobs:
            helpers.append(self._lifetime.thread(self._jobs.run))
        display = self._display()
        try:
            self._until(display, "running", self._input_ended)
            if self._lifetime.signals:
                self._log.info(
                    "stopping: accepted work is finished; interrupt again to cancel it",
                    pending=self._registry.pending,
                )
            ended = not self._lifetime.stopping.is_set()  # and not told to stop before that
            self._lifetime.stopping.set()
            self._ticker.wake()
            self._preloader.wake()
            self._jobs.wake()
            ticking.join()
            self._ticker.finish(ended=ended)
            self._until(display, "draining", self._drained)
            for helper in helpers:
                helper.join()
        finally:
            display.close()

    def _input_ended(self) -> bool:
        endless = self._feed is None or self._options.keep_running
        return self._lifetime.stopping.is_set() or (self._fed.is_set() and not endless)

    def _drained(self) -> bool:
        return self._lifetime.cancelled.is_set() or (
            self._fed.is_set() and self._registry.pending == 0
        )

    def _until(self, display: Display, phase: str, over: Callable[[], bool]) -> None:
        while not over():
            display.show(self._progress(phase))
            self._lifetime.changed.wait(_DRAW_EVERY)
            self._lifetime.changed.clear()

    def _first_scan(self) -> None:
        self._deployer.look()
        while not self._deployer.settled and not self._lifetime.stopping.is_set():
            time.sleep(_FIRST_POLLS)
            self._deployer.look()
        stopping = self._lifetime.stopping.is_set()
        idle = not self._registry.snapshot() and not self._options.flows
        if self._feed is not None and idle and not stopping:
            raise MissingError(
                f"{self._options.tasks}: holds no task that can run; "
                + (
                    "see the errors above"
                    if self._deployer.refused
                    else "put bundles or task folders there"
                )
            )

    def _watch(self) -> None:
        while not self._lifetime.stopping.wait(_POLL_EVERY):
            self._deployer.look()
            self._look_at_switches()
            self._look_at_threads()
            self._collector.rejections.look()
            self._save_breakers()
            self._save_timers()

    def _look_at_threads(self) -> None:
        """Threads that were given up cost memory, and maybe a core: a new process has none."""
        stuck = self._executor.threads().stuck
        if self._recovery is not None and stuck > _MOST_STUCK and not self._restarting:
            self._log.error("too many tasks did not stop; the host starts anew", threads=stuck)
            self._restarting = True
            self.stop()

    def _save_timers(self, *, at_once: bool = False) -> None:
        """What is not kept fires again after a restart: that is no reason to end."""
        if self._timers is None:
            return
        try:
            self._timers.save(at_once=at_once)
        except StateFileError as error:
            if not self._timers_unsaved:
                self._log.error("timers not kept", reason=str(error))
            self._timers_unsaved = True
        else:
            self._timers_unsaved = False

    def _save_breakers(self) -> None:
        if self._breakers is not None:
            self._breakers.save()

    def _look_at_switches(self) -> None:
        try:
            if self._switch_file is not None and self._switch_file.poll():
                self._log.info("switches read", file=str(self._options.switches))
        except PolyvmError as error:
            self._log.error("switches not read", reason=str(error))

    def _run_feed(self, feed: Feed) -> None:
        try:
            feed.run()
        finally:
            self._fed.set()
            self._lifetime.changed.set()

    def _bad_line(self, line: int, reason: str) -> None:
        assert self._feed is not None
        if self._feed.bad <= _SHOWN_BAD_LINES:
            self._log.error("bad line", input=self._options.input, line=line, reason=reason)
        if self._feed.bad == _SHOWN_BAD_LINES:
            self._log.error("more bad lines are counted, not shown")

    def _serve(self) -> threading.Thread | None:
        if self._server is None:
            return None
        from polyvm.host.api.backend import Backend
        from polyvm.host.metrics import Metrics

        metrics = Metrics(
            self._registry,
            self.invocations,
            threads=self._executor.threads,
            refused=lambda: len(self._deployer.refused),
            lost_records=lambda: self._collector.lost_records,
            tables=self.features.stats,
            jobs=self._jobs.figures,
        )
        backend = Backend(
            registry=self._registry,
            invocations=self.invocations,
            events=self.events,
            event_store=self.event_store,
            features=self.features,
            jobs=self._jobs,
            streams=self._options.keeping.streams if self._options.keeping is not None else {},
            switches=self.switches,
            metrics=metrics,
            threads=self._executor.threads,
            unready=self._unready,
            refused=lambda: [(str(path), reason) for path, reason in self._deployer.refused],
        )
        self._log.info("listening", **self._server.places())
        return self._lifetime.thread(self._server.run, backend)

    def _unready(self) -> str | None:
        if self._lifetime.stopping.is_set():
            return "the host is stopping"
        return None if self.scanned.is_set() else "the tasks folder has not been read yet"

    def _shut_down(self, serving: threading.Thread | None) -> None:
        self._lifetime.stopping.set()
        self._lifetime.guard(self._save_breakers)
        self._save_timers(at_once=True)
        self._registry.snapshot()  # the last look at the VMs' memory, before they retire
        stopper = self._lifetime.thread(self._stop_runners)
        while stopper.is_alive() and not self.stuck:
            stopper.join(_STUCK_AFTER)
            self.stuck = stopper.is_alive() and self._lifetime.cancelled.is_set()
        self._collector.finish()
        if self._server is not None and serving is not None:
            self._server.stop()
            serving.join()
        self._collector.close()
        lost = self._executor.threads().stuck
        self._last_data = self._data()
        if not self.stuck:
            self._executor.close()
            if lost == 0:  # a thread that was given up may yet ask for a row or an event
                self.features.close()
                if self.event_store is not None:
                    self.event_store.close()
        if self._recovery is not None:
            if self._restarting or self.stuck or self._lifetime.fatal is not None:
                self._recovery.release()
            else:
                self._lifetime.guard(self._recovery.end, mapped=lost > 0)
        if not isinstance(self._lifetime.fatal, BrokenPipeError):
            self._summary()
        if self._lifetime.fatal is not None:
            raise self._lifetime.fatal

    def _stop_runners(self) -> None:
        self._processes.stop(0)
        self._executor.stop(0)

    def _summary(self) -> None:
        progress = self._progress("cancelled" if self._lifetime.cancelled.is_set() else "finished")
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
        if self._lifetime.cancelled.is_set():
            return ExitCode.INTERRUPTED
        progress = self._progress("finished")
        if self._collector.not_run or progress.failures or progress.bad_lines or progress.refused:
            return ExitCode.PARTIAL
        return ExitCode.OK

    def _progress(self, phase: str) -> Progress:
        flows, tables = self._last_data or self._data()
        return Progress(
            rows=self._registry.snapshot(),
            refused=self._deployer.refused,
            lines=self._feed.lines if self._feed is not None else 0,
            bad_lines=self._feed.bad if self._feed is not None else 0,
            pending=self._registry.pending,
            elapsed_s=time.monotonic() - self._start,
            phase=phase,
            flows=flows,
            tables=tables,
        )

    def _data(self) -> tuple[list[FlowFigures], list[TableStats]]:
        return self._registry.firing.flow_figures(), self.features.stats()

    def _display(self) -> Display:
        if self._options.table and self._console.is_terminal:
            return LiveTable(self._console)
        return ProgressLines(self._log)


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

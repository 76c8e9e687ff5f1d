"""What a host tells Prometheus. It is read off when asked for; nothing is counted twice.

Labels are names of tasks and lanes, which manifests choose, and words of ours: never anything
that a caller can choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from polyvm.host.breakers import State
from polyvm.vm import Outcome, info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.core import Metric

    from polyvm.host.breakers import Snapshot
    from polyvm.host.figures import Tally
    from polyvm.host.invocations import Invocations
    from polyvm.host.job_runner import JobFigures
    from polyvm.host.latency import Histogram
    from polyvm.host.registry import Registry
    from polyvm.vm import TableStats, ThreadStats

# Bounds of the buckets, in ns, as powers of two: 1 µs to 69 s, by factors of four.
_EXPONENTS = range(10, 37, 2)
_BOUNDS = [repr(2**exponent / 10**9) for exponent in _EXPONENTS]


class Metrics:
    """One host's metrics. Ask from one thread at a time."""

    def __init__(
        self,
        registry: Registry,
        invocations: Invocations,
        *,
        threads: Callable[[], ThreadStats],
        refused: Callable[[], int],
        lost_records: Callable[[], int],
        tables: Callable[[], list[TableStats]] = list,
        jobs: Callable[[], list[JobFigures]] = list,
    ) -> None:
        """``refused`` counts bundles that cannot be taken, ``lost_records`` tasks' log records."""
        self._sources = CollectorRegistry()
        self._sources.register(
            _HostCollector(registry, invocations, threads, refused, lost_records)
        )
        self._sources.register(_TableCollector(tables))
        self._sources.register(_JobCollector(jobs))
        ProcessCollector(registry=self._sources)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the text, and its content type, in the form that an Accept header prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._sources), content_type


class _HostCollector(Collector):
    def __init__(
        self,
        registry: Registry,
        invocations: Invocations,
        threads: Callable[[], ThreadStats],
        refused: Callable[[], int],
        lost_records: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._invocations = invocations
        self._threads = threads
        self._refused = refused
        self._lost_records = lost_records

    def describe(self) -> Iterable[Metric]:
        return ()  # so that registering collects nothing

    def collect(self) -> Iterable[Metric]:
        yield from _task_metrics(self._registry.tallies())
        yield _breaker_states(self._registry.breakers())
        rejections = CounterMetricFamily(
            "polyvm_rejections",
            "Invocations that callers asked for and that were not accepted.",
            labels=["task", "reason"],
        )
        for (task, reason), count in sorted(self._invocations.rejections().items()):
            rejections.add_metric([task, reason], count)
        yield rejections
        yield from _trigger_metrics(self._registry)
        yield from _flow_metrics(self._registry)
        bundles = GaugeMetricFamily(
            "polyvm_bundles", "Bundles in the tasks folder.", labels=["state"]
        )
        bundles.add_metric(["live"], self._registry.live_count)
        bundles.add_metric(["refused"], self._refused())
        yield bundles
        lost = CounterMetricFamily(
            "polyvm_log_records_lost", "Log records of tasks that were lost, as too many came."
        )
        lost.add_metric([], self._lost_records())
        yield lost
        threads = self._threads()
        yield GaugeMetricFamily(
            "polyvm_worker_threads", "Threads that serve workers.", value=threads.threads
        )
        yield GaugeMetricFamily(
            "polyvm_worker_threads_stuck",
            "Threads given up because a task in them does not stop.",
            value=threads.stuck,
        )
        yield GaugeMetricFamily(
            "polyvm_workers_unserved",
            "Workers for whose stuck thread no other could be had.",
            value=threads.unserved,
        )
        facts = info()
        yield InfoMetricFamily(
            "polyvm",
            "What the VMs are made of.",
            {"python": facts.release, "flavour": facts.flavour, "build": facts.build},
        )


def _task_metrics(tallies: list[Tally]) -> Iterable[Metric]:
    labels = ["task", "lane"]
    ended = CounterMetricFamily(
        "polyvm_invocations", "Invocations that ended.", labels=[*labels, "outcome"]
    )
    queued_time = HistogramMetricFamily(
        "polyvm_queue_seconds", "From acceptance to start.", labels=labels
    )
    run_time = HistogramMetricFamily("polyvm_run_seconds", "The call itself.", labels=labels)
    queued = GaugeMetricFamily(
        "polyvm_queued", "Invocations accepted and not yet started or collected.", labels=labels
    )
    running = GaugeMetricFamily("polyvm_running", "Invocations that run now.", labels=labels)
    vms = GaugeMetricFamily("polyvm_vms", "VMs that hold the task.", labels=labels)
    memory = GaugeMetricFamily("polyvm_vm_memory_bytes", "Memory of these VMs.", labels=labels)
    for tally in tallies:
        place = [tally.name, tally.lane]
        for outcome in Outcome:
            ended.add_metric([*place, outcome.name.lower()], tally.outcomes[outcome])
        queued_time.add_metric(place, _buckets(tally.queued), tally.queued.total / 10**9)
        run_time.add_metric(place, _buckets(tally.run), tally.run.total / 10**9)
        # The two are read one after the other, so that the difference may be off for a moment.
        queued.add_metric(place, max(0, tally.pending - tally.running))
        running.add_metric(place, tally.running)
        vms.add_metric(place, tally.vms)
        memory.add_metric(place, tally.bytes)
    return ended, queued_time, run_time, queued, running, vms, memory


class _TableCollector(Collector):
    """What tables of features hold, and what was done with them."""

    def __init__(self, tables: Callable[[], list[TableStats]]) -> None:
        self._tables = tables

    def collect(self) -> Iterable[Metric]:
        tables = self._tables()
        for name, what in (
            ("keys", "Keys of a table of features."),
            ("rows", "Rows of a table of features, of all versions."),
            ("bytes", "Memory of a table of features."),
        ):
            gauge = GaugeMetricFamily(f"polyvm_features_{name}", what, labels=["table"])
            for table in tables:
                gauge.add_metric([table.name], getattr(table, name))
            yield gauge
        newest = GaugeMetricFamily(
            "polyvm_features_newest_seconds",
            "The latest time of a row that was put into a table of features, since the epoch.",
            labels=["table"],
        )
        for table in tables:
            if table.newest_ns is not None:
                newest.add_metric([table.name], table.newest_ns / 10**9)
        yield newest
        for name, what in (
            ("puts", "Rows that were put into a table of features."),
            ("gets", "Keys that were looked up in a table of features."),
            ("misses", "Of these, those that had no row."),
            ("expired", "Keys that went as they had no new row for long."),
            ("dropped", "Keys that went as the table was full."),
        ):
            counter = CounterMetricFamily(f"polyvm_features_{name}", what, labels=["table"])
            for table in tables:
                counter.add_metric([table.name], getattr(table, name))
            yield counter


class _JobCollector(Collector):
    """What jobs did."""

    def __init__(self, jobs: Callable[[], list[JobFigures]]) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        runs = CounterMetricFamily(
            "polyvm_job_runs", "Runs of a job that have ended.", labels=["job", "outcome"]
        )
        missed = CounterMetricFamily(
            "polyvm_job_missed", "Times at which a job did not run.", labels=["job"]
        )
        seconds = GaugeMetricFamily(
            "polyvm_job_seconds", "How long a job's last run took.", labels=["job"]
        )
        for job in self._jobs():
            runs.add_metric([job.name, "done"], job.runs - job.failures)
            runs.add_metric([job.name, "failed"], job.failures)
            missed.add_metric([job.name], job.missed)
            seconds.add_metric([job.name], job.took_s)
        yield runs
        yield missed
        yield seconds


def _trigger_metrics(registry: Registry) -> Iterable[Metric]:
    figures = registry.firing.trigger_figures()
    if figures is None:
        return
    stats, triggers = figures
    for name, what, value in (
        ("events", "Events that were handed to triggers.", stats.events),
        ("events_matched", "Of these, those that some trigger took for a step.", stats.matched),
        ("events_duplicate", "Events passed over, as their id was seen.", stats.duplicates),
        ("events_dead", "Events refused, and kept as dead letters.", stats.dead),
        ("trigger_dropped", "Partial matches given up: a limit was reached.", stats.dropped),
    ):
        yield CounterMetricFamily(f"polyvm_{name}", what, value=value)
    yield GaugeMetricFamily("polyvm_trigger_pending", "Partial matches.", value=stats.pending)
    yield GaugeMetricFamily(
        "polyvm_trigger_memory_bytes", "Memory of the events that they hold.", value=stats.bytes
    )
    fired = CounterMetricFamily(
        "polyvm_trigger_fired", "How often a trigger has fired.", labels=["trigger"]
    )
    missed = CounterMetricFamily(
        "polyvm_trigger_missed",
        "Times at which a timer did not fire, as the host was down or its task paused.",
        labels=["trigger"],
    )
    for trigger in triggers:
        fired.add_metric([trigger.name], trigger.fired)
        if trigger.kind in ("every", "cron"):
            missed.add_metric([trigger.name], trigger.missed)
    yield fired
    yield missed
    refused = CounterMetricFamily(
        "polyvm_trigger_refused",
        "Invocations that triggers asked for and that were not accepted.",
        labels=["task", "reason"],
    )
    for (task, reason), count in sorted(registry.firing.refusals().items()):
        refused.add_metric([task, reason], count)
    yield refused


def _flow_metrics(registry: Registry) -> Iterable[Metric]:
    figures = registry.firing.flow_figures()
    for name, what in (
        ("events", "Events that came into a flow."),
        ("rows", "Rows that left it."),
        ("late", "Rows that came after the result that they belong to."),
        ("dropped", "Keys given up: they rested, or there was too much state."),
        ("refused", "Rows that could not go on."),
    ):
        counter = CounterMetricFamily(f"polyvm_flow_{name}", what, labels=["flow"])
        for flow in figures:
            counter.add_metric([flow.name], getattr(flow.stats, name))
        yield counter
    for name, what in (("keys", "Keys with state."), ("bytes", "Memory of that state.")):
        gauge = GaugeMetricFamily(f"polyvm_flow_{name}", what, labels=["flow"])
        for flow in figures:
            gauge.add_metric([flow.name], getattr(flow.stats, name))
        yield gauge
    watermark = GaugeMetricFamily(
        "polyvm_flow_watermark_seconds",
        "What of events is over for a flow: its watermark, since the epoch.",
        labels=["flow"],
    )
    for flow in figures:
        if flow.stats.watermark_ns is not None:
            watermark.add_metric([flow.name], flow.stats.watermark_ns / 10**9)
    yield watermark


def _breaker_states(breakers: Mapping[str, Snapshot]) -> Metric:
    words = ", ".join(f"{number} {state}" for number, state in enumerate(State))
    states = GaugeMetricFamily(
        "polyvm_breaker_state", f"Of the task's circuit breaker: {words}.", labels=["task"]
    )
    for task, breaker in breakers.items():
        states.add_metric([task], list(State).index(breaker.state))
    return states


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    counts = histogram.below(_EXPONENTS)
    return [*zip(_BOUNDS, map(float, counts), strict=True), ("+Inf", float(histogram.count))]

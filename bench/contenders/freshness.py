"""How soon an event has triggered a task, is in a feature, and has become one of page views."""

import gc
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.contenders import triggers
from bench.contenders.serve import percentiles, pin, serve
from bench.contenders.vm import BENCH, decode, encode, made, value_of
from polyvm import vm
from polyvm.host import manifest
from polyvm.host.flows import Into, stream

TASKS = BENCH.parent / "tasks"
EVENTS = 300_000  # in memory, packed
BATCH = 1_000
KEEP_BYTES = 256 << 20  # of a stream
EVERY = 10  # one of so many events triggers a task

Send = Callable[[Sequence[bytes]], Any]
"""Hands events in; what they are for may be over when it returns, or not."""


class Kept:
    """A store of events for an executor, and its tables of features; both outlive the process."""

    def __init__(self, folder: str, executor: vm.Executor) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.store = vm.EventStore(Path(self.folder.name), keep_bytes=KEEP_BYTES)
        self.features = vm.Features(self.store)
        self.features.attach(executor)
        executor.triggers.configure(store=self.store.handle)

    def close(self) -> None:
        """After the executor."""
        self.features.close()
        self.store.close()
        self.folder.cleanup()


def summing(executor: vm.Executor, features: vm.Features, table: str) -> None:
    """Let a flow keep what each key did in a table, by arrival: the same events come again."""
    features.open(table)
    flow = (
        stream("events", arrival=True)
        .key_by("key")
        .window(running=True, events="count()", spent="sum(price)", dearest="max(price)")
        .into_table(table)
    )
    executor.flows.add(flow.name, flow.declaration())


class Arrivals:
    """Events that arrive by the clock, and where each kind of work is measured."""

    def __init__(self, kind: str, folder: str) -> None:
        gc.disable()  # it would be this generator's objects, and its pauses
        self.kind = kind
        self.executor = vm.Executor(1)
        self.kept = Kept(folder, self.executor)
        self.ended: list[tuple[int, int]] = []  # numbers of events, and when their task began
        made_events = triggers.events(EVENTS)
        for number, event in enumerate(made_events):
            event["number"] = number
            event["event"] = "click" if number % EVERY else "buy"
        self.packed = list(map(encode, made_events))
        if kind == "trigger":
            source = BENCH / "inside" / "started_task.py"
            task = self.executor.add(made("started", "main:run", {"main": source}))
            condition = {"steps": [{"type": "buy"}]}
            self.executor.triggers.add(task, "started", encode(condition))
        else:
            summing(self.executor, self.kept.features, "sessions")

    def send(self, events: Sequence[bytes]) -> None:
        """Hand events in, and take out what has ended."""
        batch = self.executor.triggers.ingest(b"".join(events))
        if batch.fired and any(one.error is not None for one in batch.fired):
            raise RuntimeError("a task was not accepted: the rate is beyond what the machine does")
        self.collect(0)

    def collect(self, timeout_ms: int) -> None:
        """Take out the tasks that have ended."""
        if self.kind == "trigger":
            for completion in self.executor.collect(timeout_ms=timeout_ms):
                number, began = value_of(completion.outcome, completion.data)
                self.ended.append((number, began))

    def finish(self, expected: int) -> None:
        """Wait for tasks that have not ended."""
        while self.kind == "trigger" and len(self.ended) < expected:
            self.collect(100)


def most(kind: str, folder: str, seconds: float) -> dict[str, float]:
    """Events a second, one batch right after the other; the store is made in a folder."""
    work = _work[kind] = Arrivals(kind, folder)
    work.ended.clear()
    began, sent = time.monotonic(), 0
    while (took := time.monotonic() - began) < seconds:
        at = sent % (EVENTS - BATCH)
        work.send(work.packed[at : at + BATCH])
        sent += BATCH
        # A queue that grows without end would be no rate.
        while kind == "trigger" and sent // EVERY - len(work.ended) > BATCH:
            work.collect(10)
    work.finish(sent // EVERY)
    return {"per_second": sent / took}


def arrive(kind: str, rate: float, seconds: float) -> dict[str, Any]:
    """How long after they were due events have had their effect, at this rate."""
    work = _work[kind]
    work.ended.clear()
    count = min(EVENTS, int(rate * seconds))
    began, returned = open_loop(work.packed[:count], rate, work.send)
    work.finish(-(-count // EVERY))
    if kind == "trigger":
        late = [at - began - int(number * 1e9 / rate) for number, at in work.ended]
    else:
        late = [at - began - int(number * 1e9 / rate) for number, at in enumerate(returned)]
    return {"per_second": count / (returned[-1] - began) * 1e9, **percentiles(late)}


def open_loop(
    events: Sequence[bytes], rate: float, send: Send, idle: Callable[[], Any] = lambda: None
) -> tuple[int, list[int]]:
    """Hand in what is due by the clock; when it began, and when each event's call returned.

    `idle` is called while nothing is due.
    """
    began, sent = time.monotonic_ns(), 0
    returned: list[int] = []
    while sent < len(events):
        due = min(len(events), int((time.monotonic_ns() - began) * rate / 1e9) + 1)
        if due == sent:
            idle()
            continue
        due = min(due, sent + BATCH)
        send(events[sent:due])
        returned += [time.monotonic_ns()] * (due - sent)
        sent = due
    return began, returned


_work: dict[str, Arrivals] = {}


def reads(folder: str, writing: bool, count: int) -> dict[str, Any]:
    """Percentiles of reading a feature in a VM; `writing`: while a flow writes all the time."""
    with vm.Executor(1) as executor:
        kept = Kept(folder, executor)
        summing(executor, kept.features, "reads")
        packed = list(map(encode, triggers.events(20_000)))
        executor.triggers.ingest(b"".join(packed))
        source = BENCH / "inside" / "reading_task.py"
        task = executor.add(made("reading", "main:run", {"main": source}))
        executor.invoke(task, encode(1_000))
        stop, written = threading.Event(), 0

        def write() -> None:
            nonlocal written
            while not stop.is_set():
                at = written % (len(packed) - BATCH)
                executor.triggers.ingest(b"".join(packed[at : at + BATCH]))
                written += BATCH

        writer = threading.Thread(target=write)
        if writing:
            writer.start()
        completion = executor.invoke(task, encode(count))
        stop.set()
        if writing:
            writer.join()
        told = value_of(completion.outcome, completion.data)
    kept.close()
    if told["found"] != count:
        raise RuntimeError(f"{count - told['found']} features were not there")
    return {"written": written, **percentiles(told["times"])}


class Views:
    """The demo's flow and task, and its raw reports of product pages."""

    def __init__(self, sessions: int) -> None:
        sys.path.insert(0, str(TASKS))
        from prepare_behaviour import ITEM_PAGE, behaviour
        from prepare_data import lines

        ended = [line for line in lines() if line["event"] == "session_end"]
        reports = [one for one in behaviour(ended[:sessions]) if one["page"] == ITEM_PAGE]
        self.left = [one["visit"] if one["event"] == "page_exit" else None for one in reports]
        self.packed = list(map(encode, reports))


_views: list[Views] = []


def open_views(sessions: int) -> int:
    """Make the reports of so many sessions."""
    _views[:] = [Views(sessions)]
    return len(_views[0].packed)


def views(folder: str, rate: float) -> dict[str, Any]:
    """How long after a page was left its features can be read; bytes in and bytes out."""
    reports = _views[0]
    folder = TASKS / "ipv-encoding"
    told = manifest.parse((folder / "task.toml").read_bytes(), "task.toml")
    with vm.Executor(1) as executor:
        kept = Kept(folder, executor)
        features = kept.features
        for table in told.tables:
            features.open(table.name)
        task = executor.add(made("ipv-encoding", "main:run", {"main": folder / "main.py"}))
        for flow in told.flows:
            declaration = flow.declaration(into=Into(task=told.name))
            mode = vm.TriggerMode.SUBMIT
            executor.flows.add(flow.name, declaration, task=task, mode=mode)
        waiting: deque[tuple[int, str]] = deque()
        seen: dict[int, int] = {}
        sent = 0

        def look() -> None:
            executor.collect_batch(timeout_ms=0)
            while waiting:
                number, visit = waiting[0]
                (row,) = decode(features.get("ipv", encode([visit])))
                if row is None:
                    return
                seen[number] = time.monotonic_ns()
                waiting.popleft()

        def send(events: Sequence[bytes]) -> None:
            nonlocal sent
            executor.triggers.ingest(b"".join(events))
            for number in range(sent, sent + len(events)):
                visit = reports.left[number]
                if visit is not None:
                    waiting.append((number, visit))
            sent += len(events)
            look()

        began, returned = open_loop(reports.packed, rate, send, look)
        while waiting:
            look()
        late = [at - began - int(number * 1e9 / rate) for number, at in seen.items()]
        rows = decode(features.scan("ipv"))
    kept.close()
    return {
        "per_second": len(reports.packed) / (returned[-1] - began) * 1e9,
        "events": len(reports.packed),
        "features": len(rows),
        "bytes_in": sum(map(len, reports.packed)),
        "bytes_out": sum(len(encode(values)) for *_, values in rows),
        **percentiles(late),
    }


def close() -> None:
    """Let go of what `most` has opened."""
    for work in _work.values():
        work.executor.close()
        work.kept.close()
    _work.clear()


def main() -> None:
    """Serve until standard input ends."""
    serve(
        {
            "pin": pin,
            "most": most,
            "arrive": arrive,
            "close": close,
            "reads": reads,
            "open_views": open_views,
            "views": views,
        }
    )

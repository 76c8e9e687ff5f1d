"""Queries run by the engine: events in, from one thread or several, and rows out."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.nexmark.generator import Event, Settings
from bench.nexmark.oracles import Row
from bench.nexmark.queries import QUERIES, Query, arrived_as_told, end
from polyvm import vm

BATCH = 1_000


@dataclass
class Ran:
    """What a run gave. batches: their numbers, with the wall clock before and after, in ns."""

    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    batches: list[tuple[int, int, int]] = field(default_factory=list)
    late: int = 0


def packed(events: Sequence[Event]) -> list[bytes]:
    """Events as MessagePack, in batches."""
    encode = msgspec.msgpack.Encoder().encode
    return [encode(events[at : at + BATCH]) for at in range(0, len(events), BATCH)]


def configured() -> vm.Executor:
    """An executor that takes the events' times as they are, milliseconds."""
    executor = vm.Executor(1)
    executor.triggers.configure(time="time", time_unit_ns=1_000_000, stream="stream")
    return executor


def run(
    query: Query,
    settings: Settings,
    batches: Sequence[bytes],
    *,
    threads: int = 1,
    told: bool = True,
    slack_ms: int = 0,
) -> Ran:
    """Hand all batches in, each thread the next one, and end the streams; `told`: keep the rows."""
    ran = Ran()
    mode = vm.TriggerMode.HAND_OUT if told else vm.TriggerMode.OFF
    with configured() as executor:
        flow = query.flow(settings, slack_ms=slack_ms)
        number = executor.flows.add(flow.name, flow.declaration(), mode=mode)
        lock = threading.Lock()

        def take(batch: vm.EventBatch) -> None:
            rows = [msgspec.msgpack.decode(one.payload)["row"] for one in batch.fired]
            with lock:
                ran.rows += rows

        def work() -> None:
            while (at := next(following)) < len(batches):
                before = time.time_ns()
                came = executor.triggers.ingest(batches[at])
                ran.batches.append((at, before, time.time_ns()))
                if came.fired:
                    take(came)

        following = itertools.count()
        began = time.perf_counter()
        if threads == 1:
            work()
        else:
            workers = [threading.Thread(target=work) for _ in range(threads)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        take(executor.triggers.ingest(msgspec.msgpack.encode(end(settings))))
        ran.seconds = time.perf_counter() - began
        while flow.arrival and executor.flows.stats(number).keys:
            take(executor.triggers.tick()[0])
        ran.late = executor.flows.stats(number).late
    return ran


def right(
    query: str,
    settings: Settings,
    events: Sequence[Event],
    ran: Ran,
    wanted: Counter[Row] | None = None,
) -> bool:
    """Whether the rows of a run that kept them are the oracle's, of these events, or `wanted`."""
    one = QUERIES[query]
    if one.oracle is None:
        batches = [(events[n * BATCH : (n + 1) * BATCH], *times) for n, *times in ran.batches]
        return arrived_as_told(ran.rows, batches, settings)
    if wanted is None:
        wanted = Counter(one.oracle(events))
    return ran.late == 0 and one.result(ran.rows) == wanted

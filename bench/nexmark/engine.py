"""Queries run by the engine: events in, from one thread or several, and rows out."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.nexmark.generator import Event, Settings
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
    """Hand all batches in, thread i every i-th, and end the streams; `told`: keep the rows."""
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

        def work(first: int) -> None:
            for at in range(first, len(batches), threads):
                before = time.time_ns()
                came = executor.triggers.ingest(batches[at])
                ran.batches.append((at, before, time.time_ns()))
                if came.fired:
                    take(came)

        began = time.perf_counter()
        if threads == 1:
            work(0)
        else:
            workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
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


def right(query: str, settings: Settings, events: Sequence[Event], ran: Ran) -> bool:
    """Whether the rows of a run are what the oracle says, of these events; `told` was given."""
    one = QUERIES[query]
    if one.oracle is None:
        batches = [(events[n * BATCH : (n + 1) * BATCH], *times) for n, *times in ran.batches]
        return arrived_as_told(ran.rows, batches, settings)
    return ran.late == 0 and one.result(ran.rows) == Counter(one.oracle(events))

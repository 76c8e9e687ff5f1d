"""Windows by Bytewax and by Pathway: bids of each auction, counted and summed by ten seconds."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.contenders.serve import digest, pin, serve
from bench.nexmark.generator import START_MS, Settings, events

WINDOW_MS = 10_000
BATCH = 1_000


def bids(count: int) -> list[dict[str, Any]]:
    """Bids among so many events of Nexmark, in order."""
    return [event for event in events(Settings(count)) if event["stream"] == "bids"]


def told(ns: int, count: int, rows: list[list[int]]) -> dict[str, Any]:
    """What is compared: nanoseconds for a bid; a fingerprint of [auction, start, count, sum]."""
    return {"bid_ns": ns / count, "rows": len(rows), "digest": digest(sorted(rows))}


def bytewax(count: int) -> dict[str, Any]:
    """One worker; what is late waits ten seconds by the clock, so that nothing is."""
    from bytewax import operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.operators import windowing
    from bytewax.testing import TestingSink, TestingSource, run_main

    start = datetime.fromtimestamp(START_MS / 1e3, UTC)
    made = [
        (str(b["auction"]), start + timedelta(milliseconds=b["time"] - START_MS), b["price"])
        for b in bids(count)
    ]
    found: list[Any] = []

    def fold(state: list[int], bid: tuple[str, datetime, int]) -> list[int]:
        state[0] += 1
        state[1] += bid[2]
        return state

    flow = Dataflow("windows")
    source = op.input("source", flow, TestingSource(made, batch_size=BATCH))
    result = windowing.fold_window(
        "window",
        op.key_on("key", source, lambda bid: bid[0]),
        windowing.EventClock(lambda bid: bid[1], wait_for_system_duration=timedelta(seconds=10)),
        windowing.TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=start),
        builder=lambda: [0, 0],
        folder=fold,
        merger=lambda one, other: [one[0] + other[0], one[1] + other[1]],
        ordered=False,
    )
    op.output("sink", result.down, TestingSink(found))
    began = time.perf_counter_ns()
    run_main(flow)
    took = time.perf_counter_ns() - began
    rows = [[int(key), START_MS + window * WINDOW_MS, *both] for key, (window, both) in found]
    return told(took, len(made), rows)


def pathway(count: int) -> dict[str, Any]:
    """One thread; a commit for each batch, each window told once."""
    os.environ["PATHWAY_THREADS"] = "1"
    import pathway as pw

    made = [(b["auction"], b["time"], b["price"]) for b in bids(count)]
    began = 0

    class Bids(pw.io.python.ConnectorSubject):  # type: ignore[misc]
        def run(self) -> None:
            nonlocal began
            began = time.perf_counter_ns()
            for number, (auction, at, price) in enumerate(made, 1):
                self.next(auction=auction, at=at, price=price)
                if number % BATCH == 0:
                    self.commit()

    schema = pw.schema_from_types(auction=int, at=int, price=int)
    table = pw.io.python.read(Bids(), schema=schema, autocommit_duration_ms=None)
    windows = table.windowby(
        pw.this.at,
        window=pw.temporal.tumbling(duration=WINDOW_MS),
        instance=pw.this.auction,
        behavior=pw.temporal.exactly_once_behavior(),
    ).reduce(
        auction=pw.this["_pw_instance"],
        start=pw.this["_pw_window_start"],
        count=pw.reducers.count(),
        total=pw.reducers.sum(pw.this.price),
    )
    rows: list[list[int]] = []

    def take(*, row: dict[str, int], is_addition: bool, **_: Any) -> None:
        assert is_addition, "a window is told once"
        rows.append([row["auction"], row["start"], row["count"], row["total"]])

    pw.io.subscribe(windows, on_change=take)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    return told(time.perf_counter_ns() - began, len(made), rows)


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "bytewax": bytewax, "pathway": pathway})

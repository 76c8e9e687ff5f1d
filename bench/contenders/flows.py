"""Flows of PolyVM: the windows that its peers compute too, and the queries of Nexmark."""

import time
from collections import Counter
from typing import Any

import msgspec

from bench.contenders.serve import pin, serve
from bench.contenders.windows import WINDOW_MS, bids, told
from bench.nexmark import engine, generator
from bench.nexmark.generator import Event, Settings
from bench.nexmark.oracles import Row
from bench.nexmark.queries import QUERIES, end
from polyvm import vm
from polyvm.host.flows import stream

SLACK_MS = 60_000
"""Of several threads: how far one may be behind another, in the events' time."""
ARRIVAL_WINDOW_MS = 100  # query 12's; nobody waits for ten seconds of the clock


class Nexmark:
    """The events of all queries, and what must come out."""

    def __init__(self) -> None:
        self.settings = Settings(0)
        self.events: list[Event] = []
        self.batches: list[bytes] = []
        self.wanted: dict[str, Counter[Row]] = {}

    def prepare(self, count: int) -> int:
        """Make the events."""
        self.settings = Settings(count, arrival_window_ms=ARRIVAL_WINDOW_MS)
        self.events = list(generator.events(self.settings))
        self.batches = engine.packed(self.events)
        return len(self.events)

    def rate(self, query: str, threads: int) -> float:
        """Events a second; rows are dropped where they leave."""
        return len(self.events) / self._run(query, threads, told=False).seconds

    def check(self, query: str, threads: int) -> dict[str, Any]:
        """How many rows there are, and whether they are right."""
        ran = self._run(query, threads, told=True)
        oracle = QUERIES[query].oracle
        if oracle is not None and query not in self.wanted:
            self.wanted[query] = Counter(oracle(self.events))
        right = engine.right(query, self.settings, self.events, ran, self.wanted.get(query))
        return {"rows": len(ran.rows), "right": right}

    def _run(self, query: str, threads: int, *, told: bool) -> engine.Ran:
        slack = SLACK_MS if threads > 1 else 0
        return engine.run(
            QUERIES[query],
            self.settings,
            self.batches,
            threads=threads,
            told=told,
            slack_ms=slack,
        )


def windows(count: int) -> dict[str, Any]:
    """Nanoseconds for a bid among so many events, and a fingerprint of the windows."""
    made = bids(count)
    batches = engine.packed(made)
    flow = (
        stream("bids")
        .key_by("auction")
        .window(tumbling=f"{WINDOW_MS}ms", bids="count()", total="sum(price)")
        .into_task("windows")
    )
    with engine.configured() as executor:
        executor.flows.add(flow.name, flow.declaration(), mode=vm.TriggerMode.HAND_OUT)
        fired = []
        began = time.perf_counter_ns()
        for batch in batches:
            fired += executor.triggers.ingest(batch).fired
        fired += executor.triggers.ingest(msgspec.msgpack.encode(end(Settings(count)))).fired
        found = [msgspec.msgpack.decode(one.payload)["row"] for one in fired if one.payload]
        took = time.perf_counter_ns() - began
    rows = [
        [row["auction"], row["window_start"] // 1_000_000, row["bids"], row["total"]]
        for row in found
    ]
    return told(took, len(made), rows)


def main() -> None:
    """Serve until standard input ends."""
    queries = Nexmark()
    serve(
        {
            "pin": pin,
            "windows": windows,
            "prepare": queries.prepare,
            "rate": queries.rate,
            "check": queries.check,
        }
    )

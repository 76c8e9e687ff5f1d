"""Flows: windows beside Bytewax and Pathway; the queries of Nexmark on one thread and on two."""

import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_least, duration
from bench.settings import Setup

TITLE = "Flows"
OURS = "polyvm"
NAMES = {OURS: "PolyVM", "bytewax": "Bytewax", "pathway": "Pathway"}
QUERIES = ("q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8", "q11", "q12")
GOAL = 10.0


def measure(setup: Setup) -> dict[str, Any]:
    """Rounds in processes of their own, the contenders turn about."""
    windows, nexmark = _windows(setup), _nexmark(setup)
    return {
        "versions": setup.streams.origin if setup.streams is not None else "",
        "windows": windows,
        "nexmark": nexmark,
        "different": [
            *(f"windows of {name}" for name in windows["different"]),
            *(query for query, told in nexmark["queries"].items() if not told["right"]),
        ],
    }


def _windows(setup: Setup) -> dict[str, Any]:
    """Nanoseconds for a bid, by contender."""
    events = setup.rounds(50_000, 400_000)
    names = [OURS] if setup.streams is None else list(NAMES)
    found: dict[str, list[float]] = {name: [] for name in names}
    prints: dict[str, str] = {}
    for turn in range(setup.rounds(1, 5)):
        for name in names if turn % 2 else reversed(names):
            setup.progress(f"windows: round {turn + 1}, {NAMES[name]}")
            with _contender(setup, name) as contender:
                told = contender.ask("windows" if name == OURS else name, count=events)
            found[name].append(told["bid_ns"])
            prints[name] = told["digest"]
    different = [name for name in names if prints[name] != prints[OURS]]
    return {"events": events, "bid_ns": found, "different": different}


def _contender(setup: Setup, name: str, cores: int = 1) -> Contender:
    python, module = Path(sys.executable), "flows"
    if name != OURS:
        assert setup.streams is not None, "it is a peer"
        python, module = setup.streams.executable, "windows"
    contenders = f"bench.contenders.{module}"
    return Contender(f"flows {name}", [str(python)], contenders, setup.cpus[-cores:])


def _nexmark(setup: Setup) -> dict[str, Any]:
    """Events a second by query and threads; a process for each number of threads."""
    count = setup.rounds(100_000, 1_000_000)
    queries: dict[str, Any] = {}
    for threads in sorted({1, min(2, len(setup.cpus))}):
        with _contender(setup, OURS, threads) as contender:
            contender.ask("prepare", count=count)
            for query in QUERIES:
                setup.progress(f"Nexmark {query}, {threads} threads")
                rates = [
                    contender.ask("rate", query=query, threads=threads)
                    for _ in range(setup.rounds(1, 5))
                ]
                told = contender.ask("check", query=query, threads=threads)
                mine = queries.setdefault(query, {"per_second": {}, "right": True})
                mine["per_second"][str(threads)] = rates
                mine["rows"] = told["rows"]
                mine["right"] &= told["right"]
    return {"events": count, "queries": queries}


def rows(data: dict[str, Any]) -> list[Row]:
    found = data["windows"]["bid_ns"]
    return [
        at_least(
            "windows of ten seconds by key, one thread",
            f"{NAMES[name]}: {duration(median(theirs))} an event",
            GOAL,
            median([b / a for a, b in zip(found[OURS], theirs, strict=True)]),
        )
        for name, theirs in found.items()
        if name != OURS
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    found = data["windows"]["bid_ns"]
    lines = [
        [
            NAMES[name],
            duration(median(mine)),
            f"{1e9 / median(mine):,.0f}",
            f"{median([b / a for a, b in zip(found[OURS], mine, strict=True)]):.2f}",
        ]
        for name, mine in found.items()
    ]
    nexmark = data["nexmark"]
    threads = sorted({n for told in nexmark["queries"].values() for n in told["per_second"]})
    wrong = f" RESULTS DIFFER: {', '.join(data['different'])}." if data["different"] else ""
    return [
        Table(
            "Windows",
            ["contender", "an event", "events a second", "to PolyVM"],
            lines,
            "Bids of Nexmark: count and sum for each auction in tumbling windows of ten seconds of "
            "event time; one thread, from Python. Everybody's input is in memory: MessagePack for "
            "PolyVM, tuples for the others, in batches of 1,000."
            f"{' Peers: ' + data['versions'] + '.' if data['versions'] else ''}{wrong}",
        ),
        Table(
            "Nexmark",
            ["query", *(f"{n} thread{'s' * (n != '1')}, events/s" for n in threads), "rows"],
            [
                [
                    query,
                    *(f"{median(told['per_second'][n]):,.0f}" for n in threads),
                    f"{told['rows']:,}",
                ]
                for query, told in nexmark["queries"].items()
            ],
            f"{nexmark['events']:,} events, 92 % of them bids, from Python in batches of 1,000; "
            "every event counts, also those of streams that the query does not take. Rows are held "
            "against plain Python's; docs/benchmarks.md says what is compared.",
        ),
    ]

"""Keeping events and reading a key's last ones, beside SQLite and LMDB used directly."""

import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_least, at_most, duration
from bench.settings import Setup

TITLE = "Keeping events"
KINDS = {
    "c": "PolyVM, from C",
    "c-sealed": "PolyVM, from C, sealed",
    "polyvm": "PolyVM",
    "sealed": "PolyVM, sealed",
    "sqlite": "SQLite",
    "lmdb": "LMDB",
}
PEERS = ("sqlite", "lmdb")
LEVELS = ("memory", "flushed", "synced")
THREADS = (1, 2)
EVENT_NS = 1_000  # a million a second
READ_NS = 20_000
SEALED = 0.5  # of the speed of plain streams


def _cases() -> list[tuple[str, str, int]]:
    """Kind, level, threads. LMDB has no level in memory, SQLite's is of one connection."""
    return [
        (kind, level, threads)
        for level in LEVELS
        for threads in THREADS
        for kind in KINDS
        if not (level == "memory" and ("sealed" in kind or kind == "lmdb"))
        and not (level == "memory" and kind == "sqlite" and threads > 1)
    ]


def measure(setup: Setup) -> dict[str, Any]:
    """Rounds in processes and folders of their own, the kinds turn about."""
    rounds = setup.rounds(2, 5)
    place = Path("build") / "bench"
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for turn in range(rounds):
        for kind, level, threads in _cases():
            setup.progress(f"round {turn + 1} of {rounds}: {KINDS[kind]}, {level}, {threads}")
            batches = setup.rounds(50, 200) if level != "synced" else setup.rounds(20, 50)
            with Contender(
                "events", [sys.executable], "bench.contenders.events", setup.cpus[-threads:]
            ) as contender:
                told = contender.ask(
                    "keep",
                    kind=kind,
                    folder=str(place),
                    level=level,
                    threads=threads,
                    batches=batches * (10 if kind in {"c", "c-sealed"} else 1),
                )
            mine = found.setdefault(f"{kind} {level} {threads}", {"event_ns": []})
            mine["event_ns"].append(median(told["event_ns"]))
            if "read_ns" in told:
                reads = sorted(told["read_ns"])
                mine.setdefault("p50", []).append(reads[len(reads) // 2])
                mine.setdefault("p99", []).append(reads[len(reads) * 99 // 100])
                mine["found"], mine["bytes"] = told["found"], told["bytes"]
    return {"found": found}


def rows(data: dict[str, Any]) -> list[Row]:
    found = data["found"]
    took = {kind: median(found[f"{kind} flushed 1"]["event_ns"]) for kind in KINDS}
    best = min(PEERS, key=took.__getitem__)
    read = median(found["polyvm flushed 1"]["p99"])
    return [
        *(
            at_most(
                f"an event kept (flushed), one thread, batches of 1,000 from {language}",
                f"{KINDS[best]}, from Python: {duration(took[best])}",
                f"<= {duration(EVENT_NS)}",
                EVENT_NS,
                value=took[kind],
                reached=f"{duration(took[kind])} = 1/{took[best] / took[kind]:.1f}",
            )
            for kind, language in (("c", "C"), ("polyvm", "Python"))
        ),
        *(
            at_least(
                f"sealed streams' speed (flushed), batches of 1,000 from {language}",
                "plain streams",
                SEALED,
                took[plain] / took[kind],
            )
            for kind, plain, language in (("c-sealed", "c", "C"), ("sealed", "polyvm", "Python"))
        ),
        at_most(
            "the last 10 events of a key, read from Python, p99",
            f"SQLite: {duration(median(found['sqlite flushed 1']['p99']))}",
            f"<= {duration(READ_NS)}",
            READ_NS,
            value=read,
            reached=duration(read),
        ),
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    found = data["found"]
    lines = []
    for level in LEVELS:
        for kind, name in KINDS.items():
            alone = found.get(f"{kind} {level} 1")
            if alone is None:
                continue
            pair = found.get(f"{kind} {level} 2")
            took = median(alone["event_ns"])
            lines.append(
                [
                    f"{name}, {level}",
                    duration(took),
                    f"{1e9 / took:,.0f}",
                    f"{1e9 / median(pair['event_ns']):,.0f}" if pair is not None else "",
                    duration(median(alone["p50"])) if "p50" in alone else "",
                    duration(median(alone["p99"])) if "p99" in alone else "",
                ]
            )
    size = found["polyvm flushed 1"]["bytes"]
    return [
        Table(
            TITLE,
            [
                "store",
                "an event",
                "events a second",
                "two threads",
                "last 10 of a key, p50",
                "p99",
            ],
            lines,
            f"From Python but for what says C; batches of 1,000 events of {size:.0f} bytes and "
            "2,000 keys; of two threads each has a stream, or a connection, of its own. Flushed: "
            "they outlive the process; synced: the machine too. SQLite: a table in WAL mode with "
            "an index by key, synchronous normal and full; LMDB: two tables, sync off and on.",
        )
    ]

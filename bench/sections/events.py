"""Keeping events and reading a key's last ones, beside SQLite and LMDB used directly."""

import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_most, duration
from bench.settings import Setup

TITLE = "Keeping events"
KINDS = {"polyvm": "PolyVM", "sqlite": "SQLite", "lmdb": "LMDB"}
LEVELS = {False: "kept", True: "synced"}
EVENT_NS = 1_000  # a million a second
READ_NS = 20_000


def measure(setup: Setup) -> dict[str, Any]:
    """Rounds in processes and folders of their own, the kinds turn about."""
    rounds = setup.rounds(2, 5)
    place = Path("build") / "bench"
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for turn in range(rounds):
        for synced, level in LEVELS.items():
            batches = setup.rounds(50, 200) if not synced else setup.rounds(20, 50)
            for kind, name in KINDS.items():
                setup.progress(f"round {turn + 1} of {rounds}: {name}, {level}")
                with _contender(setup) as contender:
                    told = contender.ask(
                        "keep", kind=kind, folder=str(place), synced=synced, batches=batches
                    )
                mine = found.setdefault(f"{kind} {level}", {"event_ns": [], "p50": [], "p99": []})
                mine["event_ns"].append(median(told["event_ns"]))
                reads = sorted(told["read_ns"])
                mine["p50"].append(reads[len(reads) // 2])
                mine["p99"].append(reads[len(reads) * 99 // 100])
                mine["found"], mine["bytes"] = told["found"], told["bytes"]
    return {"found": found}


def _contender(setup: Setup) -> Contender:
    return Contender("events", [sys.executable], "bench.contenders.events", setup.cpus[-1:])


def rows(data: dict[str, Any]) -> list[Row]:
    found = data["found"]
    took = {kind: median(found[f"{kind} kept"]["event_ns"]) for kind in KINDS}
    best = min((kind for kind in KINDS if kind != "polyvm"), key=took.__getitem__)
    read = median(found["polyvm kept"]["p99"])
    return [
        at_most(
            "an event kept, one thread, batches of 1,000 from Python",
            f"{KINDS[best]}: {duration(took[best])}",
            f"<= {duration(EVENT_NS)}",
            EVENT_NS,
            value=took["polyvm"],
            reached=f"{duration(took['polyvm'])} = 1/{took[best] / took['polyvm']:.1f}",
        ),
        at_most(
            "the last 10 events of a key, read from Python, p99",
            f"SQLite: {duration(median(found['sqlite kept']['p99']))}",
            f"<= {duration(READ_NS)}",
            READ_NS,
            value=read,
            reached=duration(read),
        ),
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    lines = []
    for level in LEVELS.values():
        for kind, name in KINDS.items():
            mine = data["found"][f"{kind} {level}"]
            lines.append(
                [
                    f"{name}, {level}",
                    duration(median(mine["event_ns"])),
                    f"{1e9 / median(mine['event_ns']):,.0f}",
                    duration(median(mine["p50"])),
                    duration(median(mine["p99"])),
                ]
            )
    size = data["found"]["polyvm kept"]["bytes"]
    return [
        Table(
            TITLE,
            ["store", "an event", "events a second", "last 10 of a key, p50", "p99"],
            lines,
            f"One thread, from Python, batches of 1,000 events of {size:.0f} bytes and 2,000 keys. "
            "Kept: they outlive the process; synced: the machine too. SQLite: a table in WAL mode "
            "with an index by key, synchronous off and full; LMDB: two tables, sync off and on.",
        )
    ]

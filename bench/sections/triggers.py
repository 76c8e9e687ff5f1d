"""What an event costs, by the number of conditions that wait for events."""

import sys
from statistics import median
from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, at_most, duration
from bench.settings import Setup

TITLE = "Event triggers"
COUNTS = (10, 1_000, 10_000, 100_000)
LISTED_QUICK = COUNTS[:2]  # in a plain list: a batch of events takes most of a minute with 100,000
TARGET = 2.0


def measure(setup: Setup) -> dict[str, Any]:
    """Rounds in processes of their own, the sizes turn about."""
    rounds, repeat = setup.rounds(2, 7), setup.rounds(20, 100)
    found: dict[str, dict[str, Any]] = {}
    different: list[str] = []
    for turn in range(rounds):
        for count in COUNTS:
            setup.progress(f"round {turn + 1} of {rounds}: {count:,} conditions")
            with _contender(setup) as contender:
                told = contender.ask("trie", count=count, repeat=repeat)
            mine = found.setdefault(str(count), {**told, "event_ns": []})
            mine["event_ns"].append(median(told["event_ns"]))
    for count in LISTED_QUICK if setup.quick else COUNTS:
        setup.progress(f"a list of {count:,} conditions")
        few = max(1, repeat * 10 // count)
        with _contender(setup) as contender:
            told = contender.ask("plain", count=count, repeat=few)
            same = contender.ask("trie", count=count, repeat=few)
        found[str(count)]["list_ns"] = median(told["event_ns"])
        if told["fired"] != same["fired"]:
            different.append(f"{count} conditions")
    return {"found": found, "different": different}


def _contender(setup: Setup) -> Contender:
    return Contender("triggers", [sys.executable], "bench.contenders.triggers", setup.cpus[-1:])


def rows(data: dict[str, Any]) -> list[Row]:
    few, many = (median(data["found"][str(count)]["event_ns"]) for count in (10, 100_000))
    return [
        at_most(
            "an event with 100,000 trigger conditions",
            f"with 10: {duration(few)}",
            f"<= {TARGET:g}x",
            TARGET,
            value=many / few,
            reached=f"{duration(many)} = {many / few:.2f}x",
        )
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    lines = []
    for count, found in data["found"].items():
        listed = found.get("list_ns")
        lines.append(
            [
                f"{int(count):,}",
                duration(median(found["event_ns"])),
                duration(listed) if listed is not None else "",
                duration(found["add_ns"]),
                f"{found['fired']:,}",
                f"{found['pending']:,}",
                f"{found['nodes']:,}",
            ]
        )
    return [
        Table(
            TITLE,
            ["conditions", "an event", "in a list", "adding one", "fired", "pending", "nodes"],
            lines,
            "One thread, batches of 1,000 events of 2,000 keys on a million pages, the call from "
            "Python and handing out what fired included. The list is walked in Python.",
        )
    ]

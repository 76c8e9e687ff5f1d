"""What the way to a worker and back costs: tasks that do nothing."""

from statistics import median
from typing import Any

from bench.contender import Contender, all_closed
from bench.rows import Row, Table, at_least, at_most, duration
from bench.settings import MODERN, Setup

TITLE = "No-op invocations"


def measure(setup: Setup) -> dict[str, Any]:
    """Invocations a second in one batch, and round trips one at a time, round by round."""
    workers = min(2, len(setup.cpus))
    rounds = setup.rounds(3, 7)
    wanted: list[tuple[str, Any, str]] = [("vm", None, "vm")]
    if setup.stock is not None:
        wanted.append(("threads " + setup.stock.release.rsplit(".", 1)[0], setup.stock, "threads"))
    if setup.modern is not None:
        wanted.append((f"threads {MODERN}", setup.modern, "threads"))
        wanted.append((f"interpreters {MODERN}", setup.modern, "interpreters"))
        wanted.append((f"processes {MODERN}", setup.modern, "processes"))
    found: dict[str, dict[str, list[float]]] = {}
    with all_closed([]) as contenders:
        for name, python, kind in wanted:
            setup.progress(f"starting {name}")
            made = (
                Contender.vm(f"noop {name}", setup.cpus)
                if python is None
                else Contender.stock(f"noop {name}", python, setup.cpus)
            )
            contenders.append(made)
            made.ask("open_pool", kind=kind, workers=workers, classes=["noop"])
        for turn in range(rounds):
            for (name, _, kind), contender in zip(wanted, contenders, strict=True):
                setup.progress(f"round {turn + 1} of {rounds}: {name}")
                mine = found.setdefault(name, {})
                count = setup.rounds(1, 2) * (200_000 if kind == "vm" else 8_000)
                told = contender.ask("batch", kind="noop", count=count)
                mine.setdefault("per_second", []).append(told["count"] / told["ns"] * 1e9)
                if kind == "vm":
                    told = contender.ask("one_by_one", kind="noop", count=count // 4)
                    rate = told["count"] / told["ns"] * 1e9
                    mine.setdefault("one_by_one_per_second", []).append(rate)
                told = contender.ask("latency", kind="noop", count=2_000)
                mine.setdefault("p50", []).append(told["p50"])
                mine.setdefault("p99", []).append(told["p99"])
    return {"workers": workers, "found": found}


def rows(data: dict[str, Any]) -> list[Row]:
    ours = data["found"]["vm"]
    theirs = data["found"].get(f"interpreters {MODERN}")
    if theirs is None:
        return []
    rate, reference = median(ours["per_second"]), median(theirs["per_second"])
    trip, reference_trip = median(ours["p50"]), median(theirs["p50"])
    return [
        at_least(
            f"no-op invocations per second, {data['workers']} VMs",
            f"{MODERN} InterpreterPoolExecutor, {reference:,.0f}/s",
            40,
            rate / reference,
            reached=f"{rate:,.0f}/s = {rate / reference:.1f}x",
        ),
        at_most(
            "submit-to-result round trip, p50",
            f"{MODERN} InterpreterPoolExecutor, {duration(reference_trip)}",
            "<= 1/10",
            0.1,
            value=trip / reference_trip,
            reached=f"{duration(trip)} = 1/{reference_trip / trip:.1f}",
        ),
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    lines = []
    for name, found in data["found"].items():
        single = found.get("one_by_one_per_second")
        lines.append(
            [
                name,
                f"{median(found['per_second']):,.0f}",
                f"{median(single):,.0f}" if single else "",
                duration(median(found["p50"])),
                duration(median(found["p99"])),
            ]
        )
    return [
        Table(
            f"{TITLE}, {data['workers']} workers",
            ["contender", "per second", "one submit each", "round trip p50", "p99"],
            lines,
            "Pools of the standard library are given all tasks by map, which submits one by one.",
        )
    ]

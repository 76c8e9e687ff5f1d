"""Many workers: throughput of task classes and of their mix, against stock CPython's pools."""

from statistics import median
from typing import Any

from bench.contender import Contender, all_closed
from bench.rows import Row, Table, at_least
from bench.settings import Setup
from bench.stats import quartile_spread

TITLE = "Throughput of N workers"
KINDS = ("mixed", "light", "middle", "heavy")
CLASSES = ["light", "middle", "heavy"]
FIRST_GUESS = {"mixed": 1, "light": 300, "middle": 12, "heavy": 2}


def worker_counts(cores: int) -> list[int]:
    """Powers of two up to the cores, and all cores."""
    counts = [2**i for i in range(8) if 2**i <= cores]
    return counts if counts[-1] == cores else [*counts, cores]


def measure(setup: Setup) -> dict[str, Any]:
    """Tasks a second, for each class, contender and number of workers, round by round.

    A batch is timed from the first submission to the last result, what goes over and comes
    back included. Every contender gets as many tasks as keep it busy for the same time.
    """
    counts = worker_counts(len(setup.cpus))
    rounds = setup.rounds(3, 5)
    opened: dict[tuple[str, int], Contender] = {}
    throughput: dict[str, dict[str, dict[str, list[float]]]] = {}
    different: list[str] = []
    with all_closed([]) as contenders:
        for workers in counts:
            for name, python, kind, chunk in [("vm", None, "vm", 1), *setup.pools]:
                setup.progress(f"starting {name} with {workers} workers")
                title = f"{name} {workers}"
                made = (
                    Contender.vm(title, setup.cpus)
                    if python is None
                    else Contender.stock(title, python, setup.cpus)
                )
                contenders.append(made)
                made.ask("open_pool", kind=kind, workers=workers, classes=CLASSES, chunk=chunk)
                opened[name, workers] = made
        for kind in KINDS:
            # Long enough that the end of a batch, where workers run dry, weighs little.
            seconds = setup.rounds(1, 6) * (0.5 if kind == "mixed" else 0.25)
            sizes: dict[tuple[str, int], int] = {}
            digests: dict[int, str] = {}
            for key, contender in opened.items():
                name, workers = key
                setup.progress(f"{kind}, calibrating: {name} x{workers}")
                count = FIRST_GUESS[kind] * workers
                told = contender.ask("batch", kind=kind, count=count)
                sizes[key] = max(workers, round(count * seconds * 1e9 / told["ns"]))
                if digests.setdefault(workers, told["digest"]) != told["digest"]:
                    different.append(f"{kind}: {name}")
            for turn in range(rounds):
                order = list(opened)
                shift = turn * 3 % len(order)
                for key in order[shift:] + order[:shift]:
                    name, workers = key
                    setup.progress(f"{kind}, round {turn + 1} of {rounds}: {name} x{workers}")
                    told = opened[key].ask("batch", kind=kind, count=sizes[key])
                    rate = told["count"] / told["ns"] * 1e9
                    of_kind = throughput.setdefault(kind, {})
                    of_kind.setdefault(name, {}).setdefault(str(workers), []).append(rate)
    return {"workers": counts, "per_second": throughput, "different": sorted(set(different))}


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def rows(data: dict[str, Any]) -> list[Row]:
    most = data["workers"][-1]
    mixed = data["per_second"]["mixed"]
    ours = mixed["vm"][str(most)]
    made: list[Row] = []
    if most > 1:
        for kind in ("mixed", "middle", "heavy"):
            vms = data["per_second"][kind]["vm"]
            gain = _ratio(vms[str(most)], vms["1"])
            made.append(
                at_least(
                    f"{most} VMs on {most} cores, CPU-bound ({kind} tasks)",
                    "one VM",
                    0.97 * most,
                    gain,
                    reached=f"{gain:.3g}x = {gain / most:.3g} N",
                )
            )
    targets = (("threads", 0.95 * most), ("processes", 1.2), ("interpreters", 1.5))
    for start, target in targets:
        for name, rates in mixed.items():
            if name.startswith(start) and "," not in name:
                made.append(
                    at_least(
                        f"throughput of mixed tasks, {most} workers",
                        name,
                        target,
                        _ratio(ours, rates[str(most)]),
                    )
                )
    return made


def tables(data: dict[str, Any]) -> list[Table]:
    made: list[Table] = []
    workers = [str(count) for count in data["workers"]]
    for kind, of_kind in data["per_second"].items():
        lines = []
        for name, rates in of_kind.items():
            line = [name, *(f"{median(rates[count]):,.0f}" for count in workers)]
            last = rates[workers[-1]]
            line.append(f"±{quartile_spread(last):.0%}")
            line.append(f"{_ratio(last, rates['1']):.2f}")
            line.append("" if name == "vm" else f"{_ratio(of_kind['vm'][workers[-1]], last):.2f}")
            lines.append(line)
        columns = [
            "contender",
            *(f"x{count}, tasks/s" for count in workers),
            "spread",
            f"x{workers[-1]} to x1",
            f"VM to it, x{workers[-1]}",
        ]
        note = "Submission, transport and results included."
        if data["different"]:
            note += f" RESULTS DIFFER: {', '.join(data['different'])}."
        made.append(Table(f"{TITLE}: {kind} tasks", columns, lines, note))
    return made

"""One VM against stock CPython of the same release: programs, and the three task classes."""

import json
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from bench.contender import Contender, all_closed
from bench.rows import Row, Table, at_least, duration
from bench.settings import Setup
from bench.stats import geometric_mean, quartile_spread

TITLE = "One VM against stock CPython of the same release"

PROGRAMS = sorted(
    path.stem
    for path in (Path(__file__).parent.parent / "programs").glob("*.py")
    if path.stem != "__init__"
)
CLASS_COUNTS = {"light": 1500, "middle": 20, "heavy": 1}
"""How many tasks of a class one measurement runs: 15 to 40 ms each."""


def measure(setup: Setup) -> dict[str, Any]:
    """CPU times of every program in every contender, round by round.

    Contenders take turns within a round, in an order that turns too, all on one and the same
    CPU; each launch starts them anew, so that luck with memory layout averages out.
    """
    launches = setup.rounds(1, 3)
    rounds = setup.rounds(3, 5)
    cpu = setup.cpus[-1:]
    times: dict[str, dict[str, list[int]]] = {}
    walls: dict[str, dict[str, list[int]]] = {}
    values: dict[str, dict[str, str]] = {}
    jobs = [(name, "program", {"name": name, "n": _size(name)}) for name in PROGRAMS]
    jobs += [
        (f"class {kind}", "workload", {"kind": kind, "count": count})
        for kind, count in CLASS_COUNTS.items()
    ]
    for launch in range(launches):
        with all_closed([]) as contenders:
            contenders.append(Contender.vm("vm", cpu))
            if setup.stock is not None:
                contenders.append(Contender.stock("stock", setup.stock, cpu))
            if setup.sdk is not None:
                contenders.append(Contender.stock("sdk", setup.sdk, cpu))
            for name, operation, arguments in jobs:
                setup.progress(f"launch {launch + 1} of {launches}: {name}")
                for turn in range(rounds):
                    shift = (turn + launch) % len(contenders)
                    for contender in contenders[shift:] + contenders[:shift]:
                        told = contender.ask(operation, **arguments, repeat=2)
                        mine = times.setdefault(name, {}).setdefault(contender.name, [])
                        mine.append(min(told["ns"]))
                        wall = walls.setdefault(name, {}).setdefault(contender.name, [])
                        wall.append(min(told["wall_ns"]))
                        values.setdefault(name, {})[contender.name] = json.dumps(told["value"])
    different = [name for name, seen in values.items() if len(set(seen.values())) > 1]
    return {
        "times_ns": times,
        "wall_ns": walls,
        "different": different,
        "launches": launches,
        "rounds": rounds,
        "counts": CLASS_COUNTS,
    }


def _size(name: str) -> int:
    size: int = import_module(f"bench.programs.{name}").N
    return size


def ratios(times: dict[str, list[int]], reference: str) -> list[float]:
    """The reference's time to the VM's, of each round: above 1, the VM is faster."""
    return [theirs / ours for theirs, ours in zip(times[reference], times["vm"], strict=True)]


def rows(data: dict[str, Any]) -> list[Row]:
    made: list[Row] = []
    times = data["times_ns"]
    programs = [name for name in times if not name.startswith("class ")]
    if all("stock" in times[name] for name in programs):
        of_each = {name: median(ratios(times[name], "stock")) for name in programs}
        least = min(of_each, key=lambda name: of_each[name])
        made.append(
            at_least(
                f"one VM running pure Python, geometric mean of {len(programs)} programs",
                "stock, same release",
                1.0,
                geometric_mean(list(of_each.values())),
            )
        )
        made.append(
            at_least(
                "one VM running pure Python, every program",
                "stock, same release",
                1.0,
                of_each[least],
                reached=f"{of_each[least]:.3g}x ({least}); "
                f"{sum(r >= 1 for r in of_each.values())} of {len(programs)} at or above 1",
            )
        )
        made += [
            at_least(
                f"{name.removeprefix('class ')} tasks in one VM",
                "stock, same release",
                1.0,
                median(ratios(times[name], "stock")),
            )
            for name in times
            if name.startswith("class ")
        ]
    return made


def tables(data: dict[str, Any]) -> list[Table]:
    times = data["times_ns"]
    references = [name for name in ("stock", "sdk") if all(name in t for t in times.values())]
    lines: list[list[str]] = []
    by_reference: dict[str, list[float]] = {name: [] for name in references}
    best_by_reference: dict[str, list[float]] = {name: [] for name in references}
    for program, of_program in times.items():
        count = data["counts"].get(program.removeprefix("class "), 1)
        line = [program, duration(median(of_program["vm"]) / count)]
        for reference in references:
            each = ratios(of_program, reference)
            best = min(of_program[reference]) / min(of_program["vm"])
            if not program.startswith("class "):
                by_reference[reference].append(median(each))
                best_by_reference[reference].append(best)
            line += [
                duration(median(of_program[reference]) / count),
                f"{median(each):.2f}",
                f"±{quartile_spread(each):.0%}",
                f"{best:.2f}",
            ]
        lines.append(line)
    means = ["geometric mean", ""]
    for reference in references:
        means += [
            "",
            f"{geometric_mean(by_reference[reference]):.3f}",
            "",
            f"{geometric_mean(best_by_reference[reference]):.3f}",
        ]
    lines.append(means)
    columns = ["program", "VM"]
    for reference in references:
        columns += [reference, f"{reference}/VM", "spread", "best/best"]
    note = (
        "Above 1, the VM is faster. CPU times: median of paired rounds, half the quartile "
        "distance, the ratio of the best times. Class lines are per task and not in the mean."
    )
    if data["different"]:
        note += f" RESULTS DIFFER: {', '.join(data['different'])}."
    return [Table(TITLE, columns, lines, note)]

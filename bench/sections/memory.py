"""Memory over a long life: one VM reset again and again, and many tasks in one process."""

from typing import Any

from bench.contender import Contender
from bench.rows import Row, Table, size, sparkline
from bench.settings import Setup
from bench.stats import slope

TITLE = "Memory curves"
LEVEL_PER_CYCLE = 256
"""Bytes a reset cycle that the second half of its curve may grow by and still be level."""


def measure(setup: Setup) -> dict[str, Any]:
    cycles = setup.rounds(2_000, 10_000)
    setup.progress(f"{cycles:,} reset cycles of one VM")
    with Contender.vm("vm-cycles", setup.cpus[-1:]) as vm:
        reset = vm.ask("reset_cycles", cycles=cycles, samples=100)
    count = setup.rounds(250, 1000)
    setup.progress(f"{count:,} tasks in one process")
    with Contender.vm("vm-many", setup.cpus) as vm:
        many = vm.ask(
            "many_tasks",
            count=count,
            rounds=setup.rounds(20, 40),
            samples=50,
        )
    return {"cycles": cycles, "reset": reset, "count": count, "many": many}


def second_half_slope(curve: dict[str, Any], start: int = 0) -> float:
    """Bytes a step over the second half of a curve, from sample `start` on."""
    at, held = curve["at"][start:], curve["bytes"][start:]
    half = len(at) // 2
    return slope(at[half:], held[half:])


def rows(data: dict[str, Any]) -> list[Row]:
    reset = second_half_slope(data["reset"])
    many = second_half_slope(data["many"], data["many"]["loaded"])
    return [
        Row(
            f"{data['cycles']:,} reset cycles of one VM",
            "absolute",
            "levels off",
            f"{reset:+.1f} bytes a cycle in the second half",
            None,
            reset <= LEVEL_PER_CYCLE,
        ),
        Row(
            f"{data['count']:,} tasks loaded in one process, run over and over",
            "absolute",
            "levels off",
            f"{many:+.2f} bytes an invocation in the second half",
            None,
            many <= LEVEL_PER_CYCLE,
        ),
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    reset, many = data["reset"], data["many"]
    loaded = many["loaded"]
    each = (many["bytes"][loaded - 1] - many["before"]) / data["count"]
    return [
        Table(
            TITLE,
            ["what", "resident memory over time, from 0", "first", "highest", "last"],
            [
                ["reset cycles", sparkline(reset["bytes"], 50), *_ends(reset["bytes"])],
                [
                    "loading tasks",
                    sparkline(many["bytes"][:loaded], 50),
                    *_ends(many["bytes"][:loaded]),
                ],
                [
                    "running them",
                    sparkline(many["bytes"][loaded:], 50),
                    *_ends(many["bytes"][loaded:]),
                ],
            ],
            f"{data['cycles']:,} cycles of load, call, reset; {data['count']:,} tasks of "
            f"{size(each)} each, {many['vms']:,} VMs alive; {size(many['left_bytes'])} resident "
            "after the executor closed.",
        )
    ]


def _ends(values: list[float]) -> list[str]:
    return [size(values[0]), size(max(values)), size(values[-1])]

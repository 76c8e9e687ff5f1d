"""Arrays: `polyvm.np` against NumPy on one thread, operation by operation; arrays in many VMs."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import Any

from bench.arrays.operations import OPERATIONS
from bench.contender import Contender
from bench.rows import Row, Table, at_least, duration
from bench.settings import Setup
from bench.stats import geometric_mean

TITLE = "Arrays"
SIZES = (16, 1_000, 1 << 16, 1 << 20, 1 << 22)
QUICK_SIZES = (16, 1_000, 1 << 16)
COMPARED = 1_000  # elements when results are compared
SMALL = 16
FAST = ("copy transposed", "index by a mask", "where", "cumsum", "cumsum of rows")
"""Operations for which parity is not enough."""
GOAL, FAST_GOAL, SMALL_GOAL, VMS_GOAL = 1.0, 3.0, 3.0, 0.975


def measure(setup: Setup) -> dict[str, Any]:
    """Both in one process, turn about; then tasks with one VM and with one for each core."""
    sizes = QUICK_SIZES if setup.quick else SIZES
    ns: dict[str, dict[str, list[list[float]]]] = {}
    missing: dict[str, str] = {}
    different: list[str] = []
    contender = Contender("arrays", [sys.executable], "bench.contenders.arrays", setup.cpus[-1:])
    with contender:
        versions = contender.ask("versions")
        for name, operation in OPERATIONS.items():
            setup.progress(f"arrays: {name}")
            told = contender.ask("same", name=name, size=COMPARED)
            if "missing" in told:
                missing[name] = told["missing"]
                continue
            if not told["same"]:
                different.append(name)
            for size in sizes:
                if operation.largest is None or size <= operation.largest:
                    rounds = setup.rounds(3, 7 if size < SIZES[-1] else 3)
                    told = contender.ask("measure", name=name, size=size, rounds=rounds)
                    ns.setdefault(name, {})[str(size)] = told["ns"]
    return {
        "versions": versions,
        "ns": ns,
        "missing": missing,
        "different": different,
        "vms": _in_vms(setup),
        "processes": _in_processes(setup),
    }


def _in_vms(setup: Setup) -> dict[str, list[float]]:
    """Tasks a second, by the number of VMs."""
    most = len(setup.cpus)
    rates: dict[str, list[float]] = {}
    with Contender.vm("vm-arrays", setup.cpus) as contender:
        count = {n: setup.rounds(100, 400) * n for n in {1, most}}
        for turn in range(setup.rounds(3, 7)):
            for workers in sorted(count, reverse=bool(turn % 2)):
                setup.progress(f"arrays in {workers} VMs: round {turn + 1}")
                told = contender.ask("array_tasks", workers=workers, count=count[workers])
                rates.setdefault(str(workers), []).append(told["count"] / told["ns"] * 1e9)
    return rates


def _in_processes(setup: Setup) -> dict[str, list[float]]:
    """The same task with NumPy, a second, by the number of processes: what the machine allows."""
    count = setup.rounds(100, 400)
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        each = [
            stack.enter_context(
                Contender(f"arrays-{cpu}", [sys.executable], "bench.contenders.arrays", [cpu])
            )
            for cpu in setup.cpus
        ]
        pool = stack.enter_context(ThreadPoolExecutor(len(each)))
        list(pool.map(lambda one: one.ask("model", count=count // 4), each))
        for turn in range(setup.rounds(3, 7)):
            for many in sorted({1, len(each)}, reverse=bool(turn % 2)):
                setup.progress(f"arrays in {many} processes: round {turn + 1}")
                told = pool.map(lambda one: one.ask("model", count=count), each[:many])
                rate = sum(one["count"] / one["ns"] * 1e9 for one in told)
                rates.setdefault(str(many), []).append(rate)
    return rates


def _gain(rates: dict[str, list[float]]) -> float:
    """How many times one the most are, round by round."""
    pairs = zip(rates[max(rates, key=int)], rates["1"], strict=True)
    return median([many / one for many, one in pairs])


def _ratio(times: list[list[float]]) -> float:
    """How often as fast as NumPy, round by round."""
    ours, theirs = times
    return median([b / a for a, b in zip(ours, theirs, strict=True)])


def by_operation(data: dict[str, Any]) -> dict[str, float]:
    """Speed against NumPy's, the geometric mean of all sizes."""
    return {
        name: geometric_mean([_ratio(times) for times in sizes.values()])
        for name, sizes in data["ns"].items()
    }


def rows(data: dict[str, Any]) -> list[Row]:
    ratios = [_ratio(times) for sizes in data["ns"].values() for times in sizes.values()]
    numpy = f"NumPy {data['versions']['numpy']}, one thread"
    each = by_operation(data)
    made = [
        at_least(
            f"arrays: {len(data['ns'])} operations, all sizes, geometric mean",
            numpy,
            GOAL,
            geometric_mean(ratios),
        ),
        at_least(
            f"arrays: a call with {SMALL} elements, geometric mean",
            numpy,
            SMALL_GOAL,
            geometric_mean([_ratio(sizes[str(SMALL)]) for sizes in data["ns"].values()]),
        ),
    ]
    made += [
        at_least(f"arrays: {name}, geometric mean of all sizes", numpy, FAST_GOAL, each[name])
        for name in FAST
        if name in each
    ]
    most = max(data["vms"], key=int)
    if most != "1":
        made.append(
            at_least(
                f"tasks on arrays, {most} VMs on {most} cores",
                "one VM",
                VMS_GOAL * int(most),
                _gain(data["vms"]),
            )
        )
    return made


def tables(data: dict[str, Any]) -> list[Table]:
    sizes = sorted({size for found in data["ns"].values() for size in found}, key=int)
    each = by_operation(data)
    lines = [
        [
            name,
            OPERATIONS[name].family,
            duration(median(found[sizes[0]][0])),
            *(f"{_ratio(found[size]):.2f}" if size in found else "" for size in sizes),
            f"{each[name]:.2f}",
        ]
        for name, found in data["ns"].items()
    ]
    every = list(data["ns"].values())
    columns = {
        size: geometric_mean(
            [_ratio(found[size]) for found in data["ns"].values() if size in found]
        )
        for size in sizes
    }
    total = geometric_mean([_ratio(t) for found in every for t in found.values()])
    mean = ["geometric mean", "", "", *(f"{columns[size]:.2f}" for size in sizes), f"{total:.2f}"]
    note = (
        f"How often as fast as NumPy {data['versions']['numpy']}, by elements; float32 unless the "
        f"name says otherwise. Median of paired rounds, CPU time. Kernels: "
        f"{data['versions']['isa']}."
    )
    if data["missing"]:
        note += f" Not there: {', '.join(data['missing'])}."
    if data["different"]:
        note += f" RESULTS DIFFER: {', '.join(data['different'])}."
    heads = [f"{int(size):,}" for size in sizes]
    made = [
        Table(
            "Arrays against NumPy",
            ["operation", "family", f"a call, {heads[0]}", *heads, "all"],
            [*lines, mean],
            note,
        )
    ]
    made.append(_many(data))
    return made


def _many(data: dict[str, Any]) -> Table:
    processes = data.get("processes", {})
    rates = [
        [n, *(f"{median(one[n]):,.0f}" if n in one else "" for one in (data["vms"], processes))]
        for n in data["vms"]
    ]
    note = ""
    if len(processes) > 1:
        gains = [_gain(data["vms"]), _gain(processes)]
        note = (
            f"VMs in one process reach {gains[0]:.2f}x of one, processes with nothing in common "
            f"{gains[1]:.2f}x, which is what the machine allows."
        )
    return Table(
        "Tasks on arrays in VMs",
        ["VMs, or processes", "VMs: tasks/s", "NumPy in processes: tasks/s"],
        rates,
        note,
    )

"""One model with two plans in one process: found within the budget, and with everything timed."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import polyvm
from bench.contenders.serve import pin, serve

BUDGET = 0.3  # seconds: what `polyvm.model` takes unless it is told otherwise
EXHAUSTIVE = 600.0


def compare(model: str, inputs: str, seconds: float) -> dict[str, Any]:
    """Time both plans turn about: seconds of planning, nanoseconds of each call."""
    with np.load(inputs) as file:
        given = {name: file[name] for name in file.files}
    plans, planned = [], []
    for budget in (BUDGET, EXHAUSTIVE):
        made = polyvm.model(Path(model).read_bytes(), budget=budget)
        start = time.perf_counter()
        made.prepare(**given)
        planned.append(time.perf_counter() - start)
        plans.append(made)
    times: list[list[int]] = [[], []]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for plan, mine in zip(plans, times, strict=True):
            start_ns = time.perf_counter_ns()
            plan(**given)
            mine.append(time.perf_counter_ns() - start_ns)
    return {"planned": planned, "call_ns": [median(mine) for mine in times]}


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "compare": compare})

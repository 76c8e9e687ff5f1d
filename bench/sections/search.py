"""How good a plan is that was found within the budget, beside one with every way timed."""

import sys
from statistics import median
from typing import Any

import numpy as np

from bench.contender import OUTPUT, Contender
from bench.models.catalogue import CATALOGUE
from bench.rows import Row, Table, at_most, duration
from bench.sections.models import QUICK
from bench.settings import Setup
from tasks.wheels import UnobtainableError

TITLE = "Choosing a plan"
GOAL = 1.05


def measure(setup: Setup) -> dict[str, Any]:
    """Each model some times, in a new process: what was timed before is forgotten."""
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    place = OUTPUT / "models"
    place.mkdir(parents=True, exist_ok=True)
    wanted = QUICK if setup.quick else [n for n, m in CATALOGUE.items() if m.timed]
    for name in wanted:
        try:
            path = CATALOGUE[name].path()
        except UnobtainableError as error:
            missing[name] = str(error)
            continue
        inputs = place / f"{name}-search.npz"
        np.savez(inputs, **CATALOGUE[name].example())
        mine: dict[str, list[float]] = {"ratio": [], "planned": [], "all": [], "call_ns": []}
        for turn in range(setup.rounds(1, 3)):
            setup.progress(f"plans of {name}, round {turn + 1}")
            with Contender(
                "search", [sys.executable], "bench.contenders.search", setup.cpus[-1:]
            ) as one:
                told = one.ask(
                    "compare", model=str(path), inputs=str(inputs), seconds=setup.rounds(1, 3)
                )
            within, best = told["call_ns"]
            mine["ratio"].append(within / best)
            mine["call_ns"].append(within)
            mine["planned"].append(told["planned"][0])
            mine["all"].append(told["planned"][1])
        found[name] = mine
    return {"models": found, "missing": missing}


def rows(data: dict[str, Any]) -> list[Row]:
    if not data["models"]:
        return []
    ratios = {name: median(mine["ratio"]) for name, mine in data["models"].items()}
    worst = max(ratios, key=ratios.__getitem__)
    return [
        at_most(
            f"the plan found within 0.3 s, of {len(ratios)} models the worst ({worst})",
            "with everything timed",
            f"<= {GOAL:g}x",
            GOAL,
            value=ratios[worst],
            reached=f"{ratios[worst]:.3f}x",
        )
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    lines = [
        [
            name,
            duration(median(mine["call_ns"])),
            f"{median(mine['ratio']):.3f}x",
            f"{median(mine['planned']):.2f} s",
            f"{median(mine['all']):.2f} s",
        ]
        for name, mine in data["models"].items()
    ]
    return [
        Table(
            TITLE,
            ["model", "a call", "against everything timed", "planning", "timing everything"],
            lines,
            "Both plans run turn about in one process, one thread, float32. Planning includes "
            "packing weights, which the budget of 0.3 s does not count.",
        )
    ]

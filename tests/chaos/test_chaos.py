"""The short form of the chaos run; `python -m tests.chaos` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.population import Population, write_events
from tests.chaos.report import summary
from tests.chaos.run import short
from tests.chaos.verdict import Result, judge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Seeded

TASKS = 40
LINES = 1000
KILLS = 3  # and one task that crashes: a supervisor takes five restarts a minute


def test_a_host_among_bad_tasks_that_is_killed(tmp_path: Path, rand: Seeded) -> None:
    run = short(tmp_path, TASKS, LINES, KILLS, rand)
    assert not run.faults, summary(run)
    assert run.ends["SIGSEGV"] == 1


# What the checks of a run have to find: how the results are changed, and a word of the fault.
DAMAGE = {
    "nothing": (lambda results: results, ""),
    "lost": (lambda results: results[1:], "lost lines: task count-0, line 1"),
    "wrong": (
        lambda results: [{**results[0], "result": {"line": 1, "sum": -1}}, *results[1:]],
        "wrong results",
    ),
    "failed": (
        lambda results: [{**results[0], "outcome": "timed_out"}, *results[1:]],
        "did not end as done",
    ),
    "fed again": (
        lambda results: [*results, *({**each, "id": each["id"] + 10**6} for each in results)],
        "accepted twice",
    ),
    "not broken": (
        lambda results: [
            {**each, "outcome": "timed_out"} if each["task"] == "hang-0" else each
            for each in results
        ],
        "not broken: hang-0",
    ),
    "bad, and done": (
        lambda results: [
            {**each, "outcome": "done"} if each["task"] == "hang-0" else each for each in results
        ],
        "outcomes of bad tasks: hang-0: done",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_faults_are_found(tmp_path: Path, rand: Seeded, name: str) -> None:
    import msgspec

    damage, word = DAMAGE[name]
    population = Population.of(12)
    sums = write_events(tmp_path / "events.jsonl", 8, rand)
    results = []
    for line, total in enumerate(sums, 1):
        for task, factor in population.good.items():
            value = {"line": line, "sum": factor * total}
            results.append(Result(task, line, "done", id=line, result=value))
        for task, kind in population.bad.items():
            outcome = "rejected" if line > 2 else min(kind.outcomes)
            results.append(Result(task, line, outcome, id=line))
    path = tmp_path / "out.jsonl"
    changed = damage([msgspec.to_builtins(each) for each in results])
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in changed))
    verdict = judge(path, population, sums, lines=len(sums), lives=1)
    assert word in "\n".join(verdict.faults)
    assert bool(verdict.faults) is bool(word)

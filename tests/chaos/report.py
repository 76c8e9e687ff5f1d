"""A chaos run in words: a summary for the terminal, and docs/chaos.md."""

from __future__ import annotations

import os
import platform
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .population import KINDS

if TYPE_CHECKING:
    from .run import Run

DOCUMENT = Path(__file__).parents[2] / "docs" / "chaos.md"


def summary(run: Run) -> str:
    """What happened, a line each, and the faults below."""
    verdict = run.verdict
    lines = [
        f"{run.seconds:.0f} s, {verdict.lines} lines, exit code {run.code}",
        f"{run.kills} kills, {run.restarts} restarts ({_ends(run)})",
        f"{len(run.population.good)} good tasks, {verdict.good} results",
        f"results again {verdict.again}, of later attempts {verdict.retried}",
        f"lines accepted twice {verdict.fed_again}",
    ]
    for kind, found in _by_kind(run).items():
        lines.append(f"  {kind:9} {_outcomes(found)}")
    lines += [f"FAULT {fault}" for fault in run.faults] or ["no faults"]
    return "\n".join(lines)


def document(run: Run, seed: int, every: float) -> str:
    """The text of docs/chaos.md."""
    verdict = run.verdict
    good, bad = len(run.population.good), len(run.population.bad)
    done = [
        ("tasks", f"{good + bad}, of which {bad} misbehave"),
        ("limits of each", "timeout 200 ms, memory 64 MB, a circuit breaker"),
        ("time", f"{run.seconds:.0f} s"),
        ("input", f"{verdict.lines:,} lines, each for every task"),
        ("`kill -9` of the host", f"{run.kills}, about every {every:g} s and in restarts"),
        ("restarts, by how the host ended", f"{run.restarts}: {_ends(run)}"),
        ("seed", f"{seed}"),
        ("machine", _machine()),
    ]
    checked = [
        ("accepted lines of good tasks without a result", _count(run, "lost lines")),
        ("their results, each line once", f"{verdict.good:,}"),
        ("of these, not exact", _count(run, "wrong results")),
        ("of these, not `done`", _count(run, "good tasks that did not end as done")),
        ("bad tasks with an outcome that is not theirs", _count(run, "outcomes of bad tasks")),
        ("bad tasks not mostly rejected in the end", _count(run, "bad tasks that were not broken")),
        ("results that came again, exact as well", f"{verdict.again:,}"),
        ("lines accepted twice (at most one a restart)", f"{verdict.fed_again}"),
        ("exit code (3: it went through, and some invocations failed)", f"{run.code}"),
    ]
    kinds = [
        f"| {KINDS[kind].what} | {sum(name.startswith(f'{kind}-') for name in run.population.bad)} "
        f"| {_outcomes(found)} |"
        for kind, found in _by_kind(run).items()
    ]
    faults = [f"- {fault}" for fault in run.faults] or ["None."]
    return "\n".join(
        [
            _HEAD,
            *_table("what was done", done),
            *_table("what was checked", checked),
            "| a task that | tasks | outcomes |",
            "| --- | ---: | --- |",
            *kinds,
            "",
            "## Faults",
            "",
            *faults,
            "",
        ]
    )


_HEAD = """# Chaos

<!-- Written by `python -m tests.chaos --write-docs`: do not edit. -->

A supervised host runs good and bad tasks over one input while its process is killed now and
then. Good tasks return the line's number and a sum that is theirs alone, so a lost, swapped or
wrong result shows. Work is run at least once: results are compared after one of each task and
line is taken, and the ones that came again must be the same.

A task that crashes ends the host, and a supervisor gives up at the sixth restart within 60 s.
Here two of 200 tasks crash, a single crash opens their breakers, and the trials after it are
minutes apart; with more such tasks that come live at the same time the supervisor would give up.
"""


def _table(head: str, rows: list[tuple[str, str]]) -> list[str]:
    return [f"| {head} | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows), ""]


def _by_kind(run: Run) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for name, outcomes in run.verdict.outcomes.items():
        found.setdefault(name.rpartition("-")[0], Counter()).update(outcomes)
    return found


def _outcomes(found: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(found.items()))


def _ends(run: Run) -> str:
    return ", ".join(f"{how} {count}" for how, count in run.ends.most_common()) or "none"


def _count(run: Run, sort: str) -> str:
    return f"{run.verdict.counts[sort]}"


def _machine() -> str:
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {model}, {pages / 2**30:.0f} GiB, Linux {platform.release()}"

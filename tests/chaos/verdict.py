"""What a results file must hold after a chaos run, and whether it does."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .population import Population

SHOWN = 10  # faults of one sort that are told one by one


class Result(msgspec.Struct, frozen=True):
    """What of a result line matters here."""

    task: str
    line: int
    outcome: str
    id: int = 0
    attempt: int = 1
    result: Any = None
    error: str = ""


@dataclass
class Verdict:
    """Faults, and the numbers beside them. Sound if there are no faults."""

    lines: int  # the latest line of the input that any task has a result of
    good: int = 0  # results of good tasks, each (task, line) once
    again: int = 0  # further results of the same (task, line)
    fed_again: int = 0  # lines that were accepted a second time, as other invocations
    retried: int = 0  # results that are another attempt's
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)  # of bad tasks
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # of faults, by their sort


def judge(
    path: Path, population: Population, sums: Sequence[int], *, lines: int | None, lives: int
) -> Verdict:
    """Compare the results with the input.

    ``lines``: how many lines must have been accepted; None: those up to the latest result, as
    lines are accepted one after the other, each for all tasks. ``lives``: how many hosts there
    were. Each but the last may have been killed between accepting a line and noting that it did,
    so the one after it reads that line again.
    """
    seen = {name: bytearray(len(sums)) for name in [*population.good, *population.bad]}
    late = {name: Counter[str]() for name in population.bad}
    verdict = Verdict(0, outcomes={name: Counter() for name in population.bad})
    wrong = _Faults(verdict)
    decoder = msgspec.json.Decoder(Result)
    results: list[tuple[str, int, str]] = []
    witness = next(iter(population.good))  # stands for all: a line is accepted for all at once
    ids = array("Q", bytes(8 * len(sums)))
    with path.open("rb") as file:
        for text in file:
            result = decoder.decode(text)
            verdict.lines = max(verdict.lines, result.line)
            verdict.retried += result.attempt > 1
            place = seen[result.task]
            if place[result.line - 1]:
                verdict.again += 1
            place[result.line - 1] = 1
            if result.task in population.bad:
                verdict.outcomes[result.task][result.outcome] += 1
                results.append((result.task, result.line, result.outcome))
                continue
            if result.task == witness:
                earlier = ids[result.line - 1]
                verdict.fed_again += earlier not in {0, result.id}
                ids[result.line - 1] = result.id
            total = population.good[result.task] * sums[result.line - 1]
            if result.outcome != "done":
                wrong.add("good tasks that did not end as done", f"{result}")
            elif result.result != {"line": result.line, "sum": total}:
                wrong.add("wrong results", f"{result}, and not the sum {total}")
    if lines is not None and verdict.lines != lines:
        wrong.add("input", f"{lines} lines were to be accepted, the latest is {verdict.lines}")
    for name, place in seen.items():
        if name in population.good:
            verdict.good += place.count(1)
        for line in _missing(place, verdict.lines):
            wrong.add("lost lines", f"task {name}, line {line}")
    for name, line, outcome in results:
        if line > verdict.lines // 2:
            late[name][outcome] += 1
    if verdict.fed_again >= max(lives, 1):
        wrong.add("input", f"{verdict.fed_again} lines were accepted twice in {lives} lives")
    _judge_bad(population, verdict, late, wrong)
    wrong.close()
    return verdict


def _judge_bad(
    population: Population, verdict: Verdict, late: dict[str, Counter[str]], wrong: _Faults
) -> None:
    for name, kind in population.bad.items():
        found = verdict.outcomes[name]
        strange = set(found) - kind.outcomes - {"rejected"}
        if strange:
            wrong.add("outcomes of bad tasks", f"{name}: {', '.join(sorted(strange))}")
        if not set(found) & kind.outcomes:
            wrong.add("outcomes of bad tasks", f"{name}: none of {sorted(kind.outcomes)}")
        if late[name]["rejected"] * 2 <= late[name].total():
            wrong.add("bad tasks that were not broken", f"{name}: {dict(late[name])} in the end")


def _missing(place: bytearray, lines: int) -> list[int]:
    missing = []
    at = place.find(0, 0, lines)
    while at >= 0:
        missing.append(at + 1)
        at = place.find(0, at + 1, lines)
    return missing


class _Faults:
    """Tells the first faults of each sort, and counts all."""

    def __init__(self, verdict: Verdict) -> None:
        self._told = verdict.faults
        self._count = verdict.counts

    def add(self, sort: str, words: str) -> None:
        self._count[sort] += 1
        if self._count[sort] <= SHOWN:
            self._told.append(f"{sort}: {words[:300]}")

    def close(self) -> None:
        for sort, count in self._count.items():
            if count > SHOWN:
                self._told.append(f"{sort}: {count - SHOWN} more")

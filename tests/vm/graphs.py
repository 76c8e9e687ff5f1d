"""Graphs of tasks, and how tests see them end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm.vm import AfterFailure, Executor
from tests.vm.programs import ECHO, program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyvm.vm import Completion

FAIL = "def run(payload):\n    raise ValueError(payload)\n"

# A change of base, in C: no interruption reaches it, and it takes some seconds.
UNSTOPPABLE = "import decimal\ndef run(x): return decimal.Decimal(1 << 10**8)\n"
HUNGRY = "kept = []\ndef run(payload):\n    while True: kept.append([1] * 1000)\n"

SKIP, STOP, CONTINUE = AfterFailure


def add(executor: Executor, names: str, source: str = ECHO, **options: Any) -> list[int]:
    return [executor.add(program(source, name=name), **options) for name in names.split()]


def collect(executor: Executor, count: int) -> list[Completion]:
    ended: list[Completion] = []
    while len(ended) < count:
        ended += executor.collect()
    assert len(ended) == count
    return ended


def ended(executor: Executor, tasks: Sequence[int]) -> list[Completion]:
    """The completions of one graph, in the order of `tasks`."""
    found = {each.task: each for each in collect(executor, len(tasks))}
    assert sorted(found) == sorted(tasks)
    return [found[task] for task in tasks]


def outcomes(completions: Sequence[Completion]) -> list[str]:
    return [each.outcome.name.lower() for each in completions]


def settled(executor: Executor, *tasks: int) -> None:
    """Nothing is left over: every acceptance ended, and no place is taken."""
    assert executor.collect(timeout_ms=0) == []
    for task in tasks:
        stats = executor.stats(task)
        assert (stats.running, stats.accepted) == (0, stats.finished)


def waits(suffix: str, then: str = "return 0") -> str:
    """A task that runs until there is a file of that name, and does something then."""
    return f"""
import os
def run(x):
    path = (x["input"] if isinstance(x, dict) else x) + {suffix!r}
    while not os.path.exists(path): pass
    {then}
"""

"""Completions, as many as a test expects."""

from __future__ import annotations

from polyvm.vm import Completion, Executor
from tests.vm.programs import until


def collect(executor: Executor, count: int) -> list[Completion]:
    """Exactly `count` completions, and no more are there."""
    got: list[Completion] = []

    def enough() -> bool:
        got.extend(executor.collect(timeout_ms=100))
        return len(got) >= count

    until(enough)
    got.extend(executor.collect(timeout_ms=0))
    assert len(got) == count
    return got

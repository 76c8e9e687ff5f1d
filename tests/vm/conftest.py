"""Executors and tables of features that are closed when the test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def start() -> Iterator[Callable[..., Executor]]:
    """Make executors, of two workers if not told otherwise."""
    started: list[Executor] = []

    def make(workers: int = 2, **options: int) -> Executor:
        started.append(Executor(workers, **options))
        return started[-1]

    yield make
    for executor in started:
        executor.close()


@pytest.fixture
def features() -> Iterator[Features]:
    """Tables in memory, one of them `t`."""
    made = Features()
    made.open("t")
    yield made
    made.close()

"""Runners that are stopped when the test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.isolation import ProcessRunner
from polyvm.vm import Executor
from tests.host.isolation.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    """Make runners, which are stopped in the end."""
    made: list[Bench] = []

    def make(executor: Mapping[str, Any] | None = None, **options: Any) -> Bench:
        accepts = Executor(workers=1, **(executor or {}))
        made.append(Bench(accepts, ProcessRunner(accepts, **options)))
        return made[-1]

    yield make
    for bench in made:
        bench.runner.stop(0)
        bench.executor.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()

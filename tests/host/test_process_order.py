"""Tasks in processes take their turns as those in VMs do: the same work, given to both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from polyvm.host.isolation import ProcessRunner
from polyvm.host.sources import Sources
from polyvm.vm import Executor, Limits, Module, Outcome
from tests.vm.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Seeded

STEP = 100_000_000  # PVM_PRIORITY_STEP_NS
HOUR = 3600 * 10**9
GATED = """
import os
def run(gate):
    while gate and not os.path.exists(gate): pass
"""


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(1, confine=False)  # the gate is a file
    yield made
    made.close()


@pytest.fixture
def processes(executor: Executor) -> Iterator[ProcessRunner]:
    made = ProcessRunner(executor, max_processes=1)
    yield made
    made.stop(0)


def collect(executor: Executor, count: int) -> list[tuple[int, int]]:
    """Task and tag of so many, in the order in which they ended."""
    ended: list[tuple[int, int]] = []
    while len(ended) < count:
        for each in executor.collect():
            assert each.outcome is Outcome.DONE, each.data.decode()
            ended.append((each.task, each.tag))
    return ended


def test_the_order_is_that_of_the_executor_s_queues(
    executor: Executor, processes: ProcessRunner, tmp_path: Path, rand: Seeded
) -> None:
    """Levels change with every tenth of a second: a round that saw that is done again."""
    limits = Limits(max_running=1)
    sources = Sources("a", "1", "main:run", {"main": Module(GATED.encode())}, {})
    own = executor.add(program(GATED), limits=limits)
    outside = processes.add(sources, limits=limits)
    count, same_moment, turn = 60, False, 0
    while not same_moment:
        turn += 1
        gate = tmp_path / f"gate{turn}"
        for runner, task in ((executor, own), (processes, outside)):
            runner.submit(task, msgspec.msgpack.encode(str(gate)), 0, priority=100)
            while runner.stats(task).running == 0:
                time.sleep(0.001)
        nil = msgspec.msgpack.encode("")
        before = time.monotonic_ns() // STEP
        for tag in range(1, count):
            priority, hours = rand.randint(-3, 3), rand.choice([0, 0, 1, 2, 3])
            for runner, task in ((executor, own), (processes, outside)):
                runner.submit(task, nil, tag, priority=priority, deadline_ns=hours * HOUR)
        same_moment = before == time.monotonic_ns() // STEP
        gate.touch()
        ended = collect(executor, 2 * count)
    orders = [[tag for task, tag in ended if task == each] for each in (own, outside)]
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0]), "so many random priorities make another order"


def test_waiting_makes_up_for_priority(
    executor: Executor, processes: ProcessRunner, tmp_path: Path
) -> None:
    sources = Sources("a", "1", "main:run", {"main": Module(GATED.encode())}, {})
    task = processes.add(sources)
    gate = tmp_path / "gate"
    processes.submit(task, msgspec.msgpack.encode(str(gate)), 0)
    while processes.stats(task).running == 0:
        time.sleep(0.001)
    nil = msgspec.msgpack.encode("")
    processes.submit(task, nil, 1, priority=-1)
    old = time.monotonic_ns() // STEP
    processes.submit(task, nil, 2)
    while time.monotonic_ns() // STEP < old + 2:
        time.sleep(0.001)
    processes.submit(task, nil, 3)  # of the level of the first by now, or behind it
    processes.submit(task, nil, 4, priority=50)
    gate.touch()
    assert [tag for _, tag in collect(executor, 5)] == [0, 4, 2, 1, 3]

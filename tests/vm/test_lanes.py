"""Lanes, priorities and deadlines in a queue; who helps whom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Lane, Limits, Outcome, QueueFull, VmError
from tests.vm.programs import ECHO, NIL, pack, program, unpack, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polyvm.vm import Completion
    from tests.conftest import Seeded

WAIT = """
import os
def run(path):
    while not os.path.exists(path): pass
    return path
"""


@pytest.fixture
def start() -> Iterator[Callable[..., Executor]]:
    made: list[Executor] = []

    def begin(workers: int = 1, **options: int) -> Executor:
        made.append(Executor(workers, **options))
        return made[-1]

    yield begin
    for executor in made:
        executor.stop(0)
        executor.close()


def collect(executor: Executor, count: int) -> list[Completion]:
    ended: list[Completion] = []
    while len(ended) < count:
        ended += executor.collect()
    return ended


class Gate:
    """A task that runs until the test lets it end."""

    def __init__(self, executor: Executor, folder: Path, lane: Lane, tag: int = 10**6) -> None:
        self.file = folder / f"gate-{tag}"
        self.tag = tag
        task = executor.add(program(WAIT, name=f"gate-{tag}"), lane)
        executor.submit(task, pack(str(self.file)), tag=tag)
        until(lambda: executor.stats(task).running == 1)

    def open(self) -> None:
        self.file.touch()


def order(executor: Executor, gate: Gate, count: int) -> list[int]:
    """Open the gate; the tags of what waited behind it, in the order in which it ended."""
    gate.open()
    ended = collect(executor, count + 1)
    assert {each.outcome for each in ended} == {Outcome.DONE}
    return [each.tag for each in ended if each.tag != gate.tag]


def test_by_priority_then_deadline_then_arrival(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start()
    gate = Gate(executor, tmp_path, Lane.REGULAR)
    task = executor.add(program(ECHO))
    hour = 3600 * 10**9
    # Steps of priority are far apart: arrivals in another tenth of a second change nothing.
    executor.submit(task, NIL, tag=1)
    executor.submit(task, NIL, tag=2, priority=-50)
    executor.submit(task, NIL, tag=3, priority=50)
    executor.submit(task, NIL, tag=4, priority=90)
    executor.submit(task, NIL, tag=5)
    executor.submit(task, NIL, tag=6, priority=50)
    assert order(executor, gate, 6) == [4, 3, 6, 1, 5, 2]
    gate = Gate(executor, tmp_path, Lane.REGULAR, tag=10**6 + 1)
    for tag, deadline in ((1, 3 * hour), (2, hour), (3, 2 * hour)):
        executor.submit(task, NIL, tag=tag, deadline_ns=deadline, priority=100)
    got = order(executor, gate, 3)
    # Deadlines decide between what arrived in one tenth of a second.
    assert got in ([2, 3, 1], [1, 2, 3], [2, 1, 3]), got


def test_a_task_s_own_priority(start: Callable[..., Executor], tmp_path: Path) -> None:
    executor = start()
    gate = Gate(executor, tmp_path, Lane.REGULAR)
    late = executor.add(program(ECHO, name="late"), priority=-100)
    soon = executor.add(program(ECHO, name="soon"), priority=100)
    executor.submit(late, NIL, tag=1)
    executor.submit(soon, NIL, tag=2)
    executor.submit(late, NIL, tag=3, priority=50)
    assert order(executor, gate, 3) == [2, 3, 1]


def test_many_in_random_order(start: Callable[..., Executor], tmp_path: Path, rand: Seeded) -> None:
    executor = start()
    gate = Gate(executor, tmp_path, Lane.REGULAR)
    task = executor.add(program(ECHO))
    priorities = [rand.choice([-100, -50, 0, 50, 100]) for _ in range(500)]
    for tag, priority in enumerate(priorities):
        executor.submit(task, NIL, tag=tag, priority=priority)
    got = [priorities[tag] for tag in order(executor, gate, len(priorities))]
    assert got == sorted(priorities, reverse=True)


def test_the_core_lane_waits_for_no_other(start: Callable[..., Executor], tmp_path: Path) -> None:
    executor = start(2)
    gates = [Gate(executor, tmp_path, Lane.REGULAR, tag) for tag in range(2)]
    gates += [Gate(executor, tmp_path, Lane.LOW, tag) for tag in range(2, 3)]
    core = executor.add(program(ECHO), Lane.CORE)
    for turn in range(50):
        assert unpack(executor.invoke(core, pack(turn)).data) == turn
    for gate in gates:
        gate.open()
    assert len(collect(executor, 3)) == 3


def test_regular_workers_help_the_core_lane(start: Callable[..., Executor], tmp_path: Path) -> None:
    executor = start(2, core_workers=1)
    gate = Gate(executor, tmp_path, Lane.CORE)
    core = executor.add(program(ECHO), Lane.CORE)
    assert unpack(executor.invoke(core, pack(1)).data) == 1
    gate.open()


def test_regular_workers_help_the_low_lane_but_for_one(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start(3, low_workers=1)
    gates = [Gate(executor, tmp_path, Lane.LOW, tag) for tag in range(3)]  # 1 reserved, 2 help
    more = executor.add(program(ECHO, name="more"), Lane.LOW)
    executor.submit(more, NIL, tag=9)
    regular = executor.add(program(ECHO, name="regular"))
    for turn in range(20):
        assert unpack(executor.invoke(regular, pack(turn)).data) == turn
    assert executor.stats(more).finished == 0
    for gate in gates:
        gate.open()
    assert {each.tag for each in collect(executor, 4)} == {0, 1, 2, 9}


def test_each_lane_has_places_of_its_own(start: Callable[..., Executor], tmp_path: Path) -> None:
    executor = start(1, max_pending=4)
    gate = Gate(executor, tmp_path, Lane.LOW)
    low = executor.add(program(ECHO, name="low"), Lane.LOW)
    for _ in range(3):
        executor.submit(low, NIL)
    with pytest.raises(QueueFull):
        executor.submit(low, NIL)
    core = executor.add(program(ECHO, name="core"), Lane.CORE)
    assert executor.invoke(core, NIL).outcome is Outcome.DONE
    gate.open()
    assert len(collect(executor, 4)) == 4
    executor.submit(low, NIL)


def test_priorities_have_a_range(start: Callable[..., Executor]) -> None:
    executor = start()
    with pytest.raises(VmError, match="out of its range"):
        executor.add(program(ECHO), priority=101)
    task = executor.add(program(ECHO))
    with pytest.raises(VmError, match="out of its range"):
        executor.submit(task, NIL, priority=-101)
    with pytest.raises(VmError, match="out of its range"):
        executor.invoke(task, NIL, priority=101)


def test_low_runs_pause_for_the_core_lane(start: Callable[..., Executor]) -> None:
    """And lose nothing by it but time, which is not counted as theirs."""
    cores = len(os.sched_getaffinity(0))
    executor = start(cores + 1)
    counting = """
        def run(n):
            total = 0
            for i in range(n): total += i
            return total
    """
    low = executor.add(program(counting, name="low"), Lane.LOW)
    core = executor.add(program(counting, name="core"), Lane.CORE)
    expected = sum(range(300_000))
    waiting = 0

    def paused() -> bool:
        nonlocal waiting
        while waiting < 2 * cores + 2:
            executor.submit(low, pack(300_000))
            waiting += 1
        assert unpack(executor.invoke(core, pack(20_000)).data) == sum(range(20_000))
        for ended in executor.collect(timeout_ms=0):
            assert unpack(ended.data) == expected
            waiting -= 1
        return executor.threads().pauses >= 20

    until(paused)
    for ended in collect(executor, waiting):
        assert (ended.outcome, unpack(ended.data)) == (Outcome.DONE, expected)


def test_a_paused_run_can_still_be_stopped(start: Callable[..., Executor], tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    executor = start(cores + 1)
    low = executor.add(
        program("def run(x):\n    while True: pass\n", name="low"),
        Lane.LOW,
        Limits(timeout_ns=30 * 10**6),
    )
    gate = Gate(executor, tmp_path, Lane.CORE)
    for _ in range(2 * cores):
        executor.submit(low, NIL)
    ended = collect(executor, 2 * cores)
    assert {each.outcome for each in ended} == {Outcome.TIMED_OUT}
    gate.open()

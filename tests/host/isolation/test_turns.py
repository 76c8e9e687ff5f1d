"""Which invocation gets a process next, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from polyvm.host.errors import UsageError
from polyvm.host.isolation import ProcessRunner
from polyvm.vm import Lane, QueueFull, RateLimited, UnknownTask
from tests.host.isolation.bench import ECHO, GATED, Bench, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def test_fifty_tasks_share_a_few_processes(make: Callable[..., Bench]) -> None:
    bench = make(max_processes=6)
    tasks = [bench.add(f"def run(x):\n    return [x, {number}]\n") for number in range(50)]
    for number, task in enumerate(tasks):
        bench.submit(task, number, number)
    wait_until(lambda: sum(bench.runner.stats(task).vms for task in tasks) <= 6, "no more than six")
    for number, completion in enumerate(bench.wait(*range(50))):
        assert msgspec.msgpack.decode(completion.data) == [number, number]
        assert completion.task == tasks[number]
    stats = [bench.runner.stats(task) for task in tasks]
    assert sum(each.vms for each in stats) == 6
    assert all((each.accepted, each.finished, each.failed) == (1, 1, 0) for each in stats)
    assert all((each.bytes > 0) == (each.vms > 0) for each in stats)


def test_as_many_run_at_once_as_the_manifest_says(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(
        """
import os, time
def run(name):
    folder, mine, other = name
    open(os.path.join(folder, mine), "w").close()
    while not os.path.exists(os.path.join(folder, other)):
        time.sleep(0.005)
    return os.getpid()
""",
        max_running=2,
    )
    bench.submit(task, [str(tmp_path), "a", "b"], 1)
    bench.submit(task, [str(tmp_path), "b", "a"], 2)
    first, second = bench.wait(1, 2)
    assert first.worker != second.worker


def test_order_is_priority_then_arrival(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    gate = tmp_path / "gate"
    bench.submit(task, str(gate), 0)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    for tag, priority in ((1, -100), (2, 1), (3, 100)):
        bench.submit(task, None, tag, priority=priority)
    gate.touch()
    bench.wait(0, 1, 2, 3)
    assert bench.order == [0, 3, 2, 1]


def test_core_goes_first_when_all_processes_are_busy(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make(max_processes=1)
    gate = tmp_path / "gate"
    tasks = {lane: bench.add(GATED, lane) for lane in (Lane.LOW, Lane.REGULAR, Lane.CORE)}
    bench.submit(tasks[Lane.REGULAR], str(gate), 9)
    wait_until(lambda: bench.runner.stats(tasks[Lane.REGULAR]).running == 1, "the first to run")
    for lane, task in tasks.items():
        bench.submit(task, None, int(lane))
    gate.touch()
    bench.wait(0, 1, 2)
    assert bench.order == [9, Lane.CORE, Lane.REGULAR, Lane.LOW]


def test_low_lane_is_nice(bench: Bench) -> None:
    main = "import os\ndef run(x):\n    return os.nice(0)\n"
    own = os.nice(0)
    assert bench.value(bench.add(main)) == own
    assert bench.value(bench.add(main, Lane.LOW)) == min(own + 10, 19)


def test_refusals(make: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make(max_pending=2)
    task = bench.add(GATED)
    bench.submit(task, str(tmp_path / "gate"), 1)
    bench.submit(task, None, 2)
    with pytest.raises(QueueFull):
        bench.submit(task, None, 3)
    (tmp_path / "gate").touch()
    bench.wait(1, 2)
    bench.submit(task, None, 4)
    limited = bench.add(ECHO, rate=0.001)
    bench.submit(limited, None, 5)
    with pytest.raises(RateLimited):
        bench.submit(limited, None, 6)
    bench.wait(4, 5)
    for unknown in (limited + 1, 10**12):
        with pytest.raises(UnknownTask):
            bench.submit(unknown, None, 8)
    with pytest.raises(UsageError, match=r"none: no program; name a Python"):
        ProcessRunner(bench.executor, tmp_path / "none")


def test_ids_are_unique_over_runners_of_other_epochs(make: Callable[..., Bench]) -> None:
    bench = make({"epoch": 5})
    task = bench.add(ECHO)
    first, second = bench.run(task), bench.run(task)
    assert first.id >> 40 == second.id >> 40 == 5
    assert first.id != second.id
    bench.submit(task, None, 1, id=77, attempt=3)
    (again,) = bench.wait(1)
    assert (again.id, again.attempt) == (77, 3)

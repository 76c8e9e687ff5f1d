"""Versions that are withdrawn or replaced, and VMs that make room for others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.vm import Executor, Outcome, UnknownTask
from tests.vm.completions import collect
from tests.vm.programs import ECHO, NIL, pack, program, unpack, until
from tests.vm.tasks import COUNT, GATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_withdrawn_task_finishes_what_was_accepted(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start(2)
    task = executor.add(program(GATE))
    path = tmp_path / "open"
    for tag in range(50):
        executor.submit(task, pack(str(path)), tag)
    executor.withdraw(task)
    for attempt in (
        lambda: executor.submit(task, NIL),
        lambda: executor.invoke(task, NIL),
        lambda: executor.submit_many(task, [NIL]),
        lambda: executor.withdraw(task),
    ):
        with pytest.raises(UnknownTask):
            attempt()
    assert executor.stats(task).finished == 0
    path.touch()
    ended = collect(executor, 50)
    assert all(e.outcome is Outcome.DONE for e in ended)
    assert sorted(e.tag for e in ended) == list(range(50))
    until(lambda: executor.stats(task).vms == 0)
    stats = executor.stats(task)
    assert (stats.accepted, stats.finished, stats.failed, stats.bytes) == (50, 50, 0, 0)


def test_idle_vms_of_a_withdrawn_task_retire(start: Callable[..., Executor]) -> None:
    executor = start(1)
    tasks = [executor.add(program(ECHO, f"t-{n}")) for n in range(10)]
    for task in tasks:
        executor.invoke(task, NIL)
    for task in tasks[::2]:
        executor.withdraw(task)
    until(lambda: all(executor.stats(task).vms == 0 for task in tasks[::2]))
    assert all(executor.stats(task).vms == 1 for task in tasks[1::2])
    assert all(executor.invoke(t, NIL).load_ns == 0 for t in tasks[1::2])


def test_replacing_a_version_under_load_loses_nothing(start: Callable[..., Executor]) -> None:
    executor = start(2)
    versions = 12
    per_version = 300
    current = executor.add(program("def run(x):\n    return [0, x]\n"))
    tags: list[tuple[int, int]] = []
    done = threading.Event()

    def gather() -> None:
        while len(tags) < versions * per_version and not done.is_set():
            for ended in executor.collect(timeout_ms=50):
                assert ended.outcome is Outcome.DONE
                version, x = unpack(ended.data)
                assert x == ended.tag
                tags.append((ended.tag, version))

    gatherer = threading.Thread(target=gather)
    gatherer.start()
    old = []
    try:
        for version in range(versions):
            for i in range(per_version):
                tag = version * per_version + i
                executor.submit(current, pack(tag), tag)
            if version + 1 < versions:
                old.append(current)
                current = executor.add(program(f"def run(x):\n    return [{version + 1}, x]\n"))
                executor.withdraw(old[-1])
        until(lambda: len(tags) == versions * per_version)
    finally:
        done.set()
        gatherer.join()
    assert sorted(tags) == [(tag, tag // per_version) for tag in range(versions * per_version)]
    until(lambda: all(executor.stats(task).vms == 0 for task in old))


def test_withdrawing_while_others_submit(start: Callable[..., Executor]) -> None:
    """What was accepted ends; what was not was refused with UnknownTask."""
    executor = start(2)
    for _ in range(20):
        task = executor.add(program(ECHO))
        accepted = [0] * 3
        go = threading.Barrier(4)

        def hammer(
            index: int, task: int = task, accepted: list[int] = accepted, go: Any = go
        ) -> None:
            go.wait()
            for _ in range(10000):
                try:
                    executor.submit(task, NIL)
                except UnknownTask:
                    return
                accepted[index] += 1

        threads = [threading.Thread(target=hammer, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        go.wait()
        until(lambda task=task: executor.stats(task).accepted > 0)  # type: ignore[misc]
        executor.withdraw(task)
        for thread in threads:
            thread.join()
        collect(executor, sum(accepted))
        until(lambda task=task: executor.stats(task).vms == 0)  # type: ignore[misc]
        assert executor.stats(task).accepted == sum(accepted)


def test_least_recently_used_vm_makes_room(start: Callable[..., Executor]) -> None:
    executor = start(1, vms_per_worker=2, warm_vms=0)
    a, b, c = (executor.add(program(COUNT, name)) for name in "abc")

    def count(task: int) -> Any:
        return unpack(executor.invoke(task, NIL).data)

    assert [count(t) for t in (a, b, a)] == [1, 1, 2]
    assert count(c) == 1  # b goes: a was used later
    assert [executor.stats(t).vms for t in (a, b, c)] == [1, 0, 1]
    assert count(a) == 3
    assert count(b) == 1  # and starts anew, in the place of c
    assert [executor.stats(t).vms for t in (a, b, c)] == [1, 1, 0]
    assert executor.stats(c).bytes == 0


def test_a_single_place_serves_many_tasks(start: Callable[..., Executor]) -> None:
    executor = start(2, vms_per_worker=1)
    tasks = [executor.add(program(f"def run(x): return {n}\n", f"t-{n}")) for n in range(10)]
    for _ in range(3):
        assert [unpack(executor.invoke(t, NIL).data) for t in tasks] == list(range(10))
    assert sum(executor.stats(t).vms for t in tasks) <= 2


def test_three_hundred_tasks(start: Callable[..., Executor]) -> None:
    executor = start(2)
    tasks = [executor.add(program(f"def run(x): return x + {n}\n", f"t-{n}")) for n in range(300)]
    for turn in range(2):
        for n, task in enumerate(tasks):
            executor.submit(task, pack(turn), n)
        ended = collect(executor, 300)
        assert {e.tag: unpack(e.data) for e in ended} == {n: n + turn for n in range(300)}
    for task in tasks:
        executor.withdraw(task)
    until(lambda: all(executor.stats(task).vms == 0 for task in tasks))

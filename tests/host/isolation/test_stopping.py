"""Tasks in processes that are withdrawn, cancelled, or stopped with their runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyvm.vm import Outcome, StateError, UnknownTask
from tests.host.isolation.bench import ECHO, GATED, PATIENCE, Bench, gone, wait_until


def test_a_withdrawn_task_finishes_what_it_has(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    gate = tmp_path / "gate"
    for tag in range(3):
        bench.submit(task, str(gate), tag)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    bench.runner.withdraw(task)
    for refused in (lambda: bench.submit(task, None, 9), lambda: bench.runner.withdraw(task)):
        with pytest.raises(UnknownTask):
            refused()
    gate.touch()
    assert {each.outcome for each in bench.wait(0, 1, 2)} == {Outcome.DONE}
    pid = bench.ended[0].worker
    wait_until(lambda: gone(pid), "the end of its process")
    wait_until(lambda: not bench.runner.has(task), "the task to be forgotten")
    assert bench.runner.stats(task).finished == 3


def test_stop_cancels_what_runs_and_what_waits(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    for tag in range(3):
        bench.submit(task, str(tmp_path / "gate"), tag)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    assert bench.runner.stop(0) == 3
    completions = bench.wait(0, 1, 2)
    assert {each.outcome for each in completions} == {Outcome.CANCELLED}
    (pid,) = {each.worker for each in completions} - {0}
    assert gone(pid)
    for refused in (lambda: bench.submit(task, None, 1), lambda: bench.add(ECHO)):
        with pytest.raises(StateError):
            refused()
    assert bench.runner.stop() == 0


def test_stop_lets_work_finish(bench: Bench) -> None:
    task = bench.add(ECHO)
    for tag in range(20):
        bench.submit(task, tag, tag)
    assert bench.runner.stop(PATIENCE * 1000) == 0
    assert {each.outcome for each in bench.wait(*range(20))} == {Outcome.DONE}


def test_what_runs_is_cancelled_with_its_process(bench: Bench) -> None:
    task = bench.add("def run(x):\n    while True: pass\n")
    other = bench.add(ECHO)
    number = bench.submit(task, None, 1)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the task to begin")
    assert bench.runner.cancel(number)
    assert bench.runner.cancel(number) in (True, False)  # twice is no more than once
    (ended,) = bench.wait(1)
    assert (ended.id, ended.outcome) == (number, Outcome.CANCELLED)
    assert ended.data == b"stopped: it was cancelled"
    assert not bench.runner.cancel(number)
    wait_until(lambda: gone(ended.worker), "the process to end")
    assert bench.value(other, 1) == 1
    stats = bench.runner.stats(task)
    assert (stats.running, stats.finished, stats.failed) == (0, 1, 1)


def test_what_waits_is_cancelled_at_once(bench: Bench) -> None:
    task = bench.add("def run(x):\n    while x == 0: pass\n    return x\n")
    ids = [bench.submit(task, number, number) for number in range(5)]
    for tag in (3, 1):
        assert bench.runner.cancel(ids[tag])
        (ended,) = bench.wait(tag)
        assert (ended.outcome, ended.run_ns) == (Outcome.CANCELLED, 0)
        assert ended.data == b"cancelled before it ran"
        assert not bench.runner.cancel(ids[tag])
    assert bench.runner.cancel(ids[0])
    assert [each.outcome for each in bench.wait(0, 2, 4)] == [
        Outcome.CANCELLED,
        Outcome.DONE,
        Outcome.DONE,
    ]
    assert not bench.runner.cancel(12345)

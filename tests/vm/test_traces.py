"""Traces tell when an invocation came to each stage, in the order in which it did."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Completion, Executor, Lane, Limits, Outcome, Stage, Trace, VmError
from tests.vm.endless import LOOP, STUBBORN, until_inside
from tests.vm.programs import ECHO, NIL, pack, program, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAY = (
    *(Stage.ACCEPTED, Stage.QUEUED, Stage.TAKEN, Stage.READY),
    *(Stage.DECODED, Stage.RETURNED, Stage.ENCODED, Stage.ENDED, Stage.COLLECTED),
)


@pytest.fixture
def executor() -> Iterator[Executor]:
    with Executor(1, grace_ms=1) as made:
        yield made


def collect(executor: Executor, count: int) -> tuple[list[Completion], list[Trace]]:
    completions: list[Completion] = []
    traces: list[Trace] = []

    def enough() -> bool:
        batch = executor.collect_batch(timeout_ms=100)
        completions.extend(batch)
        traces.extend(batch.traces)
        return len(completions) >= count

    until(enough)
    return completions, traces


def one(executor: Executor) -> Trace:
    (completion,), (trace,) = collect(executor, 1)
    for name in ("id", "tag", "task", "outcome", "worker", "attempt", "trigger"):
        assert getattr(trace, name) == getattr(completion, name)
    times = [trace.at_ns[stage] for stage in WAY if stage in trace.at_ns]
    assert times == sorted(times)
    return trace


def test_the_whole_way(executor: Executor) -> None:
    task = executor.add(program("import time\ndef run(x):\n    time.sleep(0.002)\n    return x\n"))
    before = time.time_ns()
    executor.submit(task, pack([1, 2]), tag=7, trace=True)
    cold = one(executor)
    after = time.time_ns()
    assert tuple(sorted(cold.at_ns)) == tuple(sorted(WAY))
    slack = 10**9  # the wall clock may be set meanwhile
    assert before - slack < cold.at_ns[Stage.ACCEPTED]
    assert cold.at_ns[Stage.COLLECTED] < after + slack
    assert cold.at_ns[Stage.RETURNED] - cold.at_ns[Stage.DECODED] >= 2 * 10**6
    assert (cold.kicks, cold.pauses, cold.paused_ns) == (0, 0, 0)
    executor.submit(task, pack([1, 2]), trace=True)
    assert one(executor).id != cold.id


def test_what_was_not_asked_for_is_not_traced(executor: Executor) -> None:
    task = executor.add(program(ECHO))
    for tag in range(50):
        executor.submit(task, NIL, tag=tag, trace=tag % 10 == 3)
    completions, traces = collect(executor, 50)
    assert sorted(trace.tag for trace in traces) == [3, 13, 23, 33, 43]
    assert len(completions) == 50


def test_a_share_is_traced(executor: Executor) -> None:
    task = executor.add(program(ECHO))
    for share, low, high in ((1.0, 2000, 2000), (0.1, 100, 320), (0.0, 0, 0)):
        executor.trace(share)
        done = 0
        while done < 2000:
            done += executor.submit_many(task, [NIL] * (2000 - done))
        _, traces = collect(executor, 2000)
        assert low <= len(traces) <= high
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(VmError, match="out of its range"):
            executor.trace(wrong)


def test_what_fails_or_never_runs(executor: Executor) -> None:
    bad = executor.add(program("def run(x):\n    raise ValueError\n", name="bad"))
    executor.submit(bad, NIL, trace=True)
    trace = one(executor)
    assert trace.outcome == Outcome.FAILED
    assert tuple(sorted(trace.at_ns)) == tuple(sorted(WAY))
    broken = executor.add(program("import nosuch\n", name="broken"))
    executor.submit(broken, NIL, trace=True)
    trace = one(executor)
    assert Stage.TAKEN in trace.at_ns
    assert Stage.READY not in trace.at_ns
    task = executor.add(program(ECHO, name="echo"))
    executor.submit(task, b"\xc1", trace=True)
    trace = one(executor)
    assert Stage.READY in trace.at_ns
    assert Stage.DECODED not in trace.at_ns


def test_what_is_stopped_and_what_is_given_up(executor: Executor, tmp_path: Path) -> None:
    number = executor.submit(executor.add(program(LOOP, "stopped")), NIL, trace=True)
    until_inside("stopped")
    executor.cancel(number)
    trace = one(executor)
    assert trace.outcome == Outcome.CANCELLED
    assert trace.kicks >= 1
    assert trace.at_ns[Stage.DECODED] <= trace.at_ns[Stage.KICKED] <= trace.at_ns[Stage.ENDED]
    stubborn = executor.add(program(STUBBORN, "given-up"))
    number = executor.submit(stubborn, pack(str(tmp_path / "gate")), trace=True)
    until_inside("given-up")
    executor.cancel(number)
    trace = one(executor)
    assert trace.at_ns[Stage.KICKED] <= trace.at_ns[Stage.GIVEN_UP] <= trace.at_ns[Stage.ENDED]
    assert Stage.RETURNED not in trace.at_ns
    (tmp_path / "gate").touch()
    until(lambda: executor.threads().stuck == 0)


def test_waiting_for_ones_turn_and_being_cancelled(executor: Executor) -> None:
    task = executor.add(program("def run(x):\n    while x: pass\n"), limits=Limits(max_running=1))
    first = executor.submit(task, pack(1), tag=0)
    until(lambda: executor.stats(task).running == 1)
    waiting = executor.submit(task, pack(0), tag=1, trace=True)
    executor.submit(task, pack(0), tag=2, trace=True)
    executor.cancel(waiting)
    trace = one(executor)
    assert set(trace.at_ns) == {Stage.ACCEPTED, Stage.ENDED, Stage.COLLECTED}
    executor.cancel(first)
    completions, (trace,) = collect(executor, 2)
    assert [each.tag for each in completions] == [0, 2]
    assert trace.at_ns[Stage.QUEUED] > trace.at_ns[Stage.ACCEPTED]


def test_a_low_run_that_stands_back() -> None:
    """While as many core runs as there are cores are under way."""
    cores = len(os.sched_getaffinity(0))
    with Executor(1, core_workers=cores, low_workers=1) as executor:
        source = "def run(x):\n    while x: pass\n"
        low = executor.add(program(source, name="low"), Lane.LOW)
        core = executor.add(program(source, name="core"), Lane.CORE)
        numbers = [executor.submit(low, pack(1), tag=1, trace=True)]
        until(lambda: executor.stats(low).running == 1)
        numbers += [executor.submit(core, pack(1)) for _ in range(cores)]
        until(lambda: executor.threads().pauses > 0)
        for number in numbers:
            executor.cancel(number)
        _, (trace,) = collect(executor, cores + 1)
        assert trace.pauses > 0
        assert trace.paused_ns > 0

"""Cancelling one invocation: it is found wherever it is, and nothing else is touched."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from polyvm.host.journal import read
from polyvm.vm import Completion, Executor, Lane, Limits, Outcome, VmError
from tests.vm.endless import FOREVER, STUBBORN, until_inside
from tests.vm.programs import ECHO, NIL, pack, program, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Seeded

HOUR = 3600 * 10**9


@pytest.fixture
def executor() -> Iterator[Executor]:
    with Executor(1) as made:
        yield made


def collect(executor: Executor, count: int) -> list[Completion]:
    got: list[Completion] = []

    def enough() -> bool:
        got.extend(executor.collect(timeout_ms=100))
        return len(got) >= count

    until(enough)
    assert len(got) == count
    return got


def busy(executor: Executor, **options: int) -> tuple[int, int]:
    """The task that keeps the only worker busy, and its invocation's id."""
    task = executor.add(program(FOREVER, name="busy"))
    number = executor.submit(task, NIL, tag=999, **options)
    until(lambda: executor.stats(task).running == 1)
    return task, number


def test_what_runs_is_stopped(executor: Executor) -> None:
    task, number = busy(executor)
    assert executor.cancel(number)
    (ended,) = collect(executor, 1)
    assert (ended.id, ended.outcome) == (number, Outcome.CANCELLED)
    assert ended.data.startswith(b"stopped: it was cancelled\nTraceback ")
    assert not executor.cancel(number)
    stats = executor.stats(task)
    assert (stats.running, stats.finished, stats.failed) == (0, 1, 1)


@pytest.mark.parametrize(
    "options",
    [{}, {"priority": 5}, {"priority": -5}, {"deadline_ns": HOUR}],
    ids=["plain", "before", "after", "deadline"],
)
def test_what_is_queued_ends_at_once_and_never_runs(
    executor: Executor, options: dict[str, int]
) -> None:
    _, blocker = busy(executor)
    echo = executor.add(program(ECHO, name="echo"))
    ids = [executor.submit(echo, pack(n), tag=n, **options) for n in range(9)]
    for number in (ids[0], ids[8], ids[4]):
        assert executor.cancel(number)
        (ended,) = collect(executor, 1)  # while the worker is busy
        assert (ended.id, ended.outcome, ended.run_ns) == (number, Outcome.CANCELLED, 0)
        assert ended.data == b"cancelled before it ran"
        assert not executor.cancel(number)
    assert executor.cancel(blocker)
    rest = collect(executor, 7)
    assert [each.tag for each in rest] == [999, 1, 2, 3, 5, 6, 7]
    assert all(each.outcome is Outcome.DONE for each in rest[1:])


def test_what_waits_for_its_task_s_turn(executor: Executor) -> None:
    task = executor.add(program(FOREVER), limits=Limits(max_running=1))
    ids = [executor.submit(task, NIL, tag=n) for n in range(5)]
    until(lambda: executor.stats(task).running == 1)
    for n in (4, 2):
        assert executor.cancel(ids[n])
        (ended,) = collect(executor, 1)
        assert (ended.tag, ended.data) == (n, b"cancelled before it ran")
    assert executor.stats(task).running == 1  # no turn was given away
    for n in (0, 1, 3):
        assert executor.cancel(ids[n])
        assert collect(executor, 1)[0].tag == n
    executor.submit(task, NIL, tag=5)  # and none was lost
    until(lambda: executor.stats(task).running == 1)


def test_what_does_not_stop_is_given_up(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Executor(1, grace_ms=1) as executor:
        number = executor.submit(executor.add(program(STUBBORN, "held")), pack(str(gate)))
        until_inside("held")
        assert executor.cancel(number)
        (ended,) = collect(executor, 1)
        assert ended.outcome is Outcome.CANCELLED
        assert ended.data.startswith(b"stopped: it was cancelled; it did not end")
        assert executor.invoke(executor.add(program(ECHO, name="echo")), NIL).data == NIL
        gate.touch()
        until(lambda: executor.threads().stuck == 0)


def test_a_full_queue_of_cancelled_work_takes_more() -> None:
    with Executor(1, max_pending=8) as executor:
        _, blocker = busy(executor)
        echo = executor.add(program(ECHO, name="echo"))
        first = executor.submit(echo, pack(0), tag=0)
        for _ in range(20):
            ids = [executor.submit(echo, NIL) for _ in range(6)]
            assert all(executor.cancel(number) for number in ids)
            collect(executor, 6)
        ids = [executor.submit(echo, pack(n), tag=n) for n in range(1, 7)]
        executor.cancel(blocker)
        rest = collect(executor, 8)
        assert [each.tag for each in rest[1:]] == [*range(7)]
        assert [each.id for each in rest[1:]] == [first, *ids]


def test_a_breaker_s_trial_is_given_back(executor: Executor) -> None:
    rules = {"consecutive": 1, "trials": 1, "open_ns": 1, "max_open_ns": 1}
    source = "def run(x):\n    if x == 0: raise ValueError\n    while x == 1: pass\n    return x\n"
    task = executor.add(program(source), breaker=rules)
    executor.invoke(task, pack(0))
    trial = executor.submit(task, pack(1))
    until(lambda: executor.stats(task).running == 1)
    assert executor.breaker(task).trials == 1
    executor.cancel(trial)
    collect(executor, 1)
    assert executor.invoke(task, pack(2)).outcome is Outcome.DONE
    assert executor.breaker(task).state == 0


def test_the_core_lane_counts_right(executor: Executor) -> None:
    low = executor.add(program("def run(n):\n    return sum(range(n))\n", name="low"), Lane.LOW)
    core = executor.add(program(FOREVER, name="core"), Lane.CORE, Limits(max_running=1))
    ids = [executor.submit(core, NIL) for _ in range(4)]
    for number in ids:
        assert executor.cancel(number)
    collect(executor, 4)
    assert executor.invoke(low, pack(1000)).outcome is Outcome.DONE
    assert executor.stats(core).finished == 4


def test_a_stop_counts_what_it_cancels_itself() -> None:
    executor = Executor(1)
    _, blocker = busy(executor)
    echo = executor.add(program(ECHO, name="echo"))
    ids = [executor.submit(echo, NIL) for _ in range(5)]
    executor.cancel(ids[0])
    assert executor.stop(0) == 5
    assert not executor.cancel(blocker)
    assert len(executor.collect()) == 6
    executor.close()


def test_numbers_that_are_none(executor: Executor) -> None:
    assert not executor.cancel(1)
    assert not executor.cancel(2**63 - 1)
    with pytest.raises(VmError, match="out of its range"):
        executor.cancel(0)
    with pytest.raises(VmError, match="out of its range"):
        executor.submit(executor.add(program(ECHO)), NIL, id=2**63, attempt=2)


def test_ids_are_the_completions(executor: Executor) -> None:
    echo = executor.add(program(ECHO))
    ids = [executor.submit(echo, NIL, tag=n) for n in range(100)]
    ended = collect(executor, 100)
    assert [each.id for each in ended] == ids
    assert len(set(ids)) == 100


def test_what_a_journal_holds_is_forgotten_too(tmp_path: Path) -> None:
    def kept() -> set[int]:
        """What the next process would run again."""
        shutil.copy(tmp_path / "j", tmp_path / "copy")
        return {each.id for each in read(tmp_path / "copy").unfinished}

    executor = Executor(1, journal=tmp_path / "j", journal_bytes=2**20)
    _, blocker = busy(executor)
    echo = executor.add(program(ECHO, name="echo"))
    number = executor.submit(echo, NIL)
    assert kept() == {blocker, number}
    executor.cancel(number)
    executor.cancel(blocker)
    collect(executor, 2)
    executor.collect(timeout_ms=0)
    assert kept() == set()
    executor.close()


def test_eight_threads_cancel_what_starts_and_ends(rand: Seeded) -> None:
    source = "def run(n):\n    while n > 0: n -= 1\n    return n\n"
    with Executor(2, max_pending=4096) as executor:
        tasks = [
            executor.add(program(source, name=f"t{n}"), limits=Limits(max_running=n % 2))
            for n in range(4)
        ]
        ended: dict[int, Completion] = {}
        accepted: list[int] = []
        cancelled: list[int] = []
        over = threading.Event()

        def collector() -> None:
            while not over.is_set() or len(ended) < len(accepted):
                for each in executor.collect(timeout_ms=10):
                    assert each.id not in ended
                    ended[each.id] = each

        seeds = [rand.random() for _ in range(8)]

        def work(seed: float) -> None:
            own = type(rand)(seed)
            mine: list[int] = []
            for _ in range(100):
                count = own.choice([0, 100, 10000])
                mine.append(executor.submit(own.choice(tasks), pack(count)))
                accepted.append(mine[-1])
                if own.random() < 0.7 and executor.cancel(picked := own.choice(mine)):
                    cancelled.append(picked)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
        gathering = threading.Thread(target=collector)
        for thread in [gathering, *threads]:
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        gathering.join()
        assert sorted(ended) == sorted(accepted)
        outcomes = {each.outcome for each in ended.values()}
        assert outcomes <= {Outcome.DONE, Outcome.CANCELLED}
        stopped = {number for number, each in ended.items() if each.outcome is Outcome.CANCELLED}
        assert stopped <= set(cancelled)
        assert all(executor.stats(task).running == 0 for task in tasks)

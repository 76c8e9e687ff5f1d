"""An executor that stops: what was accepted ends, and everybody gets an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Outcome, StateError
from tests.vm.completions import collect
from tests.vm.endless import FOREVER
from tests.vm.programs import ECHO, NIL, apart_ok, pack, program, unpack, until
from tests.vm.tasks import COUNT

if TYPE_CHECKING:
    from collections.abc import Callable


def test_stop_lets_accepted_work_finish(start: Callable[..., Executor]) -> None:
    executor = start(2)
    task = executor.add(program(ECHO))
    for tag in range(500):
        executor.submit(task, pack(tag), tag)
    assert executor.stop(60_000) == 0
    for attempt in (
        lambda: executor.submit(task, NIL),
        lambda: executor.submit_many(task, [NIL]),
        lambda: executor.invoke(task, NIL),
        lambda: executor.add(program(ECHO)),
        executor.stop,
    ):
        with pytest.raises(StateError):
            attempt()
    ended = collect(executor, 500)
    assert {(e.tag, unpack(e.data)) for e in ended} == {(n, n) for n in range(500)}
    assert executor.stats(task).finished == 500


@pytest.mark.parametrize("workers", [1, 2])
def test_stop_without_patience_cancels(start: Callable[..., Executor], workers: int) -> None:
    """What runs for ever is interrupted, what is queued never runs."""
    executor = start(workers)
    forever = executor.add(program(FOREVER, "forever"))
    echo = executor.add(program(ECHO, "echo"))
    for tag in range(workers):
        executor.submit(forever, NIL, tag)
    until(lambda: executor.stats(forever).running == workers)
    for tag in range(workers, 20):
        executor.submit(echo, NIL, tag)
    assert executor.stop(0) == 20
    ended = collect(executor, 20)
    assert sorted(e.tag for e in ended) == list(range(20))
    assert {e.outcome for e in ended} == {Outcome.CANCELLED}
    assert executor.stats(echo).failed == 20 - workers
    assert executor.stats(forever).running == 0


@pytest.mark.parametrize(
    "source",
    [
        # at the top level, so while the VM is being loaded
        "while True: pass\ndef run(x): pass\n",
        # swallows the interruption a few times
        """
        def run(x):
            for _ in range(5):
                try:
                    while True: pass
                except BaseException: pass
            while True: pass
        """,
        # sleeps in short naps
        "import time\ndef run(x):\n    while True: time.sleep(0.01)\n",
        # waits in an event loop
        """
        import asyncio
        async def wait():
            while True: await asyncio.sleep(0.001)
        def run(x): asyncio.run(wait())
        """,
        "def run(x):\n    def endless():\n        while True: yield 1\n    return sum(endless())\n",
    ],
    ids=["import", "swallows", "naps", "asyncio", "generator"],
)
def test_stop_interrupts(start: Callable[..., Executor], source: str) -> None:
    executor = start(1)
    task = executor.add(program(source))
    executor.submit(task, NIL, 7)
    until(lambda: executor.stats(task).running == 1)
    assert executor.stop(0) == 1
    assert [(e.tag, e.outcome) for e in collect(executor, 1)] == [(7, Outcome.CANCELLED)]


def test_stop_gives_up_on_a_task_that_never_comes_back() -> None:
    """Blocked inside C, where no interruption arrives: stop returns, and the process can end."""
    out = apart_ok(
        """
        from polyvm.vm import Executor
        from tests.vm.programs import NIL, program, until
        executor = Executor(2)
        stuck = executor.add(program(
            "import decimal\\ndef run(x): return len(str(decimal.Decimal(1 << 10**8)))", "stuck"))
        executor.submit(stuck, NIL)
        until(lambda: executor.stats(stuck).running == 1)
        executor.stop(0)
        executor.close()
        print("ended")
        """
    )
    assert out == "ended\n"


def test_submitters_racing_with_stop_all_get_an_answer() -> None:
    """Accepted or refused, no waiting call is left behind."""
    out = apart_ok(
        """
        import threading
        from polyvm.vm import Executor, Outcome, StateError
        from tests.vm.programs import ECHO, NIL, program
        for _ in range(40):
            executor = Executor(2, warm_vms=0)
            task = executor.add(program(ECHO))
            executor.invoke(task, NIL)
            go = threading.Barrier(5)
            ended = []
            def hammer():
                go.wait()
                count = 0
                try:
                    while executor.invoke(task, NIL).outcome is Outcome.DONE: count += 1
                except StateError: pass
                ended.append(count)
            threads = [threading.Thread(target=hammer, daemon=True) for _ in range(4)]
            for t in threads: t.start()
            go.wait()
            executor.stop(0)
            for t in threads:
                t.join(20)
                assert not t.is_alive(), "an invocation was lost"
            stats = executor.stats(task)
            assert stats.accepted == stats.finished, stats
            executor.close()
        print("ended")
        """
    )
    assert out == "ended\n"


def test_executors_live_side_by_side(start: Callable[..., Executor]) -> None:
    one, other = start(1), start(1)
    made = program(COUNT)
    a, b = one.add(made), other.add(made)
    assert [unpack(one.invoke(a, NIL).data) for _ in range(3)] == [1, 2, 3]
    assert unpack(other.invoke(b, NIL).data) == 1
    one.close()
    assert unpack(other.invoke(b, NIL).data) == 2


def test_close_without_stop_and_use_after_close() -> None:
    executor = Executor(2)
    task = executor.add(program(ECHO))
    executor.submit_many(task, [pack(n) for n in range(100)])
    executor.close()
    executor.close()
    attempts: list[Callable[[], object]] = [
        lambda: executor.add(program(ECHO)),
        lambda: executor.submit(task, NIL),
        lambda: executor.submit_many(task, [NIL]),
        lambda: executor.invoke(task, NIL),
        lambda: executor.stats(task),
        lambda: executor.withdraw(task),
        executor.collect,
        executor.stop,
    ]
    for attempt in attempts:
        with pytest.raises(StateError):
            attempt()


def test_close_while_tasks_run_for_ever() -> None:
    executor = Executor(2)
    task = executor.add(program(FOREVER))
    executor.submit_many(task, [NIL] * 10)
    until(lambda: executor.stats(task).running > 0)
    executor.close()

"""Deadlines and quotas: whatever a task does, its invocation ends, and others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Limits, Outcome, VmError
from tests.vm.programs import ECHO, NIL, apart_ok, pack, program, unpack, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MS = 10**6
TIMEOUT = Limits(timeout_ns=50 * MS)
ENDLESS = "def run(x):\n    while True: pass\n"
UNSTOPPABLE = "import decimal\ndef run(x): return decimal.Decimal(1 << 10**8)\n"


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(2)
    yield made
    made.stop(0)
    made.close()


def test_a_loop_is_stopped_and_says_where_it_was(executor: Executor) -> None:
    task = executor.add(program(ENDLESS), limits=TIMEOUT)
    ended = executor.invoke(task, NIL)
    assert ended.outcome is Outcome.TIMED_OUT
    first, *rest = ended.data.decode().splitlines()
    assert first == "stopped at its deadline"
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1] == "polyvm.Interrupted"
    assert executor.threads().stuck == 0


def test_the_next_invocation_gets_a_clean_vm(executor: Executor) -> None:
    source = """
        seen = []
        def run(x):
            seen.append(x)
            while x is None: pass
            return seen
    """
    task = executor.add(program(source), limits=TIMEOUT)
    assert executor.invoke(task, NIL).outcome is Outcome.TIMED_OUT
    for _ in range(3):
        values = unpack(executor.invoke(task, pack(1)).data)
        assert None not in values


def test_a_task_may_clean_up(executor: Executor) -> None:
    source = """
        import polyvm
        def run(x):
            try:
                while True: pass
            except polyvm.Interrupted:
                return "cleaned up"
    """
    ended = executor.invoke(executor.add(program(source), limits=TIMEOUT), NIL)
    assert (ended.outcome, unpack(ended.data)) == (Outcome.DONE, "cleaned up")


def test_an_exception_handler_does_not_catch_it(executor: Executor) -> None:
    source = """
        def run(x):
            while True:
                try:
                    while True: pass
                except Exception:
                    pass
    """
    ended = executor.invoke(executor.add(program(source), limits=TIMEOUT), NIL)
    assert ended.outcome is Outcome.TIMED_OUT
    assert executor.threads().stuck == 0


def test_the_deadline_counts_from_acceptance() -> None:
    with Executor(1) as executor:
        slow = executor.add(program(ENDLESS), limits=TIMEOUT)
        quick = executor.add(program(ECHO))
        executor.submit(slow, NIL, tag=1)
        executor.submit(quick, NIL, tag=2, deadline_ns=1)
        executor.submit(quick, NIL, tag=3)
        ended = {}
        while len(ended) < 3:
            ended |= {each.tag: each for each in executor.collect()}
    assert [ended[tag].outcome for tag in (1, 2, 3)] == [
        Outcome.TIMED_OUT,
        Outcome.TIMED_OUT,
        Outcome.DONE,
    ]
    assert ended[2].data == b"its deadline passed before it ran"


def test_loading_counts(executor: Executor) -> None:
    task = executor.add(program("while True: pass\ndef run(x): pass\n"), limits=TIMEOUT)
    ended = executor.invoke(task, NIL)
    assert ended.outcome is Outcome.TIMED_OUT
    assert "polyvm.Interrupted" in ended.data.decode()


def test_processor_time_is_not_waiting_time(executor: Executor) -> None:
    limits = Limits(cpu_ns=100 * MS)
    busy = executor.add(program(ENDLESS), limits=limits)
    assert executor.invoke(busy, NIL).outcome is Outcome.OVER_QUOTA
    waits = executor.add(
        program("import time\ndef run(x):\n    time.sleep(0.3)\n    return 1\n"), limits=limits
    )
    assert executor.invoke(waits, NIL).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "source",
    [
        "def run(x):\n    kept = []\n    while True: kept.append([1])\n",
        "def run(x):\n    kept = []\n    while True: kept.append(bytearray(100_000))\n",
        "def run(x): return len(bytes(10**10))\n",
        "def run(x): return [0] * 10**9\n",
        "import itertools\ndef run(x): return list(itertools.repeat(0))\n",
        "kept = [bytes(10**6) for _ in range(100)]\ndef run(x): pass\n",
        "def run(x):\n    text = 'x'\n    while True: text += text\n",
        "def run(x): return ['x' * 10**6] * 1000\n",  # small until it is a result
    ],
)
def test_memory(executor: Executor, source: str) -> None:
    limits = Limits(memory_bytes=32 * 2**20)
    good = executor.add(program(ECHO, name="good"), limits=limits)
    ended = executor.invoke(executor.add(program(source), limits=limits), NIL)
    assert ended.outcome is Outcome.OVER_QUOTA, ended.data.decode()
    assert ended.data.decode().startswith("stopped: over its quota\n")
    assert executor.invoke(good, NIL).outcome is Outcome.DONE


def test_memory_that_is_given_back_counts_no_more(executor: Executor) -> None:
    source = "def run(x):\n    for _ in range(50): bytes(20 * 10**6)\n    return 1\n"
    task = executor.add(program(source), limits=Limits(memory_bytes=32 * 2**20))
    for _ in range(3):
        assert executor.invoke(task, NIL).outcome is Outcome.DONE


def test_a_limit_too_small_for_a_vm(executor: Executor) -> None:
    with pytest.raises(VmError, match="out of its range"):
        executor.add(program(ECHO), limits=Limits(memory_bytes=1000))


def test_a_thread_that_cannot_be_stopped_is_replaced() -> None:
    """In a process of its own: the thread stays busy until that ends."""
    out = apart_ok(
        f"""
        from polyvm.vm import Executor, Limits, Outcome
        from tests.vm.programs import ECHO, NIL, program
        executor = Executor(1)
        bad = executor.add(program({UNSTOPPABLE!r}), limits=Limits(timeout_ns=50_000_000))
        good = executor.add(program(ECHO))
        for turn in range(3):
            assert executor.invoke(bad, NIL).outcome is Outcome.TIMED_OUT
            assert executor.invoke(good, NIL).outcome is Outcome.DONE
        threads = executor.threads()
        assert threads.threads == 1 and threads.unserved == 0, threads
        executor.stop(0)
        executor.close()
        print("served")
        """
    )
    assert out == "served\n"


def test_a_thread_that_comes_back_ends() -> None:
    """A C call that takes longer than the grace, and then ends."""
    made = Executor(1, grace_ms=1)
    source = "def run(x):\n    return len(sorted(range(3 * 10**6), key=hash))\n"
    task = made.add(program(source), limits=Limits(timeout_ns=MS))
    assert made.invoke(task, NIL).outcome is Outcome.TIMED_OUT
    until(lambda: made.threads().stuck == 0)
    made.stop(0)
    made.close()


def test_stopping_ends_what_does_not_end() -> None:
    made = Executor(2)
    for _ in range(4):
        made.submit(made.add(program(ENDLESS)), NIL)
    until(lambda: made.stats(1).running + made.stats(2).running > 0)
    assert made.stop(0) == 4
    ended = made.collect()
    assert [each.outcome for each in ended] == [Outcome.CANCELLED] * 4
    made.close()


def test_a_kick_never_hits_the_next_invocation(executor: Executor) -> None:
    """Invocations that end about when they are due: what is not stopped is as it should be."""
    source = """
        import time
        def run(x):
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end: pass
            return x
    """
    near = executor.add(program(source, name="near"), limits=Limits(timeout_ns=2 * MS))
    free = executor.add(program(ECHO, name="free"))
    for turn in range(300):
        ended = executor.invoke(near, pack(turn))
        assert ended.outcome in {Outcome.DONE, Outcome.TIMED_OUT}, ended.data.decode()
        ended = executor.invoke(free, pack(turn))
        assert (ended.outcome, unpack(ended.data)) == (Outcome.DONE, turn)

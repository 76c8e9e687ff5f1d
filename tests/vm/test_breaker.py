"""Circuit breakers, rates and concurrency in the executor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.vm import BreakerOpen, Executor, Limits, Outcome, RateLimited, VmError
from tests.vm.programs import ECHO, NIL, pack, program, unpack, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3600 * 10**9
MS = 10**6
FAILS = "def run(x):\n    if x: raise ValueError(x)\n    return 'fine'\n"
RULES = {"consecutive": 3, "trials": 1, "open_ns": HOUR, "max_open_ns": HOUR}


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(2)
    yield made
    made.stop(0)
    made.close()


def test_failures_in_a_row_open_it_and_others_go_on(executor: Executor) -> None:
    bad = executor.add(program(FAILS, name="bad"), breaker=RULES)
    good = executor.add(program(ECHO, name="good"), breaker=RULES)
    for _ in range(3):
        assert executor.invoke(bad, pack(1)).outcome is Outcome.FAILED
    with pytest.raises(BreakerOpen, match="open after too many failures in a row; try again in"):
        executor.invoke(bad, pack(0))
    with pytest.raises(BreakerOpen):
        executor.submit(bad, pack(0))
    with pytest.raises(BreakerOpen):
        executor.submit_many(bad, [pack(0)] * 3)
    assert executor.invoke(good, NIL).outcome is Outcome.DONE
    assert executor.breaker(bad).refused == 3


def test_a_success_between_keeps_it_closed(executor: Executor) -> None:
    task = executor.add(program(FAILS), breaker=RULES)
    for x in (1, 1, 0, 1, 1, 0):
        executor.invoke(task, pack(x))
    assert executor.invoke(task, pack(0)).outcome is Outcome.DONE


def test_a_trial_closes_it_or_opens_it_again(executor: Executor) -> None:
    task = executor.add(program(FAILS), breaker={**RULES, "open_ns": MS, "max_open_ns": HOUR})

    def break_it() -> None:
        for _ in range(3):
            executor.invoke(task, pack(1))

    def try_until_let_in(x: int) -> Outcome:
        while True:
            try:
                return executor.invoke(task, pack(x)).outcome
            except BreakerOpen:
                continue

    break_it()
    assert try_until_let_in(1) is Outcome.FAILED
    assert executor.breaker(task).openings == 2
    assert try_until_let_in(0) is Outcome.DONE
    assert executor.breaker(task).state == 0
    assert executor.invoke(task, pack(0)).outcome is Outcome.DONE


def test_what_was_queued_when_it_opened_is_rejected(executor: Executor, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = """
        import os
        def run(path):
            while not os.path.exists(path): pass
            raise ValueError
    """
    task = executor.add(program(source), limits=Limits(max_running=1), breaker=RULES)
    for tag in range(10):
        executor.submit(task, pack(str(gate)), tag=tag)
    gate.touch()
    outcomes = []
    while len(outcomes) < 10:
        outcomes += [each.outcome for each in executor.collect()]
    assert outcomes == [Outcome.FAILED] * 3 + [Outcome.REJECTED] * 7


def test_time_outs_count(executor: Executor) -> None:
    rules = {**RULES, "consecutive": 0, "timeouts": 2}
    task = executor.add(
        program("def run(x):\n    while x: pass\n"),
        limits=Limits(timeout_ns=20 * MS),
        breaker=rules,
    )
    for _ in range(2):
        assert executor.invoke(task, pack(1)).outcome is Outcome.TIMED_OUT
    with pytest.raises(BreakerOpen, match="too many time-outs in a row"):
        executor.invoke(task, pack(1))


def test_a_new_version_begins_closed(executor: Executor) -> None:
    old = executor.add(program(FAILS), breaker=RULES)
    for _ in range(3):
        executor.invoke(old, pack(1))
    new = executor.add(program(FAILS), breaker=RULES)
    assert executor.invoke(new, pack(0)).outcome is Outcome.DONE


def test_an_operator_s_order_stands_above_the_rules(executor: Executor) -> None:
    task = executor.add(program(FAILS), breaker=RULES)
    executor.force_breaker(task, 1)
    with pytest.raises(BreakerOpen, match="held open by the operator"):
        executor.invoke(task, pack(0))
    executor.force_breaker(task, 2)
    for _ in range(5):
        assert executor.invoke(task, pack(1)).outcome is Outcome.FAILED
    executor.force_breaker(task, 0)
    assert executor.invoke(task, pack(0)).outcome is Outcome.DONE
    with pytest.raises(VmError, match="out of its range"):
        executor.force_breaker(task, 3)


def test_an_operator_ends_a_rest_that_the_rules_began(executor: Executor) -> None:
    task = executor.add(program(FAILS), breaker=RULES)
    for _ in range(3):
        executor.invoke(task, pack(1))
    with pytest.raises(BreakerOpen):
        executor.invoke(task, pack(0))
    executor.force_breaker(task, 0)
    assert (executor.breaker(task).state, executor.breaker(task).failures) == (0, 0)
    assert executor.invoke(task, pack(0)).outcome is Outcome.DONE
    changes = executor.breaker(task).changes
    executor.force_breaker(task, 0)
    assert executor.breaker(task).changes == changes  # it was closed, and by the rules


def test_crashes_of_an_earlier_process_count(executor: Executor) -> None:
    task = executor.add(program(ECHO), breaker={**RULES, "crashes": 2})
    executor.note_crash(task)
    assert executor.invoke(task, NIL).outcome is Outcome.DONE
    executor.note_crash(task)
    with pytest.raises(BreakerOpen, match="too many crashes"):
        executor.invoke(task, NIL)


def test_rules_that_contradict_themselves(executor: Executor) -> None:
    with pytest.raises(VmError, match="out of its range"):
        executor.add(program(ECHO), breaker={"consecutive": 1})


def test_no_more_run_at_once_than_may(tmp_path: Path) -> None:
    source = """
        import os
        def run(path):
            while not os.path.exists(path): pass
            return 1
    """
    made = Executor(4)
    gate = tmp_path / "gate"
    task = made.add(program(source), limits=Limits(max_running=2))
    other = made.add(program(ECHO, name="other"))
    for tag in range(20):
        made.submit(task, pack(str(gate)), tag=tag)
    until(lambda: made.stats(task).running == 2)
    for _ in range(20):
        assert made.invoke(other, NIL).outcome is Outcome.DONE
        assert made.stats(task).running == 2
    gate.touch()
    count = 0
    while count < 20:
        count += len(made.collect())
    assert made.stats(task).finished == 20
    made.stop(0)
    made.close()


def test_priority_holds_while_waiting_for_ones_turn(executor: Executor, tmp_path: Path) -> None:
    source = """
        import os
        def run(path):
            while path and not os.path.exists(path): pass
            return 1
    """
    gate = tmp_path / "gate"
    task = executor.add(program(source), limits=Limits(max_running=1))
    executor.submit(task, pack(str(gate)), tag=0)
    until(lambda: executor.stats(task).running == 1)
    for tag, priority in ((1, -50), (2, 0), (3, 50), (4, 0)):
        executor.submit(task, pack(""), tag=tag, priority=priority)
    gate.touch()
    order: list[int] = []
    while len(order) < 5:
        order += [each.tag for each in executor.collect()]
    assert order == [0, 3, 2, 4, 1]


def test_stopping_cancels_what_waits_for_its_turn() -> None:
    source = "def run(x):\n    while True: pass\n"
    made = Executor(2)
    task = made.add(program(source), limits=Limits(max_running=1))
    for _ in range(10):
        made.submit(task, NIL)
    assert made.stop(0) == 10
    assert [each.outcome for each in made.collect()] == [Outcome.CANCELLED] * 10
    made.close()


def test_a_rate_with_its_burst(executor: Executor) -> None:
    task = executor.add(program(ECHO), limits=Limits(rate=0.001, burst=3))
    assert [unpack(executor.invoke(task, pack(n)).data) for n in range(3)] == [0, 1, 2]
    with pytest.raises(RateLimited, match="more invocations than the task's rate allows"):
        executor.invoke(task, NIL)
    many = executor.add(program(ECHO, name="many"), limits=Limits(rate=0.001, burst=5))
    assert executor.submit_many(many, [NIL] * 20) == 5
    with pytest.raises(RateLimited):
        executor.submit_many(many, [NIL])

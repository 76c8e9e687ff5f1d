"""Triggers submit: what fires runs, and what is refused is counted and handed back."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from polyvm.vm import (
    BreakerOpen,
    Executor,
    Limits,
    Outcome,
    QueueFull,
    RateLimited,
    StateError,
    TriggerMode,
    UnknownTask,
    VmError,
)
from tests.vm.programs import ECHO, pack, program, unpack, until

SEQUENCE = msgspec.msgpack.encode({"steps": [{"type": "view"}, {"type": "buy"}]})
ONE = msgspec.msgpack.encode({"steps": [{"type": "buy"}]})
VIEW = pack({"event": "view", "key": 7, "page": "p"})
BUY = pack({"event": "buy", "key": 7})


def collect(executor: Executor, count: int) -> list[Any]:
    found: list[Any] = []
    until(lambda: found.extend(executor.collect(timeout_ms=10)) or len(found) >= count)
    return found


def test_a_sequence_runs_its_task() -> None:
    with Executor(2) as executor:
        task = executor.add(program(ECHO))
        trigger = executor.triggers.add(task, "purchase", SEQUENCE)
        assert executor.triggers.event(VIEW, 1).fired == []
        (fired,) = executor.triggers.event(BUY, 2).fired
        assert (fired.trigger, fired.task, fired.tag) == (trigger, task, 2)
        assert (fired.payload, fired.error) == (None, None)
        (ended,) = collect(executor, 1)
        assert (ended.task, ended.tag, ended.outcome) == (task, 2, Outcome.DONE)
        assert ended.id == fired.id
        assert unpack(ended.data) == {
            "trigger": "purchase",
            "key": "7",
            "event": {"event": "buy", "key": 7},
            "events": [{"event": "view", "key": 7, "page": "p"}, {"event": "buy", "key": 7}],
        }
        stats = executor.triggers.stats(trigger)
        assert (stats.fired, stats.accepted) == (1, 1)


def test_refusals_are_counted_and_come_with_their_payload() -> None:
    with Executor(1, max_pending=2) as executor:
        slow = executor.add(program("import time\ndef run(x): time.sleep(3600)\n"))
        trigger = executor.triggers.add(slow, "t", ONE)
        batch = executor.triggers.events([BUY] * 5, 10)
        assert [fired.error is None for fired in batch.fired] == [True, True, False, False, False]
        for fired in batch.fired[2:]:
            assert isinstance(fired.error, QueueFull)
            assert fired.payload is not None
            assert unpack(fired.payload)["event"]["event"] == "buy"
        assert [fired.tag for fired in batch.fired] == [10, 11, 12, 13, 14]
        stats = executor.triggers.stats(trigger)
        assert (stats.fired, stats.accepted, stats.full) == (5, 2, 3)
        executor.stop(0)
        assert len(collect(executor, 2)) == 2
        (late,) = executor.triggers.event(BUY).fired
        assert isinstance(late.error, StateError)
        assert executor.triggers.stats(trigger).other == 1


def test_rates_and_breakers_hold_for_triggers() -> None:
    with Executor(1) as executor:
        limited = executor.add(program(ECHO), limits=Limits(rate=0.001))
        trigger = executor.triggers.add(limited, "t", ONE)
        first, second = executor.triggers.events([BUY, BUY]).fired
        assert first.error is None
        assert isinstance(second.error, RateLimited)
        assert executor.triggers.stats(trigger).rate == 1
        executor.triggers.remove(trigger)
        broken = executor.add(program(ECHO, name="broken"))
        executor.force_breaker(broken, 1)
        trigger = executor.triggers.add(broken, "t", ONE)
        (fired,) = executor.triggers.event(BUY).fired
        assert isinstance(fired.error, BreakerOpen)
        assert executor.triggers.stats(trigger).breaker == 1


def test_a_trigger_that_hands_out_submits_nothing() -> None:
    with Executor(1) as executor:
        task = executor.add(program(ECHO))
        trigger = executor.triggers.add(task, "t", ONE, mode=TriggerMode.HAND_OUT)
        (fired,) = executor.triggers.event(BUY).fired
        assert fired.payload is not None
        assert fired.error is None
        assert executor.stats(task).accepted == 0
        executor.triggers.set_mode(trigger, TriggerMode.OFF)
        assert executor.triggers.event(BUY).fired == []
        executor.triggers.set_mode(trigger, TriggerMode.SUBMIT)
        assert executor.triggers.event(BUY).fired[0].payload is None
        assert executor.triggers.stats(trigger).handed_out == 1


def test_a_withdrawn_task_refuses_what_its_trigger_submits() -> None:
    with Executor(1) as executor:
        task = executor.add(program(ECHO))
        trigger = executor.triggers.add(task, "t", ONE)
        executor.withdraw(task)
        (fired,) = executor.triggers.event(BUY).fired
        assert isinstance(fired.error, UnknownTask)
        assert executor.triggers.stats(trigger).other == 1


def test_arguments_are_checked() -> None:
    with Executor(1) as executor:
        task = executor.add(program(ECHO))
        with pytest.raises(UnknownTask):
            executor.triggers.add(task + 1, "t", ONE)
        with pytest.raises(VmError):
            executor.triggers.add(0, "t", ONE)  # nobody to submit to
        with pytest.raises(VmError):
            executor.triggers.add(task, "t" * 129, ONE)
        with pytest.raises(StateError):  # too late: there was a trigger already, or nearly
            executor.triggers.configure(key="k")
    with Executor(1) as executor:
        with pytest.raises(VmError, match="field names"):
            executor.triggers.configure(key="a,,b")
        with pytest.raises(VmError, match="max_keys"):
            executor.triggers.configure(max_keys=0)
        executor.triggers.configure(key="k")
        with pytest.raises(StateError):
            executor.triggers.configure(key="k")


def test_a_replaced_trigger_is_found_while_the_table_of_triggers_grows() -> None:
    others = 63  # with it, as many as the table has room for at first
    with Executor(1) as executor:
        task = executor.add(program(ECHO))
        former = executor.triggers.add(task, "purchase", SEQUENCE)
        for each in range(others):
            executor.triggers.add(task, f"other {each}", ONE, mode=TriggerMode.OFF)
        executor.triggers.event(VIEW, 1)
        newer = executor.triggers.add(task, "purchase", SEQUENCE, replaces=former)
        executor.triggers.remove(former)
        (fired,) = executor.triggers.event(BUY, 2).fired
        assert fired.trigger == newer


def test_threads_submit_at_once_and_nothing_is_lost() -> None:
    threads, each = 4, 500
    with Executor(2) as executor:
        task = executor.add(program(ECHO))
        executor.triggers.add(task, "t", SEQUENCE)

        def work(index: int) -> None:
            for turn in range(each):
                key = f"{index}-{turn % 5}"
                pair = [pack({"event": event, "key": key}) for event in ("view", "buy")]
                batch = executor.triggers.events(pair, turn)
                assert [fired.error for fired in batch.fired] == [None]

        workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
        for worker in workers:
            worker.start()
        ended = collect(executor, threads * each)
        for worker in workers:
            worker.join()
        assert {completion.outcome for completion in ended} == {Outcome.DONE}
        assert executor.stats(task).finished == threads * each

"""Chains in which a task fails, is refused, cancelled or given up: what comes after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import ChainNode, Executor, Limits, Outcome
from tests.vm.endless import FOREVER
from tests.vm.graphs import (
    CONTINUE,
    FAIL,
    HUNGRY,
    STOP,
    UNSTOPPABLE,
    add,
    collect,
    ended,
    outcomes,
    settled,
    waits,
)
from tests.vm.programs import NIL, apart_ok, pack, unpack, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polyvm.vm import Completion

FAILURES = {
    "failed": (FAIL, {}),
    "timed_out": (FOREVER, {"limits": Limits(timeout_ns=10**7)}),
    "over_quota": (HUNGRY, {"limits": Limits(memory_bytes=8 << 20)}),
}

WORDS = {
    "failed": "failed",
    "timed_out": "timed out",
    "over_quota": "went over its quota",
    "rejected": "was rejected",
    "cancelled": "was cancelled",
    "crashed": "crashed",
}


@pytest.mark.parametrize("kind", FAILURES)
def test_skip(start: Callable[..., Executor], kind: str) -> None:
    """What comes after a failure, and after what was skipped, is skipped; the rest runs."""
    executor = start()
    source, options = FAILURES[kind]
    a, c, d = add(executor, "a c d")
    (b,) = add(executor, "b", source, **options)
    (e,) = add(executor, "e")
    tasks = [a, b, c, d, e]
    executor.chain(
        a,
        [
            ChainNode(b, (0,)),
            ChainNode(c, (1,)),
            ChainNode(d, (0,)),
            ChainNode(e, (2, 3), CONTINUE),
        ],
    )
    executor.submit(a, pack(1))
    completions = ended(executor, tasks)
    assert outcomes(completions) == ["done", kind, "cancelled", "done", "done"]
    assert completions[2].data.decode() == f"skipped: b {WORDS[kind]}"
    given = unpack(completions[4].data)
    assert given["failures"] == {"c": "cancelled"}
    assert sorted(given["results"]) == ["d"]
    settled(executor, *tasks)


@pytest.mark.parametrize("kind", FAILURES)
def test_continue(start: Callable[..., Executor], kind: str) -> None:
    executor = start()
    source, options = FAILURES[kind]
    (a,) = add(executor, "a", source, **options)
    (b,) = add(executor, "b")
    executor.chain(a, [ChainNode(b, (0,), CONTINUE)])
    executor.submit(a, pack(1))
    first, second = ended(executor, [a, b])
    assert outcomes([first, second]) == [kind, "done"]
    assert unpack(second.data) == {"input": 1, "results": {}, "failures": {"a": kind}}


def test_stop(start: Callable[..., Executor], tmp_path: Path) -> None:
    """What runs ends as it does; what is queued or waits is cancelled."""
    executor = start(workers=2)
    gate = tmp_path / "gate"
    a, queued, d, e = add(executor, "a queued d e")
    (running,) = add(executor, "running", waits("-end"))
    (fails,) = add(executor, "fails", waits("-fail", "1 / 0"))
    tasks = [a, running, fails, queued, d, e]
    nodes = [ChainNode(running, (0,)), ChainNode(fails, (0,)), ChainNode(queued, (0,))]
    nodes += [ChainNode(d, (2,), STOP), ChainNode(e, (0, 1), CONTINUE)]
    executor.chain(a, nodes)
    executor.submit(a, pack(str(gate)))
    until(lambda: executor.stats(fails).running == executor.stats(running).running == 1)
    (tmp_path / "gate-fail").touch()  # until now both workers are busy: `queued` has not started
    completions: list[Completion] = []
    while fails not in {each.task for each in completions}:
        completions += executor.collect()
    (tmp_path / "gate-end").touch()
    completions += collect(executor, 6 - len(completions))
    by_task = {each.task: each for each in completions}
    found = [by_task[task] for task in tasks]
    assert outcomes(found) == ["done", "done", "failed", "cancelled", "cancelled", "cancelled"]
    assert {each.data for each in found[3:]} == {b"stopped: fails failed"}
    settled(executor, *tasks)


def test_what_the_breaker_refuses(start: Callable[..., Executor]) -> None:
    executor = start()
    a, c = add(executor, "a c")
    breaker = {"consecutive": 1, "trials": 1, "open_ns": 10**12, "max_open_ns": 10**12}
    (b,) = add(executor, "b", FAIL, breaker=breaker)
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,), CONTINUE)])
    executor.submit(a, NIL)
    assert outcomes(ended(executor, [a, b, c])) == ["done", "failed", "done"]
    executor.submit(a, NIL)
    _, refused, last = ended(executor, [a, b, c])
    assert refused.outcome is Outcome.REJECTED
    assert refused.data.startswith(b"the task's circuit breaker is open")
    assert unpack(last.data)["failures"] == {"b": "rejected"}
    settled(executor, a, b, c)


def test_what_the_rate_refuses(start: Callable[..., Executor]) -> None:
    executor = start()
    (a,) = add(executor, "a")
    (b,) = add(executor, "b", limits=Limits(rate=0.0001))
    executor.chain(a, [ChainNode(b, (0,))])
    assert executor.submit_many(a, [NIL, NIL]) == 2
    kinds = sorted(outcomes(collect(executor, 4)))
    assert kinds == ["done", "done", "done", "rejected"]


def test_the_first_is_refused_with_its_chain(start: Callable[..., Executor]) -> None:
    executor = start()
    (a,) = add(executor, "a", limits=Limits(rate=0.0001))
    (b,) = add(executor, "b")
    executor.chain(a, [ChainNode(b, (0,))])
    assert executor.submit_many(a, [NIL, NIL]) == 1
    ended(executor, [a, b])
    settled(executor, a, b)


def test_cancelled_in_the_middle(start: Callable[..., Executor]) -> None:
    executor = start()
    (a,) = add(executor, "a")
    (b,) = add(executor, "b", FOREVER)
    c, d, e = add(executor, "c d e")
    nodes = [ChainNode(b, (0,)), ChainNode(c, (1,)), ChainNode(d, (1,), CONTINUE)]
    executor.chain(a, [*nodes, ChainNode(e, (0,), STOP)])
    executor.submit_many(a, [NIL] * 20)
    until(lambda: executor.stats(b).running > 0)
    cancelled = executor.stop(0)
    completions = collect(executor, 100)
    graphs = {(each.trigger, each.task) for each in completions}
    assert len(graphs) == 100
    assert cancelled == sum(each.outcome is Outcome.CANCELLED for each in completions)
    assert not [each for each in completions if each.task in (b, c, d) and not each.outcome]
    settled(executor, a, b, c, d, e)


def test_a_thread_that_is_given_up_does_not_hold_up_its_graph() -> None:
    out = apart_ok(
        f"""
        from polyvm.vm import AfterFailure, ChainNode, Executor, Limits, Outcome
        from tests.vm.programs import ECHO, pack, program, unpack
        executor = Executor(2, grace_ms=20)
        first = executor.add(program(ECHO, name="first"))
        stuck = executor.add(program({UNSTOPPABLE!r}, name="stuck"), limits=Limits(timeout_ns=2 * 10**9))
        last = executor.add(program(ECHO, name="last"))
        nodes = [ChainNode(stuck, (0,)), ChainNode(last, (1,), AfterFailure.CONTINUE)]
        executor.chain(first, nodes)
        executor.submit(first, pack(1))
        ended = {{}}
        while len(ended) < 3:
            ended |= {{each.task: each for each in executor.collect()}}
        print([ended[task].outcome.name for task in (first, stuck, last)])
        print(ended[stuck].data.decode())
        print(unpack(ended[last].data)["failures"])
        executor.stop(0)
        executor.close()
        """
    )
    assert out.splitlines() == [
        "['DONE', 'TIMED_OUT', 'DONE']",
        "stopped at its deadline; it did not end, and its thread was given up",
        "{'stuck': 'timed_out'}",
    ]


def test_a_deadline_of_the_submission_is_the_graphs(start: Callable[..., Executor]) -> None:
    executor = start()
    (a,) = add(executor, "a")
    (b,) = add(executor, "b", FOREVER)
    c, d = add(executor, "c d")
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,)), ChainNode(d, (1,), CONTINUE)])
    executor.submit(a, NIL, deadline_ns=300 * 10**6)
    completions = ended(executor, [a, b, c, d])
    assert outcomes(completions)[1:] == ["timed_out", "cancelled", "timed_out"]


def test_a_deadline_of_a_task_counts_from_its_turn(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start()
    (a,) = add(executor, "a", waits("-end"))
    (b,) = add(executor, "b", limits=Limits(deadline_ns=2 * 10**9))
    executor.chain(a, [ChainNode(b, (0,))])
    executor.submit(a, pack(str(tmp_path / "gate")))
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + 2.1)
    (tmp_path / "gate-end").touch()
    assert outcomes(ended(executor, [a, b])) == ["done", "done"]


VALUES = [
    None, True, 0, -1, -33, 127, 128, 2**16, 2**32, 2**63, -(2**7) - 1, -(2**15) - 1, -(2**31) - 1,
    1.5, "", "x" * 31, "x" * 32, "x" * 300, "x" * 70_000, b"", b"x" * 300, b"x" * 70_000,
    [], [1, [2, [3]]], list(range(20)), list(range(70_000)), {}, {"a": {"b": [1]}},
    {str(i): i for i in range(20)}, {str(i): [i] for i in range(70_000)},
]  # fmt: skip


def test_every_kind_of_payload_goes_on_behind_a_failure(start: Callable[..., Executor]) -> None:
    executor = start()
    (a,) = add(executor, "a", FAIL)
    (b,) = add(executor, "b")
    executor.chain(a, [ChainNode(b, (0,), CONTINUE)])
    for value in VALUES:
        payload = pack(value)
        executor.submit(a, payload)
        assert unpack(ended(executor, [a, b])[1].data)["input"] == value
        for broken in (payload[:-1], payload + NIL):  # what is no value must not pose as another
            executor.submit(a, broken)
            _, second = ended(executor, [a, b])
            assert second.outcome is Outcome.FAILED
            assert second.data == b"what its chain was triggered with is not MessagePack"

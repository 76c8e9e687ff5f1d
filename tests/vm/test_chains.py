"""Chains in the executor: graphs that one trigger starts, and every way in which they end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import journal
from polyvm.vm import (
    AfterFailure,
    ChainNode,
    Executor,
    Lane,
    Limits,
    Outcome,
    QueueFull,
    UnknownTask,
    VmError,
)
from tests.vm.programs import ECHO, NIL, apart, apart_ok, pack, program, unpack, until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from polyvm.vm import Completion
    from tests.conftest import Seeded

FAIL = "def run(payload):\n    raise ValueError(payload)\n"
# A change of base, in C: no interruption reaches it, and it takes some seconds.
UNSTOPPABLE = "import decimal\ndef run(x): return decimal.Decimal(1 << 10**8)\n"
FOREVER = "def run(payload):\n    while True: pass\n"
HUNGRY = "kept = []\ndef run(payload):\n    while True: kept.append([1] * 1000)\n"
SKIP, STOP, CONTINUE = AfterFailure


@pytest.fixture
def start() -> Iterator[Callable[..., Executor]]:
    made: list[Executor] = []

    def begin(workers: int = 2, **options: Any) -> Executor:
        made.append(Executor(workers, **options))
        return made[-1]

    yield begin
    for executor in made:
        executor.close()


def add(executor: Executor, names: str, source: str = ECHO, **options: Any) -> list[int]:
    return [executor.add(program(source, name=name), **options) for name in names.split()]


def collect(executor: Executor, count: int) -> list[Completion]:
    ended: list[Completion] = []
    while len(ended) < count:
        ended += executor.collect()
    assert len(ended) == count
    return ended


def ended(executor: Executor, tasks: Sequence[int]) -> list[Completion]:
    """The completions of one graph, in the order of `tasks`."""
    found = {each.task: each for each in collect(executor, len(tasks))}
    assert sorted(found) == sorted(tasks)
    return [found[task] for task in tasks]


def outcomes(completions: Sequence[Completion]) -> list[str]:
    return [each.outcome.name.lower() for each in completions]


def settled(executor: Executor, *tasks: int) -> None:
    """Nothing is left over: every acceptance ended, and no place is taken."""
    assert executor.collect(timeout_ms=0) == []
    for task in tasks:
        stats = executor.stats(task)
        assert (stats.running, stats.accepted) == (0, stats.finished)


def test_each_gets_what_those_before_it_returned(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b, c, d = tasks = add(executor, "a b c d")
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (0,)), ChainNode(d, (1, 2))])
    executor.submit(a, pack({"n": 1}), tag=7)
    first, left, right, last = completions = ended(executor, tasks)
    assert {each.outcome for each in completions} == {Outcome.DONE}
    one = {"input": {"n": 1}, "results": {"a": {"n": 1}}, "failures": {}}
    assert unpack(first.data) == {"n": 1}
    assert unpack(left.data) == unpack(right.data) == one
    assert unpack(last.data) == {
        "input": {"n": 1},
        "results": {"b": one, "c": one},
        "failures": {},
    }
    assert [each.tag for each in completions] == [7] * 4
    assert [each.id for each in completions] == list(range(first.id, first.id + 4))
    assert {each.trigger for each in completions} == {first.id}
    settled(executor, *tasks)


def test_what_is_in_no_chain_has_no_trigger(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b = add(executor, "a b")
    executor.chain(a, [ChainNode(b, (0,))])
    executor.submit(b, pack(1))  # called directly: its payload alone
    (alone,) = collect(executor, 1)
    assert (alone.trigger, unpack(alone.data)) == (0, 1)
    executor.chain(a, [])
    executor.submit(a, pack(2))
    (alone,) = collect(executor, 1)
    assert (alone.task, alone.trigger) == (a, 0)


def test_out_to_sixteen_and_in_again(start: Callable[..., Executor]) -> None:
    executor = start()
    first, *middle, last = tasks = add(executor, " ".join(f"task-{i}" for i in range(18)))
    nodes = [ChainNode(task, (0,)) for task in middle]
    executor.chain(first, [*nodes, ChainNode(last, tuple(range(1, 17)))])
    executor.submit(first, pack("x" * 300))
    *_, end = ended(executor, tasks)
    given = unpack(end.data)
    assert given["input"] == "x" * 300
    assert sorted(given["results"]) == sorted(f"task-{i}" for i in range(1, 17))
    assert all(each["input"] == "x" * 300 for each in given["results"].values())


def test_sixty_four_in_a_row(start: Callable[..., Executor]) -> None:
    count = (
        "def run(x):\n    return 1 + (x if isinstance(x, int) else sum(x['results'].values()))\n"
    )
    executor = start()
    tasks = add(executor, " ".join("n" * 60 + str(i) for i in range(64)), count)
    executor.chain(tasks[0], [ChainNode(task, (i,)) for i, task in enumerate(tasks[1:])])
    executor.submit(tasks[0], pack(0))
    assert unpack(ended(executor, tasks)[-1].data) == 64


@pytest.mark.parametrize("source", [ECHO, FAIL])
def test_a_thousand_triggers(start: Callable[..., Executor], source: str) -> None:
    executor = start(max_pending=200)  # so that the queue is full now and then
    a, c = add(executor, "a c", "def run(x):\n    return x\n")
    (b,) = add(executor, "b", source)
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (0, 1), CONTINUE)])
    completions: list[Completion] = []
    accepted = 0
    while accepted < 1000:
        try:
            payloads = [pack(tag) for tag in range(accepted, 1000)]
            accepted += executor.submit_many(a, payloads, first_tag=accepted)
        except QueueFull:
            completions += executor.collect()
    completions += collect(executor, 3000 - len(completions))
    graphs: dict[int, dict[int, Completion]] = {}
    for each in completions:
        assert graphs.setdefault(each.trigger, {}).setdefault(each.task, each) is each
    assert len(graphs) == 1000
    for trigger, graph in graphs.items():
        assert [graph[task].id for task in (a, b, c)] == [trigger, trigger + 1, trigger + 2]
        given = unpack(graph[c].data)
        assert given["input"] == given["results"]["a"] == graph[c].tag
        assert ("b" in given["failures"]) == (source is FAIL)
    settled(executor, a, b, c)


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


def waits(suffix: str, then: str = "return 0") -> str:
    """A task that runs until there is a file of that name, and does something then."""
    return f"""
import os
def run(x):
    path = (x["input"] if isinstance(x, dict) else x) + {suffix!r}
    while not os.path.exists(path): pass
    {then}
"""


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


def test_places_are_taken_all_or_none(start: Callable[..., Executor]) -> None:
    executor = start(max_pending=3)
    a, b, alone = add(executor, "a b alone")
    low = executor.add(program(ECHO, name="low"), Lane.LOW)
    executor.chain(a, [ChainNode(low, (0,)), ChainNode(b, (0,))])
    executor.submit(a, NIL)
    with pytest.raises(QueueFull):
        executor.submit(a, NIL)  # one place is left in the lane, and it wants two
    executor.submit(alone, NIL)
    with pytest.raises(QueueFull):
        executor.submit(alone, NIL)
    assert len(collect(executor, 4)) == 4
    with pytest.raises(VmError):  # never would there be room
        executor.chain(a, [ChainNode(task, (0,)) for task in add(executor, "x y z")])


def test_lanes_and_turns(start: Callable[..., Executor]) -> None:
    executor = start()
    tasks = [
        executor.add(program(ECHO, name=f"t{i}"), lane, Limits(max_running=1))
        for i, lane in enumerate([Lane.LOW, Lane.CORE, Lane.REGULAR, Lane.CORE])
    ]
    nodes = [ChainNode(tasks[1], (0,)), ChainNode(tasks[2], (0,)), ChainNode(tasks[3], (1, 2))]
    executor.chain(tasks[0], nodes)
    executor.submit_many(tasks[0], [NIL] * 50)
    assert set(outcomes(collect(executor, 200))) == {"done"}
    settled(executor, *tasks)


def test_invoke_is_for_the_first(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b = add(executor, "a b")
    executor.chain(a, [ChainNode(b, (0,))])
    first = executor.invoke(a, pack(5))
    assert (first.task, first.trigger, unpack(first.data)) == (a, first.id, 5)
    (second,) = collect(executor, 1)
    assert (second.task, second.trigger, second.tag) == (b, first.id, 0)
    settled(executor, a, b)


def test_a_replaced_version_finishes_its_graphs(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start()
    (a,) = add(executor, "a", waits("-end"))
    (old,) = add(executor, "b", "def run(x): return 'old'")
    executor.chain(a, [ChainNode(old, (0,))])
    executor.submit(a, pack(str(tmp_path / "gate")), tag=1)
    (new,) = add(executor, "b", "def run(x): return 'new'")
    executor.chain(a, [ChainNode(new, (0,))])
    executor.withdraw(old)
    executor.submit(a, pack(str(tmp_path / "gate")), tag=2)
    (tmp_path / "gate-end").touch()
    found = {(each.tag, each.task): each for each in collect(executor, 4)}
    assert unpack(found[1, old].data) == "old"
    assert unpack(found[2, new].data) == "new"
    until(lambda: executor.stats(old).vms == 0)
    settled(executor, a, old, new)


def test_a_first_that_is_withdrawn_finishes_its_graphs(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start()
    (a,) = add(executor, "a", waits("-end"))
    (b,) = add(executor, "b")
    executor.chain(a, [ChainNode(b, (0,))])
    executor.submit(a, pack(str(tmp_path / "gate")))
    executor.withdraw(a)
    executor.withdraw(b)
    (tmp_path / "gate-end").touch()
    assert outcomes(ended(executor, [a, b])) == ["done", "done"]
    until(lambda: executor.stats(a).vms == executor.stats(b).vms == 0)


def test_without_a_member_nothing_is_accepted(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b, c = add(executor, "a b c")
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,))])
    executor.withdraw(c)
    with pytest.raises(UnknownTask):
        executor.submit(a, NIL)
    assert executor.stats(a).accepted == executor.stats(b).accepted == 0
    with pytest.raises(UnknownTask):
        executor.chain(a, [ChainNode(c, (0,))])
    executor.chain(a, [ChainNode(b, (0,))])
    executor.submit(a, NIL)
    ended(executor, [a, b])


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


def test_a_drain_waits_for_graphs(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b, c = add(executor, "a b c")
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,))])
    executor.submit_many(a, [NIL] * 200)
    assert executor.stop(60_000) == 0
    assert set(outcomes(collect(executor, 600))) == {"done"}


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


def test_what_is_no_chain_is_refused(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b, c = add(executor, "a b c")
    for nodes in (
        [ChainNode(a, (0,))],
        [ChainNode(b, (0,)), ChainNode(b, (0,))],
        [ChainNode(b, ())],
        [ChainNode(b, (1,))],
        [ChainNode(b, (2,)), ChainNode(c, (0,))],
        [ChainNode(b, (-1,))],
        [ChainNode(task, (0,)) for task in add(executor, " ".join(f"t{i}" for i in range(64)))],
    ):
        with pytest.raises(VmError):
            executor.chain(a, nodes)
    for first, task in ((99, b), (a, 99)):
        with pytest.raises(UnknownTask):
            executor.chain(first, [ChainNode(task, (0,))])
    executor.submit(a, NIL)
    assert collect(executor, 1)[0].trigger == 0


class Model:
    """A random graph, and how it must end: which fail, which are skipped."""

    def __init__(self, rng: random.Random) -> None:
        count = rng.randint(2, 20)
        self.fails = [rng.random() < 0.25 for _ in range(count)]
        self.after = [()] + [
            tuple(sorted(rng.sample(range(i), rng.randint(1, min(i, 5))))) for i in range(1, count)
        ]
        self.policy = [rng.choice([SKIP, CONTINUE]) for _ in range(count)]

    def outcomes(self) -> list[str]:
        ended: list[str] = []
        for fails, after, policy in zip(self.fails, self.after, self.policy, strict=True):
            lost = any(ended[i] != "done" for i in after)
            if lost and policy is SKIP:
                ended.append("cancelled")
            else:
                ended.append("failed" if fails else "done")
        return ended


def test_random_graphs_end_as_they_must(start: Callable[..., Executor], rand: Seeded) -> None:
    executor = start()
    tasks = {
        fails: add(executor, " ".join(f"{'bad' if fails else 'good'}-{i}" for i in range(20)), text)
        for fails, text in ((False, ECHO), (True, FAIL))
    }
    for _ in range(60):
        model = Model(rand)
        ids = [tasks[fails][i] for i, fails in enumerate(model.fails)]
        nodes = [
            ChainNode(task, after, policy)
            for task, after, policy in zip(ids, model.after, model.policy, strict=True)
        ]
        executor.chain(ids[0], nodes[1:])
        times = rand.randint(1, 5)
        executor.submit_many(ids[0], [NIL] * times)
        graphs: dict[int, dict[int, Completion]] = {}
        for each in collect(executor, times * len(ids)):
            graphs.setdefault(each.trigger, {})[each.task] = each
        for graph in graphs.values():
            found = [graph[task] for task in ids]
            assert outcomes(found) == model.outcomes()
            for after, each in zip(model.after, found, strict=True):
                if after and each.outcome is Outcome.DONE:
                    given = unpack(each.data)
                    names = set(given["results"]) | set(given["failures"])
                    assert len(names) == len(after)
                    assert len(given["failures"]) == sum(
                        found[i].outcome is not Outcome.DONE for i in after
                    )
        executor.chain(ids[0], [])


# ---- The journal ---------------------------------------------------------------------


def unfinished(path: Path) -> list[journal.Unfinished]:
    return list(journal.read(path).unfinished)


def test_killed_in_the_middle_the_graph_is_one_record(tmp_path: Path) -> None:
    source = f"""
        import os, signal, sys
        from pathlib import Path
        from polyvm.vm import ChainNode, Executor
        from tests.vm.programs import ECHO, pack, program, until
        executor = Executor(1, journal=Path(sys.argv[1]), epoch=3)
        a = executor.add(program(ECHO, name="a"))
        b = executor.add(program({FOREVER!r}, name="b"))
        c = executor.add(program(ECHO, name="c"))
        executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,))])
        executor.submit(a, pack("kept"), tag=4)
        while not executor.collect():
            pass
        executor.collect(timeout_ms=0)  # the first one's completion was collected, and seen
        until(lambda: executor.stats(b).running == 1)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = apart(source, str(tmp_path / "journal"))
    assert done.returncode == -signal.SIGKILL, done
    (record,) = unfinished(tmp_path / "journal")
    assert (record.task, record.tag, record.ids, record.crashed) == ("a", 4, 3, 0)
    assert unpack(record.payload) == "kept"


def test_a_graph_goes_on_under_its_ids(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Executor(1, journal=path, epoch=6) as executor:
        a, b, c, d = tasks = add(executor, "a b c d")
        nodes = [ChainNode(b, (0,)), ChainNode(c, (0,)), ChainNode(d, (1, 2), CONTINUE)]
        executor.chain(a, nodes)
        old = (5 << 40) + 9
        executor.submit(a, NIL, tag=3, id=old, attempt=2, ids=3, crashed=0b100)
        completions = ended(executor, tasks)
        assert [each.id for each in completions[:3]] == [old, old + 1, old + 2]
        assert completions[3].id >> 40 == 6  # it was not of the chain before: its id is new
        assert {(each.attempt, each.trigger) for each in completions} == {(2, old)}
        assert outcomes(completions) == ["done", "done", "crashed", "done"]
        assert completions[2].data == b"the host's process ended while it ran"
        assert unpack(completions[3].data)["failures"] == {"c": "crashed"}
        executor.submit(a, NIL, id=old, attempt=3, ids=3, crashed=0b1)
        assert outcomes(ended(executor, tasks)) == ["crashed", "cancelled", "cancelled", "done"]
        executor.collect(timeout_ms=0)
        settled(executor, *tasks)
    assert (journal.read(path).orderly, unfinished(path)) == (True, [])


def test_what_crashed_is_remembered(tmp_path: Path) -> None:
    source = """
        import os, signal, sys
        from pathlib import Path
        from polyvm.vm import ChainNode, Executor
        from tests.vm.programs import ECHO, NIL, program
        executor = Executor(1, journal=Path(sys.argv[1]), epoch=3)
        a, b = (executor.add(program(ECHO, name=name)) for name in "ab")
        executor.chain(a, [ChainNode(b, (0,))])
        executor.submit(a, NIL, id=77, attempt=4, ids=2, crashed=2)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = apart(source, str(tmp_path / "journal"))
    assert done.returncode == -signal.SIGKILL, done
    (record,) = unfinished(tmp_path / "journal")
    assert (record.id, record.attempt, record.ids, record.crashed) == (77, 4, 2, 2)

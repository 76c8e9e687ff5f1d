"""Chains in the executor: graphs that one trigger starts, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.vm import ChainNode, Executor, Lane, Limits, Outcome, QueueFull, UnknownTask, VmError
from tests.vm.graphs import CONTINUE, FAIL, SKIP, add, collect, ended, outcomes, settled, waits
from tests.vm.programs import ECHO, NIL, pack, program, unpack, until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from polyvm.vm import Completion
    from tests.conftest import Seeded


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


def test_a_drain_waits_for_graphs(start: Callable[..., Executor]) -> None:
    executor = start()
    a, b, c = add(executor, "a b c")
    executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,))])
    executor.submit_many(a, [NIL] * 200)
    assert executor.stop(60_000) == 0
    assert set(outcomes(collect(executor, 600))) == {"done"}


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

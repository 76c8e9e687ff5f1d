"""Flows of an executor: what they put into streams and tasks, catching up, being replaced."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.flows import Into, stream
from polyvm.vm import EventStore, Executor, Features, TriggerMode, UnknownTask, VmError
from tests.vm.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polyvm.host.flows import Flow

pack, unpack = msgspec.msgpack.encode, msgspec.msgpack.decode
SECOND = 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    kept = EventStore(tmp_path / "kept")
    yield kept
    kept.close()


def executor_on(store: EventStore | None, **fields: Any) -> Executor:
    made = Executor(workers=1)
    if store is not None:
        fields["store"] = store.handle
    made.triggers.configure(key="k", time="t", **fields)
    return made


def add(executor: Executor, flow: Flow, **options: Any) -> int:
    return executor.flows.add(flow.name, flow.declaration(), **options)


def kept(store: EventStore, name: str) -> list[tuple[int, str, Any]]:
    try:
        found = unpack(store.read(name))
    except UnknownTask:
        return []
    return [(time_ns, key.decode(), event) for _, time_ns, _, key, event in found]


def counting(into: str, **options: Any) -> Flow:
    chain = stream("events").key_by("k").window(running=True, n="count()")
    return chain.into(Into(stream=into), options.pop("name", into), **options)


def test_rows_are_events_again(store: EventStore) -> None:
    with executor_on(store) as executor:
        first = add(executor, counting("counts"))
        many = stream("counts").filter("n >= 2").map(seen="_time", keep=True).into_stream("many")
        second = add(executor, many)
        condition = pack({"steps": [{"type": "odd"}]})
        executor.triggers.add(0, "t", condition, mode=TriggerMode.HAND_OUT)
        events = [{"k": "ada", "t": 5}, {"k": "bob", "t": 6}, {"k": "ada", "t": 7.5}]
        batch = executor.triggers.events([pack(event) for event in events])
        assert batch.matched == 3
        assert executor.flows.stats(first).rows == 3
        assert executor.flows.stats(second).events == 3
        assert executor.triggers.all_stats().events == 7
    assert [(time, key) for time, key, _ in kept(store, "counts")] == [
        (5 * SECOND, "ada"),
        (6 * SECOND, "bob"),
        (15 * SECOND // 2, "ada"),
    ]
    expected = {"k": "ada", "n": 2, "seen": 15 * SECOND // 2}
    assert kept(store, "many") == [(15 * SECOND // 2, "ada", expected)]


def test_rows_may_complete_triggers() -> None:
    with executor_on(None) as executor:
        flow = stream("events").map(event="'found'", user="k", keep=False)
        add(executor, flow.into_stream("found", key="user"))
        condition = pack({"steps": [{"type": "found"}]})
        trigger = executor.triggers.add(0, "t", condition, mode=TriggerMode.HAND_OUT)
        batch = executor.triggers.event(pack({"k": "ada"}), tag=7)
        assert [(one.trigger, one.flow, one.tag) for one in batch.fired] == [(trigger, 0, 7)]
        assert unpack(batch.fired[0].payload or b"")["event"] == {"event": "found", "user": "ada"}


def test_a_circle_ends(store: EventStore) -> None:
    with executor_on(store) as executor:
        number = add(executor, stream("a").map(n="n + 1").into_stream("a", name="circle"))
        executor.triggers.event(pack({"n": 0, "stream": "a"}))
        stats = executor.flows.stats(number)
        assert (stats.events, stats.refused) == (9, 1)
    assert [event["n"] for _, _, event in kept(store, "a")] == list(range(9))


def test_rows_start_tasks() -> None:
    with executor_on(None) as executor:
        task = executor.add(program("def run(start):\n    return start\n"))
        chain = stream("events").key_by("k").window(running=True, n="count()")
        into_task = chain.into_task("act")
        number = executor.flows.add(
            "short", into_task.declaration("act.long"), task=task, mode=TriggerMode.SUBMIT
        )
        batch = executor.triggers.events([pack({"k": key}) for key in ("a", "b", "a")], 10)
        assert [(one.flow, one.task, one.tag) for one in batch.fired] == [
            (number, task, tag) for tag in (10, 11, 12)
        ]
        results: list[Any] = []
        while len(results) < 3:
            results += [unpack(one.data) for one in executor.collect(timeout_ms=1000)]
        rows = Counter((result["flow"], result["key"], result["row"]["n"]) for result in results)
        assert rows == Counter([("short", "a", 1), ("short", "a", 2), ("short", "b", 1)])
        executor.flows.set_task(number, task, TriggerMode.HAND_OUT)
        fired = executor.triggers.event(pack({"k": "a"})).fired[0]
        assert unpack(fired.payload or b"") == {
            "flow": "short",
            "key": "a",
            "row": {"k": "a", "n": 3},
        }
        executor.flows.set_task(number, 0, TriggerMode.OFF)
        assert executor.triggers.event(pack({"k": "a"})).fired == []
        executor.withdraw(task)
        executor.flows.set_task(number, task, TriggerMode.SUBMIT)
        assert executor.triggers.event(pack({"k": "a"})).fired[0].error is not None
        stats = executor.flows.stats(number)
        assert (stats.accepted, stats.handed_out, stats.other) == (3, 1, 2)


def test_catching_up_meets_each_event_once(store: EventStore) -> None:
    rng = random.Random(5)
    keys = [rng.choice("abc") for _ in range(1000)]
    with executor_on(store) as executor:
        other = stream("events").map(keep=True, x="1").into_stream("copies")
        add(executor, other)
        executor.triggers.events([pack({"k": key, "t": at}) for at, key in enumerate(keys)])
    before = len(kept(store, "copies"))
    with executor_on(store) as executor:
        both = stream("events", "copies").key_by("k").window(running=True, n="count()")
        number = add(executor, both.into(Into(stream="n"), "n", catch_up=True), catch_up=True)
        assert executor.flows.stats(number).events == 2000
        assert kept(store, "n") == []  # it has left before
        executor.triggers.event(pack({"k": "a", "t": 1000}))
        assert [event for _, _, event in kept(store, "n")] == [
            {"k": "a", "n": 2 * keys.count("a") + 1}
        ]
    assert len(kept(store, "copies")) == before


def test_catching_up_while_events_come(store: EventStore) -> None:
    with executor_on(store) as executor:
        stop = threading.Event()
        given = 0

        def feed() -> None:
            nonlocal given
            while not stop.is_set():
                executor.triggers.events([pack({"k": "a"}) for _ in range(20)])
                given += 20

        thread = threading.Thread(target=feed)
        thread.start()
        numbers = []
        for number in range(5):
            flow = stream("events").window(running=True, n="count()")
            declared = flow.into(Into(task="x"), f"flow{number}", catch_up=True)
            numbers.append(add(executor, declared, catch_up=True))
        stop.set()
        thread.join()
        assert {executor.flows.stats(number).events for number in numbers} == {given}


def test_flows_are_replaced_with_their_state() -> None:
    with executor_on(None) as executor:
        flow = counting("n")
        first = add(executor, flow)
        executor.triggers.event(pack({"k": "a"}))
        second = add(executor, flow, replaces=first)
        executor.triggers.event(pack({"k": "a"}))
        assert executor.flows.stats(second).rows == 2
        with pytest.raises(VmError):
            executor.flows.stats(first)
        with pytest.raises(VmError, match="flow n: there is one of that name already"):
            add(executor, flow)
        executor.flows.remove(second)
        assert executor.triggers.event(pack({"k": "a"})).matched == 0
        with pytest.raises(VmError):
            executor.flows.remove(second)


def test_time_goes_on_with_ticks() -> None:
    with executor_on(None) as executor:
        chain = stream("events", arrival=True).window(tumbling="1ms", n="count()")
        add(executor, chain.into_task("x"), mode=TriggerMode.HAND_OUT)
        executor.triggers.event(pack({"k": "a"}))
        rows: list[int] = []
        while not rows:
            batch, _ = executor.triggers.tick()
            rows += [unpack(one.payload or b"")["row"]["n"] for one in batch.fired]
        assert rows == [1]


@pytest.mark.parametrize("attached_first", [True, False])
def test_rows_are_features(store: EventStore, *, attached_first: bool) -> None:
    features = Features(store)
    with Executor(workers=1) as executor:
        if attached_first:
            features.attach(executor)
        executor.triggers.configure(key="k", time="t", store=store.handle)
        if not attached_first:
            features.attach(executor)
        chain = stream("events").key_by("k").window(running=True, n="count()")
        add(executor, chain.into_table("seen"))
        lookup = stream("events").lookup("seen", "k", "n").map(n="n", keep=False)
        add(executor, lookup.into_stream("looked"))
        events = [pack({"k": "ada", "t": second}) for second in range(3)]
        executor.triggers.events(events)
        ((time_ns, _, values),) = unpack(features.get("seen", pack(["ada"])))
        assert (time_ns, values) == (2 * SECOND, {"k": "ada", "n": 3})
        assert [event["n"] for _, _, event in kept(store, "looked")] in ([1, 2, 3], [None, 1, 2])
    features.close()


def test_tables_get_what_they_do_not_have(store: EventStore) -> None:
    chain = stream("events").key_by("k").window(running=True, n="count()")
    seen = chain.into(Into(table="seen"), "seen", catch_up=True)

    def rows(count: int) -> list[tuple[int, int]]:
        features = Features(store)
        with Executor(workers=1) as executor:
            features.attach(executor)
            features.open("seen", versions=10)
            executor.triggers.configure(key="k", time="t", store=store.handle)
            number = add(executor, seen, catch_up=True)
            for second in range(count, count + 3):
                executor.triggers.event(pack({"k": "ada", "t": second}))
            assert executor.flows.stats(number).events == count + 3
        history = unpack(features.history("seen", b"ada"))
        features.close()
        return [(version, values["n"]) for *_, version, values in history]

    assert rows(0) == [(1, 1), (2, 2), (3, 3)]
    assert rows(3) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]


def test_what_cannot_be_is_told() -> None:
    with executor_on(None) as executor:
        with pytest.raises(VmError, match="there are no tables of features here"):
            executor.flows.check(stream("a").into_table("x").declaration())
        gone = stream("a").map(x="1", keep=False).filter("y").into_stream("x")
        with pytest.raises(VmError, match=r"flow x: step 2 \(filter\)"):
            executor.flows.check(gone.declaration())
        with pytest.raises(VmError):
            add(executor, stream("a").into_task("x"), mode=TriggerMode.SUBMIT)
        with pytest.raises(VmError):
            add(executor, stream("a").into_task("x"), task=99, mode=TriggerMode.SUBMIT)

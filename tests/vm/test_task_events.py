"""Events that tasks append, what they start, and reading those that are kept, from VMs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from polyvm.vm import EventStore, Executor, TriggerMode
from tests.vm.programs import failure_of, pack, program, unpack, until, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polyvm.vm import Fired, Outcome

APPENDS = """
import polyvm
def run(x):
    return polyvm.append(x)
"""
READS = """
import polyvm
def run(x):
    return [[e.sequence, e.time, e.key, e.event] for e in polyvm.events(**x)]
"""
BUY = {"steps": [{"type": "buy"}]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    made = EventStore(tmp_path / "kept", segment_bytes=65536)
    yield made
    made.close()


def ran(executor: Executor, task: int, payload: Any = None) -> tuple[Outcome, bytes]:
    ended = executor.invoke(task, pack(payload))
    return ended.outcome, ended.data


def fired(executor: Executor) -> list[Fired]:
    found: list[Fired] = []
    while (batch := executor.triggers.collect()) is not None:
        assert batch.lost == 0
        found += batch.fired
    return found


def test_appended_events_are_kept_and_read(store: EventStore) -> None:
    with Executor(workers=2) as executor:
        executor.triggers.configure(store=store.handle)
        appends = executor.add(program(APPENDS, "appends"))
        reads = executor.add(program(READS, "reads"))
        events = [
            {"event": "view", "key": "ada", "ts": 10, "n": 1},
            {"event": "view", "key": 7, "ts": 11.5, "stream": "other", "deep": {"a": [None]}},
            {"event": "view", "key": "ada", "ts": 12, "n": 2},
        ]
        assert value_of(ran(executor, appends, events)) == 3
        assert value_of(ran(executor, appends, {"event": "view", "key": "bob", "ts": 11})) == 1
        assert value_of(ran(executor, appends, [])) == 0
        last = {"event": "view", "key": "bob", "ts": 11}
        first, second = events[0], events[2]
        expected = [[1, 10.0, "ada", first], [2, 12.0, "ada", second], [3, 11.0, "bob", last]]
        assert value_of(ran(executor, reads, {})) == expected
        assert value_of(ran(executor, reads, {"key": "ada"})) == [expected[1], expected[0]]
        assert value_of(ran(executor, reads, {"key": "ada", "until": 11})) == [expected[0]]
        assert value_of(ran(executor, reads, {"key": "ada", "most": 1})) == [expected[1]]
        assert value_of(ran(executor, reads, {"since": 10.5, "until": 12})) == [expected[2]]
        assert value_of(ran(executor, reads, {"after": 2})) == [expected[2]]
        assert value_of(ran(executor, reads, {"most": 0})) == []
        other = value_of(ran(executor, reads, {"stream": "other", "key": 7}))
        assert other == [[1, 11.5, "7", events[1]]]
        why = failure_of(ran(executor, reads, {"stream": "none"}))
        assert "LookupError: there is no stream 'none'" in why


def test_what_they_fire_is_handed_out(store: EventStore) -> None:
    with Executor(workers=1) as executor:
        executor.triggers.configure(store=store.handle)
        appends = executor.add(program(APPENDS, "appends"))
        bought = executor.add(program("def run(x):\n    return x\n", "bought"))
        executor.triggers.add(bought, "buys", pack(BUY))
        events = [{"event": kind, "key": "ada"} for kind in ("view", "buy", "buy")]
        executor.submit(appends, pack(events), 9)
        until(lambda: list(executor.collect(timeout_ms=10)))
        seen = fired(executor)
        assert [each.task for each in seen] == [bought, bought]
        assert all(each.depth == 1 and each.id == 0 and each.error is None for each in seen)
        assert seen[0].payload is not None
        payload = unpack(seen[0].payload)
        assert (payload["trigger"], payload["key"]) == ("buys", "ada")
        assert executor.triggers.all_stats().fired == 2
        assert fired(executor) == []


def test_a_collector_is_woken_for_them() -> None:
    """The run that has appended goes on; nothing has ended."""
    with Executor(workers=1) as executor:
        goes_on_source = APPENDS.replace("return ", "") + "    while True: pass\n"
        goes_on = executor.add(program(goes_on_source, "goes_on"))
        executor.triggers.add(goes_on, "buys", pack(BUY), mode=TriggerMode.HAND_OUT)
        number = executor.submit(goes_on, pack({"event": "buy"}))
        assert list(executor.collect(timeout_ms=600_000)) == []
        assert len(fired(executor)) == 1
        executor.cancel(number)


@pytest.mark.parametrize("depth", [7, 8])
def test_tasks_that_start_each_other_come_to_an_end(depth: int) -> None:
    with Executor(workers=1) as executor:
        appends = executor.add(program(APPENDS, "appends"))
        executor.triggers.add(appends, "buys", pack(BUY))
        executor.submit(appends, pack({"event": "buy"}), depth=depth)
        ended: list[Any] = []
        until(lambda: ended.extend(executor.collect(timeout_ms=10)) or ended)
        if depth == 7:
            assert [each.depth for each in fired(executor)] == [8]
            assert unpack(ended[0].data) == 1
        else:
            assert b"8 times in a row: it may append none" in ended[0].data
            assert fired(executor) == []


def test_what_is_handed_in_for_a_task_comes_back_with_its_depth() -> None:
    with Executor(workers=1) as executor:
        bought = executor.add(program("def run(x):\n    return x\n", "bought"))
        executor.triggers.add(bought, "buys", pack(BUY))
        batch = executor.triggers.ingest(pack({"event": "buy"}), depth=3)
        assert [(each.id, each.depth, each.task) for each in batch.fired] == [(0, 3, bought)]
        batch = executor.triggers.ingest(pack({"event": "buy"}))
        assert [(each.id > 0, each.depth) for each in batch.fired] == [(True, 0)]


def test_what_becomes_a_dead_letter_does_not_count(store: EventStore) -> None:
    with Executor(workers=1) as executor:
        executor.triggers.configure(store=store.handle)
        appends = executor.add(program(APPENDS, "appends"))
        events = [{"event": "a"}, {"event": "a", "pad": "x" * 70_000}]
        assert value_of(ran(executor, appends, events)) == 1
        reads = executor.add(program(READS, "reads"))
        assert len(value_of(ran(executor, reads, {}))) == 1
        assert len(value_of(ran(executor, reads, {"stream": "dead-letters"}))) == 1

"""Events as rows of columns, and their fields, out of the store in C."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import sql_values
from polyvm.host.event_store import Kept, Query, read
from polyvm.vm import EventColumn, EventStore, Executor, Features, UnknownTask, VmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUES: list[Any] = [
    None, True, False, 0, -1, -(2**63), 2**63 - 1, 2**63, 2**64 - 1, 1.5, "", "ü" * 40, b"\xff",
    [], [1, [2]], {"a": {"b": None}}, "x" * 700,
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    made = EventStore(tmp_path)
    yield made
    made.close()


def append(store: EventStore, events: list[Any]) -> None:
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)
        data = b"".join(map(msgspec.msgpack.encode, events))
        assert executor.triggers.ingest(data, stream="s").error is None


def rows(store: EventStore, columns: list[Any], **span: int) -> tuple[list[Any], int]:
    packed, behind = store.columns("s", msgspec.msgpack.encode(columns), **span)
    return sql_values.rows(packed), behind


def test_rows_are_what_python_makes_of_events(store: EventStore) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    names: list[Any] = [f"f{n}" for n in range(30)] + ["", "ü", 7, -7, 2**63 + 5]
    events = []
    for n in range(400):
        fields = draw.sample(names, draw.randrange(len(names)))
        events.append({name: draw.choice(VALUES) for name in fields} | {"ts": n, "key": n % 7})
    append(store, events)
    columns = [*map(str, draw.sample(names, 25)), "nowhere", *EventColumn]
    draw.shuffle(columns)
    kept = read(store, Query(stream="s", most=10**6))
    expected = [sql_values.row(each, columns) for each in kept]
    assert rows(store, columns) == (expected, 401)
    assert rows(store, columns, sequence=390, most=5) == (expected[389:394], 395)
    span = {"from_ns": 50 * 10**9, "until_ns": 60 * 10**9}
    assert rows(store, columns, sequence=55, **span) == (expected[54:60], 61)
    assert rows(store, columns, sequence=402) == ([], 0)
    assert rows(store, [], most=2) == ([[], []], 3)


def test_fields_come_in_the_order_of_their_coming(store: EventStore) -> None:
    events: list[Any] = [{"a": 1, "b": 1}, {"b": 1, "c": {"x": 1}, "a": 2}, {12: 1, "a": 1}, {}]
    append(store, events * 3)
    append(store, [{f"x{n}": n} for n in range(5000)])
    first = msgspec.msgpack.decode(store.fields("s", most=4))
    assert first == [5, 4, ["a", "b", "c", "12"]]
    behind, looked, names = msgspec.msgpack.decode(store.fields("s", sequence=5))
    assert (behind, looked) == (12 + 5000 + 1, 8 + 5000)
    assert names == ["a", "b", "c", "12", *(f"x{n}" for n in range(4096 - 4))]
    assert msgspec.msgpack.decode(store.fields("s", sequence=behind)) == [0, 0, []]
    with pytest.raises(UnknownTask):
        store.fields("t")


def test_rows_end_when_they_are_large(store: EventStore) -> None:
    append(store, [{"x": "x" * 2**20, "y": n} for n in range(20)])
    seen, sequence = [], 0
    while (part := rows(store, ["x", "y"], sequence=sequence))[0]:
        assert len(part[0]) <= 9
        seen += [y for _, y in part[0]]
        sequence = part[1]
    assert seen == list(range(20))


def test_keys_that_are_no_text(store: EventStore) -> None:
    tables = Features(store)
    tables.find("t")
    given = [[b"\xff", 1, {"a": 1}], ["ü", 1, {"a": 2}], ["b", 1, None]]
    assert tables.put("t", msgspec.msgpack.encode(given)).put == 3
    columns = msgspec.msgpack.encode([EventColumn.KEY, "a"])
    packed, behind = store.columns("features.t", columns)
    assert behind == 4
    assert sql_values.rows(packed) == [["\ufffd", 1], ["ü", 2], ["b", None]]
    tables.close()


@pytest.mark.parametrize("columns", [7, [5], [-1], ["a", "a"], [None], {"a": 1}])
def test_what_is_no_list_of_columns(store: EventStore, columns: Any) -> None:
    append(store, [{"a": 1}])
    with pytest.raises(VmError):
        store.columns("s", msgspec.msgpack.encode(columns))
    with pytest.raises(VmError):
        store.columns("s", msgspec.msgpack.encode(["a"]) + b"\x00")
    with pytest.raises(VmError):
        store.columns("s", msgspec.msgpack.encode(["a", "b"])[:-1])


def test_a_row_of_python() -> None:
    kept = Kept(1, 1500, 2, "k", {12: [1], "b": 2**63, "c": None})
    columns = ["12", EventColumn.KEY, "b", "nowhere", EventColumn.TIME]
    assert sql_values.row(kept, columns) == ["[1]", "k", float(2**63), None, 1.5e-06]

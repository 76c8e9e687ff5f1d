"""SQL over streams and feature tables, against plain Python."""

from __future__ import annotations

import json
import math
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.event_store import Keeping, Kept, open_store
from polyvm.host.sql import Database, SqlError, StoreSource
from polyvm.host.streams import Declared, packed
from polyvm.vm import Executor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def database(
    folder: Path, streams: dict[str, list[Any]], **declared: Declared
) -> Iterator[Database]:
    store = open_store(Keeping(folder=folder, streams=declared))
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle, streams=packed(declared))
        for name, events in streams.items():
            data = b"".join(map(msgspec.msgpack.encode, events))
            assert executor.triggers.ingest(data, stream=name).error is None
    made = Database(StoreSource(store, folder))
    yield made
    made.close()
    store.close()


def rows(made: Database, query: str) -> list[tuple[Any, ...]]:
    return list(made.query(query).rows)


def test_streams_are_tables(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    clicks = [
        {"key": f"u{draw.randrange(5)}", "ts": 1000 + n / 4, "price": draw.randrange(100)}
        for n in range(500)
    ]
    users = [{"key": f"u{n}", "name": f"name {n}"} for n in range(5)]
    with database(tmp_path, {"clicks": clicks, "users": users}) as made:
        names = ["sequence", "time", "arrival", "key", "rest", "event_key", "ts", "price"]
        assert made.query("select * from clicks").columns == names
        assert rows(made, "select sequence, time, key, price from clicks") == [
            (n, each["ts"], each["key"], each["price"]) for n, each in enumerate(clicks, 1)
        ]
        found = rows(
            made,
            "select u.name, sum(c.price), count(*) from clicks c join users u using (key) "
            "group by 1 order by 1",
        )
        assert found == [
            (
                user["name"],
                sum(each["price"] for each in clicks if each["key"] == user["key"]),
                sum(each["key"] == user["key"] for each in clicks),
            )
            for user in users
            if any(each["key"] == user["key"] for each in clicks)
        ]
        recent = "with r as (select * from CLICKS where time >= 1100) select count(*) from r"
        assert rows(made, recent) == [(sum(each["ts"] >= 1100 for each in clicks),)]


def test_values_are_what_they_were(tmp_path: Path) -> None:
    values = [
        1,
        -(2**63),
        2**63 - 1,
        2**64 - 1,
        1.5,
        math.inf,
        True,
        None,
        "ü\0x",
        b"\x00\xff",
        [1, {"a": None}],
        {},
    ]
    with database(tmp_path, {"v": [{"x": value} for value in values]}) as made:
        found = [row[0] for row in rows(made, "select x from v")]
        assert found[:3] == values[:3]
        assert found[3] == float(2**64 - 1)
        assert found[4:10] == [1.5, math.inf, 1, None, "ü\0x", b"\x00\xff"]
        assert [json.loads(each) for each in found[10:]] == values[10:]
        assert rows(made, "select json_extract(x, '$[0]') from v where x like '[1%'") == [(1,)]


def test_odd_names(tmp_path: Path) -> None:
    events = [
        {"Sequence": 1, "KEY": "k", "a": 1, "A": 2, 'q"uote': 3, "": 4, "rest": 5, "select": 6},
        {"late": 7, 12: 8},
    ]
    streams = {'odd "name"; drop': events, "dead-letters.x": [{"n": 1}], "sqlite_x": [{"n": 1}]}
    with database(tmp_path, streams) as made:
        table = '"odd ""name""; drop"'
        first, second = rows(
            made,
            'select event_Sequence, event_KEY, a, event_A, "q""uote", _, event_rest, "select", '
            f'late, "12" from {table}',
        )
        assert first == (1, "k", 1, 2, 3, 4, 5, 6, None, None)
        assert second == (None,) * 8 + (7, 8)
        assert rows(made, 'select n from "dead-letters.x"') == [(1,)]
        with pytest.raises(SqlError, match="cannot be a table"):
            made.query("select * from sqlite_x")


def test_many_fields(tmp_path: Path) -> None:
    wide = {f"f{n}": n for n in range(2500)}
    with database(tmp_path, {"w": [wide, {"f0": 7}]}) as made:
        assert rows(made, "select f0, f1899 from w") == [(0, 1899), (7, None)]
        (rest,) = rows(made, "select rest from w limit 1")
        assert json.loads(rest[0]) == {f"f{n}": n for n in range(1900, 2500)}


def test_declared_columns_are_there_before_any_event(tmp_path: Path) -> None:
    declared = Declared(fields={"a": "int?", "b": "str?"})
    with database(tmp_path, {"s": [{"a": 1}]}, s=declared) as made:
        assert rows(made, "select a, b from s") == [(1, None)]


def test_feature_tables_are_their_latest_rows() -> None:
    class Fixed:
        def streams(self) -> list[str]:
            return ["features.ipv"]

        def fields(self, stream: str) -> list[str]:
            del stream
            return []

        def events(self, stream: str) -> list[Kept]:
            del stream
            puts = [("a", 1, {"x": 1}), ("b", 1, {"x": 2}), ("a", 5, {"x": 3, "y": [1]})]
            puts += [("a", 3, {"x": 4}), ("b", 2, None), ("c", 2, None), ("c", 3, {"x": 9})]
            return [Kept(n, at * 10**9, 0, key, row) for n, (key, at, row) in enumerate(puts, 1)]

    made = Database(Fixed())
    assert rows(made, "select key, time, x, y from features.ipv order by key") == [
        ("a", 5, 3, "[1]"),
        ("c", 3, 9, None),
    ]
    made.close()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select * from nowhere", "there is no stream or table 'nowhere'; there are: s"),
        ("select nope from s", "no such column: nope"),
        ("selec 1", 'near "selec": syntax error'),
        ("", "gives no rows"),
        ("delete from s", "one SELECT"),
        ("drop table s", "one SELECT"),
        ("attach '/tmp/x' as y", "one SELECT"),
        ("pragma query_only", "one SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("select load_extension('x')", "one SELECT"),
        ("insert into s (a) values (1)", "one SELECT"),
        ("create table t as select 1", "one SELECT"),
        ("create temp table t (a)", "one SELECT"),
        ("begin", "one SELECT"),
        ("vacuum into '/tmp/polyvm-sql-test'", "one SELECT"),
        ("update s set a = 2", "one SELECT"),
        ("select * from a.s", "no stream or table 'a.s'"),
        ("select '\0'", "cannot be run"),
        ("select json_extract('x', '$') from s", "malformed JSON"),
    ],
)
def test_queries_that_cannot_be_run(tmp_path: Path, query: str, words: str) -> None:
    with database(tmp_path, {"s": [{"a": 1}]}) as made:
        with pytest.raises(SqlError) as caught:
            rows(made, query)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert rows(made, "select a from s") == [(1,)]

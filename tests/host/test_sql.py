"""SQL over streams and feature tables, against plain Python."""

from __future__ import annotations

import json
import math
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import sql
from polyvm.host.event_store import Fields, Keeping, Kept, open_store
from polyvm.host.sql import Database, SqlError
from polyvm.host.sql_sources import Source, Span, StoreSource
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


class Fixed(Source):
    """One stream of fixed events; what was read of it."""

    def __init__(self, stream: str, events: list[Kept], *, private: bool = False) -> None:
        self.stream = stream
        self.kept = events
        self.private = private
        self.reads: list[int] = []
        self.ttl = 0

    def streams(self) -> list[str]:
        return [self.stream]

    def declared(self, stream: str) -> list[str]:
        assert stream == self.stream
        return []

    def fields(self, stream: str, sequence: int) -> Fields:
        found = self.events(stream, sequence, 7)
        names = [str(name) for each in found if each.event for name in each.event]
        behind = found[-1].sequence + 1 if found else 0
        return Fields(behind, len(found), list(dict.fromkeys(names)))

    def events(self, stream: str, sequence: int, most: int) -> list[Kept]:
        assert stream == self.stream
        self.reads.append(most)
        return [each for each in self.kept if each.sequence >= sequence][:most]

    def in_memory(self, stream: str) -> bool:
        assert stream == self.stream
        return self.private

    def ttl_ns(self, stream: str) -> int:
        assert stream == self.stream
        return self.ttl


def test_feature_tables_are_their_latest_rows() -> None:
    puts: list[tuple[str, int, Any]]
    puts = [("a", 1, {"x": 1}), ("b", 1, {"x": 2}), ("a", 5, {"x": 3, "y": [1]})]
    puts += [("a", 3, {"x": 4}), ("b", 2, None), ("c", 2, None), ("c", 3, {"x": 9})]
    kept = [Kept(n, at * 10**9, 0, key, row) for n, (key, at, row) in enumerate(puts, 1)]
    made = Database(Fixed("features.ipv", kept))
    assert rows(made, "select key, time, x, y from features.ipv order by key") == [
        ("a", 5, 3, "[1]"),
        ("c", 3, 9, None),
    ]
    made.close()


def test_expired_keys_are_not_there() -> None:
    now = time.time_ns()
    hour = 3600 * 10**9
    came = [("a", 2), ("a", 0), ("b", 3), ("c", 2), ("c", 2)]  # hours ago
    kept = [Kept(n, 7, now - ago * hour, key, {"x": n}) for n, (key, ago) in enumerate(came, 1)]
    source = Fixed("features.t", kept)
    source.ttl = hour + hour // 2
    made = Database(source)
    assert rows(made, "select key, x from features.t") == [("a", 2)]
    made.close()
    source.ttl = 0
    made = Database(source)
    assert len(rows(made, "select key, x from features.t")) == 3
    made.close()


def test_only_columns_that_are_read_are_filled() -> None:
    events = [Kept(n, n, n, "k", {"a": n, "b": "x" * 50, f"c{n}": 1}) for n in range(1, 30)]
    source = Fixed("s", events)
    made = Database(source)

    def filled() -> set[str]:
        made._connection.set_authorizer(None)
        (count,) = made._connection.execute("select count(*) from main.s")
        assert count == (29,)
        cursor = made._connection.execute("select * from main.s")
        names = [each[0] for each in cursor.description]
        return {name for row in cursor for name, value in zip(names, row, strict=True) if value}

    assert rows(made, "select count(*) from s") == [(29,)]
    assert filled() == set()
    assert rows(made, "select sum(a) from s where c3 = 1") == [(3,)]
    assert filled() == {"a", "c3"}
    reads = len(source.reads)
    assert rows(made, "select max(A) from s t") == [(29,)]
    assert len(source.reads) == reads  # what is there is not read again
    assert rows(made, "select length(b), sequence from s limit 1") == [(50, 1)]
    assert filled() == {"a", "c3", "b", "sequence"}
    assert len(made.query("select * from s").columns) == 5 + 2 + 29
    assert len(filled()) == 4 + 2 + 29
    made.close()


def test_later_queries_see_the_same_events() -> None:
    source = Fixed("s", [Kept(n, n, n, "k", {"a": n, "b": n}) for n in range(1, 4)])
    made = Database(source)
    assert rows(made, "select sum(a) from s") == [(6,)]
    source.kept.append(Kept(4, 4, 4, "k", {"a": 4, "b": 4}))
    assert rows(made, "select sum(a), sum(b) from s") == [(6, 6)]
    made.close()


def test_what_is_private_comes_to_no_file() -> None:
    events = [Kept(n, n, n, "k", {"a": "x" * 1000}) for n in range(1, 3000)]
    for private in (False, True):
        made = Database(Fixed("s", events, private=private))
        assert rows(made, "select count(*) from (select a from s order by a, rowid)") == [(2999,)]
        made._connection.set_authorizer(None)
        (store,) = made._connection.execute("pragma temp_store").fetchone()
        assert (store == 2) == private
        schema = "private" if private else "main"
        (pages,) = made._connection.execute(f"pragma {schema}.page_count").fetchone()
        assert pages > 500
        made.close()


def test_too_much_for_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_MOST_PRIVATE", 1)
    events = [Kept(n, n, n, "k", {"a": "x" * 1000, "b": n}) for n in range(1, 3000)]
    made = Database(Fixed("s", events, private=True))
    with pytest.raises(SqlError, match=r"1 MiB of memory.*fewer columns"):
        made.query("select max(a) from s")
    assert rows(made, "select max(b) from s") == [(2999,)]
    made.close()


def test_reading_is_told_and_can_be_stopped() -> None:
    events = [Kept(n, n, n, "k", {"a": n}) for n in range(1, 25_001)]
    told: list[tuple[str, int, int]] = []
    made = Database(Fixed("s", events), told=lambda *what: told.append(what))
    assert rows(made, "select count(*) from s") == [(25_000,)]
    assert told == [("s", n, 25_000) for n in (10_000, 20_000, 25_000)]
    made.close()
    over: list[bool] = []
    made = Database(Fixed("s", events), lambda: bool(over), lambda *what: over.append(bool(what)))
    with pytest.raises(SqlError, match="stopped"):
        made.query("select count(*) from s")
    over.clear()
    endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c"
    made = Database(Fixed("s", events), lambda: True)
    with pytest.raises(SqlError, match="stopped"):
        made.query(endless)
    made.close()


def test_a_span_of_time(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    times = [draw.randrange(1000) for _ in range(3000)]
    store = open_store(Keeping(folder=tmp_path))
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle, streams=packed({}))
        data = b"".join(msgspec.msgpack.encode({"ts": each, f"f{each % 50}": 1}) for each in times)
        assert executor.triggers.ingest(data, stream="s").error is None
    for since, until in ((None, None), (100, None), (None, 800), (400, 420), (990, 5)):
        span = Span(*(None if each is None else each * 10**9 for each in (since, until)))
        made = Database(StoreSource(store, tmp_path, span))
        expected = [
            (n, each)
            for n, each in enumerate(times, 1)
            if (since is None or each >= since) and (until is None or each < until)
        ]
        assert rows(made, "select sequence, time from s") == expected
        columns = set(made.query("select * from s").columns)
        fields = {f"f{each % 50}" for _, each in expected}
        assert {name for name in columns if name[:1] == "f"} == fields
        made.close()
    store.close()


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

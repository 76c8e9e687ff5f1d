"""Queries whose rows become features, over a real store, against the same in plain Python."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import batch_features
from polyvm.host.batch_features import Done, JobError, Stopped
from polyvm.host.event_store import Keeping, open_store
from polyvm.host.features import FeatureTables, Given
from polyvm.host.jobs import Into, Job
from polyvm.host.sql import SqlError
from polyvm.host.tables import Bounds
from polyvm.vm import Executor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOTALS = (
    "select user, sum(price) as total, count(*) as n, max(none) as none from clicks group by user"
)


class Stage:
    """A store, tables over it, and an executor that appends events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(Keeping(folder=folder))
        self.tables = FeatureTables(self.store)
        self.executor = Executor(1)
        self.executor.triggers.configure(store=self.store.handle)
        self.stopping = threading.Event()
        self.now = 10**18

    def put(self, **event: Any) -> None:
        packed = msgspec.msgpack.encode({"stream": "clicks", "none": None, **event})
        self.executor.triggers.events([packed])

    def run(self, sql: str, *, since: str | None = None, **into: Any) -> Done:
        job = Job(
            name="j",
            every="1h",
            sql=sql,
            since=since,
            into=Into(**{"table": "totals", "key": "user", **into}),
        )
        return batch_features.run(
            job,
            self.store,
            self.folder,
            self.tables,
            stopping=self.stopping,
            now_ns=lambda: self.now,
        )

    def rows(self) -> dict[str, Any]:
        return {row.key: row.values for row in self.tables.scan("totals")}

    def close(self) -> None:
        self.executor.close()
        self.tables.close()
        self.store.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "kept")
    yield made
    made.close()


def test_rows_are_those_of_a_plain_computation(stage: Stage) -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    plain: defaultdict[str, list[int]] = defaultdict(list)
    for _ in range(500):
        user, price = choose.choice(["ada", "bob", 7, "é"]), choose.randrange(1000)
        stage.put(user=user, price=price)
        plain[str(user)].append(price)
    assert stage.run(TOTALS) == Done(len(plain), 0)
    assert stage.rows() == {
        user: {"total": sum(prices), "n": len(prices)} for user, prices in plain.items()
    }
    assert {row.time_ns for row in stage.tables.scan("totals")} == {10**18}


def test_readers_as_of_an_earlier_time_see_none_of_it(stage: Stage) -> None:
    stage.tables.declare({"totals": Bounds(versions=10)})
    stage.put(user="ada", price=1)
    stage.run(TOTALS)
    stage.put(user="ada", price=2)
    stage.now += 5
    stage.run(TOTALS)
    found = [stage.tables.get("totals", "ada", 10**18 + at) for at in (-1, 0, 4, 5)]
    assert [row and row.values["total"] for row in found] == [None, 1, 1, 3]


def test_keys_that_are_gone_and_features_that_stay(stage: Stage) -> None:
    stage.put(user="ada", price=1)
    stage.tables.find("totals")
    stage.tables.put("totals", [Given(key="bob", values={"age": 3}, time_ns=1)])
    stage.tables.put("totals", [Given(key="ada", values={"age": 4}, time_ns=1)])
    assert stage.run(TOTALS, merge=True) == Done(1, 0)
    assert stage.rows() == {"ada": {"age": 4, "total": 1, "n": 1}, "bob": {"age": 3}}
    stage.now += 1
    assert stage.run(TOTALS, remove=True) == Done(1, 1)
    assert stage.rows() == {"ada": {"total": 1, "n": 1}}


def test_a_query_sees_recent_events_and_whole_tables(stage: Stage) -> None:
    second = stage.now // 10**9
    stage.put(user="ada", price=1, ts=second - 7200)
    stage.put(user="bob", price=2, ts=second - 60)
    assert stage.run(TOTALS, since="1h") == Done(1, 0)
    assert stage.rows() == {"bob": {"total": 2, "n": 1}}
    joined = """
        select user, t.total + sum(price) as total from clicks
        join features.totals as t on t.key = user group by user
    """
    assert stage.run(joined, since="1h") == Done(1, 0)
    assert stage.rows() == {"bob": {"total": 4}}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select 1 as other from clicks", "no column 'user' for the key; it has: other"),
        ("select user, 1 as a, 2 as a from clicks", "two columns"),
        ("select user, 1 as a from clicks", "two rows have the key 'ada'"),
        ("select null as user", "is None; a key"),
        ("select 1.5 as user", "a text or an integer"),
        ("select x'00' as user", "a text or an integer"),
        ("select nope from clicks", "no such column"),
        ("select user from nowhere", "no stream or table 'nowhere'"),
        ("delete from clicks", "changes nothing"),
    ],
)
def test_mistakes_put_nothing(stage: Stage, sql: str, reason: str) -> None:
    stage.put(user="ada", price=1)
    stage.put(user="ada", price=1)
    stage.run(TOTALS)
    before = stage.rows()
    with pytest.raises((JobError, SqlError), match=reason):
        stage.run(sql)
    assert stage.rows() == before


def test_a_row_that_is_too_large_says_how_far_it_came(stage: Stage) -> None:
    with pytest.raises(JobError, match="0 of 1 rows were put in 'totals': "):
        stage.run("select 'ada' as user, hex(zeroblob(1000000)) as much")


def test_it_ends_when_the_host_stops(stage: Stage) -> None:
    stage.put(user="ada", price=1)
    stage.stopping.set()
    with pytest.raises(Stopped):
        stage.run(TOTALS)
    with pytest.raises(Stopped):
        stage.run("select 1 as user")


class Later(threading.Event):
    """Set when it has been asked for a few times."""

    asked = 0

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked > 5


def test_a_query_that_would_not_end_does_when_the_host_stops(stage: Stage) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) "
    stage.stopping = Later()
    with pytest.raises(Stopped):
        stage.run(endless + "select count(*) as user from n")


def test_too_many_rows(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_features, "MOST_ROWS", 100)
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) "
    with pytest.raises(JobError, match="more than 100 rows"):
        stage.run(endless + "select i as user from n")


def test_recent_events_come_whatever_their_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_features, "_AT_ONCE", 7)
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    second = stage.now // 10**9
    plain: defaultdict[str, int] = defaultdict(int)
    for number in range(100):
        age = choose.randrange(7200)
        stage.put(user=f"u{number % 9}", price=number, ts=second - age)
        if age <= 3600:
            plain[f"u{number % 9}"] += number
    stage.run(TOTALS, since="1h")
    assert {key: values["total"] for key, values in stage.rows().items()} == plain

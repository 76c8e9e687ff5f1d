"""Series as they are asked for: from a folder, from a host, and with mistakes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from polyvm.host import series
from polyvm.host.errors import MissingError, UsageError
from polyvm.host.event_store import Keeping, open_store
from polyvm.vm import Executor
from tests.conftest import write_task
from tests.e2e.conftest import Cli, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polyvm.vm import EventStore

EVENTS = [{"stream": "s", "key": "ä", "ts": n, "x": n * n} for n in range(10)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    made = open_store(Keeping(folder=tmp_path / "kept"))
    with Executor(1) as executor:
        executor.triggers.configure(store=made.handle)
        executor.triggers.events([msgspec.msgpack.encode(event) for event in EVENTS])
    yield made
    made.close()


def test_rows_have_names(store: EventStore) -> None:
    query = series.Query(stream="s", field="x", key="ä", step="4s", agg="first,count", fill="-1")
    assert series.read(store, query) == [
        {"time": 0.0, "first": 0.0, "count": 4},
        {"time": 4.0, "first": 16.0, "count": 4},
        {"time": 8.0, "first": 64.0, "count": 2},
    ]
    points = series.read(store, series.Query(stream="s", field="x", since=2.5, until=4))
    assert points == [{"time": 3.0, "value": 9.0}]
    assert series.read(store, series.Query(stream="s", field="x", key="none")) == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"agg": "sum"}, "name the length"),
        ({"fill": "0"}, "name the length"),
        ({"step": "1m", "fill": "zero"}, "no number"),
        ({"step": "1m", "fill": "nan"}, "no number"),
        ({"step": "soon"}, "step 'soon'"),
        ({"step": "0s"}, "more than 0"),
        ({"since": 1e300}, "from 1e"),
        ({"since": float("nan")}, "from nan"),
        ({"since": 2, "until": 1}, "ends before"),
        ({"step": "1m", "agg": "median"}, "one of count"),
    ],
)
def test_mistakes(store: EventStore, query: dict[str, str], reason: str) -> None:
    made = msgspec.structs.replace(series.Query(stream="s", field="x"), **query)
    with pytest.raises(UsageError, match=reason):
        series.read(store, made)


def test_no_such_stream(store: EventStore) -> None:
    with pytest.raises(MissingError, match="there are: s"):
        series.read(store, series.Query(field="x"))


def test_a_running_host_answers_as_the_folder_does(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    write_task(tmp_path / "tasks" / "t", "def run(x): pass\n", events='["none"]')
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    arguments = ["run", "tasks", "--input", "in.jsonl", "--events", "kept", "--no-table"]
    process = cli.start(*arguments, "--keep-running", "--socket", "s")
    asked = ["--stream", "s", "--field", "x", "--step", "1s", "--agg", "sum", "--until", "10"]
    try:
        wait_for(
            lambda: cli("series", "--socket", "s", *asked).out.count("\n") == len(EVENTS), "rows"
        )
        answer = cli("series", "--socket", "s", *asked)
        for wrong in (["--agg", "median"], ["--stream", "none"]):
            refused = cli("series", "--socket", "s", *asked, *wrong)
            assert refused.code != 0
            assert refused.err.startswith("polyvm: s: ")
        process.terminate()
        process.wait(60)
    finally:
        process.kill()
        process.communicate()
    assert cli("series", "kept", *asked).out == answer.out
    assert [json.loads(line) for line in answer.out.splitlines()] == [
        {"time": float(event["ts"]), "sum": float(event["x"])} for event in EVENTS
    ]

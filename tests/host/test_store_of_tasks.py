"""Tables, events and series as tasks have them: the same from a VM, a process and `polyvm dev`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from polyvm.host import dev, streams
from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.event_store import Keeping
from polyvm.host.features import Given
from tests.conftest import write_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polyvm.host.features import FeatureTables

PATIENCE = 60.0

DOES = """
import polyvm
from dataclasses import dataclass

@dataclass
class Row:
    n: int

rows = polyvm.features("rows")
VALUES = {
    "$object": object(), "$big": 10**30, "$nan": float("nan"), "$row": Row(7), "$tuple": (1, 2),
    "$surrogate": chr(0xd800), "$bool": True, "$deep": {"a": {1: [None, b"x"]}},
}

def events(*args, **named):
    return [[e.sequence, e.time, e.key, e.event] for e in polyvm.events(*args, **named)]

def other(name, key):
    return polyvm.features(name).get(key)

def meant(value):
    return VALUES.get(value, value) if isinstance(value, str) else value

DOES = {
    "get": rows.get, "get_many": rows.get_many, "put": rows.put, "remove": rows.remove,
    "history": rows.history, "append": polyvm.append, "events": events, "series": polyvm.series,
    "other": other,
}

def run(x):
    named = {name: meant(value) for name, value in x["named"].items()}
    try:
        return DOES[x["do"]](*map(meant, x["args"]), **named)
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}
"""
TABLES = """
[[tables]]
name = "rows"
versions = 1000

[[flows]]
name = "counting"
from = "events"
steps = [
  {filter = "event == 'view'"},
  {key_by = "user"},
  {window = {running = true}, columns = {views = "count()"}},
]
into = {table = "views"}
"""
DECLARED = """
[streams.orders]
fields = {user = "str", n = "int", ts = "time"}
id = "order"
duplicates = "10m"
"""


class Place:
    """Where the task of one test runs."""

    def __init__(
        self, ask: Callable[[Any], Any], features: FeatureTables, event: Callable[..., Any]
    ) -> None:
        self._ask = ask
        self.features = features
        self.event = event

    def __call__(self, does: str, *args: Any, **named: Any) -> Any:
        return self._ask({"do": does, "args": list(args), "named": named})


@pytest.fixture(params=["vm", "process", "dev"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Run a task somewhere: ``place(kept=False)`` keeps no events."""
    closers: list[Callable[[], Any]] = []

    def make(main: str = DOES, more: str = TABLES, *, kept: bool = True) -> Place:
        isolation = "process" if request.param == "process" else "vm"
        folder = write_task(tmp_path / "tasks" / "does", main, isolation=isolation)
        with (folder / "task.toml").open("a") as file:
            file.write(more)
        declared = tmp_path / "streams.toml"
        declared.write_text(DECLARED)
        if request.param == "dev":
            given = dev.Options(events=tmp_path / "kept", streams=declared)
            context = dev.opened(folder, given if kept else None)
            task = context.__enter__()
            closers.append(lambda: context.__exit__(None, None, None))

            def ask(payload: Any) -> Any:
                answer = task(payload)
                assert answer.failure is None, answer.failure
                return answer.value

            return Place(ask, task.features, task.event)
        keeping = Keeping(folder=tmp_path / "kept", streams=streams.read(declared))
        host = Host(
            Options(
                tasks=tmp_path / "tasks",
                workers=1,
                packed=tmp_path / "packed",
                policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
                keeping=keeping if kept else None,
            )
        )
        closers.append(host.close)
        return Place(lambda x: host.submit("does", x).result(), host.features, host.event)

    yield make
    for close in closers:
        close()


def test_rows(place: Callable[..., Place]) -> None:
    does = place()
    assert does("get", "ada") is None
    assert does("put", "ada", {"n": 1, "deep": {"a": [1.5, None, b"x"]}}, at=100) is None
    assert does("put", "ada", {"m": 2}, at=200, merge=True) is None
    assert does("get", "ada") == {"n": 1, "deep": {"a": [1.5, None, b"x"]}, "m": 2}
    assert does("get", "ada", at=150.5) == {"n": 1, "deep": {"a": [1.5, None, b"x"]}}
    assert does("get", "ada", at=99.999) is None
    assert does("remove", "ada", at=300) is None
    assert does("get", "ada") is None
    assert does("get", "ada", 299)["m"] == 2
    assert [at for at, _ in does("history", "ada")] == [100.0, 200.0]
    assert does("put", 17, "$row") is None
    assert does("get", b"17") == {"n": 7}
    assert does("get_many", [17, "17", b"none"]) == [{"n": 7}, {"n": 7}, None]
    assert does("get_many", []) == []
    assert does("history", "none") == []
    assert abs(does("history", 17)[0][0] - time.time()) < PATIENCE
    does.features.put("rows", [Given(key="bob", values={"n": 3}, time_ns=5)])
    assert does("get", "bob") == {"n": 3}
    row = does.features.get("rows", "ada", 250 * 10**9)
    assert row is not None
    assert row.values["m"] == 2


class Refused(NamedTuple):
    does: str
    args: list[Any]
    error: str
    text: str
    named: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


NO_MAP = "its values are no map whose names are text"
NO_KEY = "a key is a str, bytes or an int, not "
NO_TABLE = (
    "there is no table of features 'none'; there are: rows, views. A manifest declares one with "
    "[[tables]]"
)
REFUSED = [
    Refused("get", [None], "TypeError", f"{NO_KEY}'NoneType'"),
    Refused("get", ["$bool"], "TypeError", f"{NO_KEY}'bool'"),
    Refused("get", ["$surrogate"], "UnicodeEncodeError", "surrogates not allowed"),
    Refused("get", ["a"], "ValueError", "within 292 years", {"at": "$nan"}),
    Refused("get", ["a"], "ValueError", "within 292 years", {"at": 10**10}),
    Refused("get", ["a"], "TypeError", "of seconds since the epoch, not 'str'", {"at": "now"}),
    Refused("get_many", [5], "TypeError", "'int' object is not iterable"),
    Refused("put", ["a", 5], "ValueError", NO_MAP),
    Refused("put", ["a", None], "ValueError", NO_MAP),
    Refused("put", ["a", {1: 2}], "ValueError", NO_MAP),
    Refused("put", ["a", {"x": "y" * 2**21}], "ValueError", "and a row 1 MiB"),
    Refused("put", ["k" * 2000, {}], "ValueError", "a key takes at most 1024 bytes"),
    Refused("put", ["a", "$object"], "TypeError", "a value of type 'object' cannot be returned"),
    Refused("put", ["a", "$big"], "OverflowError", "64 bits"),
    Refused("remove", ["a"], "TypeError", "not 'str'", {"at": "x"}),
    Refused("other", ["none", "a"], "LookupError", NO_TABLE),
    Refused("append", [5], "TypeError", "'int' object is not iterable"),
    Refused("append", [[5]], "TypeError", "an event is a dict, not 'int'"),
    Refused("append", ["$tuple"], "TypeError", "an event is a dict, not 'int'"),
    Refused("events", ["none"], "LookupError", "there is no stream 'none'"),
    Refused("events", [5], "TypeError", "kept_events(stream: str, key, since, until, after, most)"),
    Refused("events", ["events", "$bool"], "TypeError", NO_KEY),
    Refused("events", [], "OverflowError", "", {"after": -2}),
    Refused("events", [], "TypeError", "", {"most": "x"}),
    Refused("events", [], "TypeError", "not 'str'", {"since": "x"}),
    Refused("series", ["n", "none"], "LookupError", "there is no stream 'none'"),
    Refused("series", ["n"], "ValueError", "the step of a series is more than 0", {"step": 0}),
    Refused("series", ["n"], "ValueError", "a function of a series", {"step": 1, "agg": "x"}),
    Refused("series", ["n"], "ValueError", "gaps are filled by one", {"step": 1, "fill": "x"}),
    Refused("series", ["n"], "ValueError", "ends before it begins", {"since": 5, "until": 5}),
    Refused("series", [5], "TypeError", "the stream, field, agg and fill of a series are texts"),
    Refused(
        "series",
        ["n"],
        "ValueError",
        "the series has more than 10000 rows",
        {"step": 0.001, "since": 0, "until": 100, "fill": "null"},
    ),
]


def test_what_is_refused(place: Callable[..., Place]) -> None:
    does = place()
    assert does("append", {"event": "a", "n": 1, "ts": 10}) == 1
    for case in REFUSED:
        told = does(case.does, *case.args, **case.named)
        assert isinstance(told, dict), (case, told)
        assert told["error"] == case.error, (case, told)
        assert case.text in told["text"], (case, told)


def test_events(place: Callable[..., Place]) -> None:
    does = place()
    events = [
        {"event": "view", "key": "ada", "user": "ada", "ts": 10, "n": 1},
        {"event": "view", "key": 7, "ts": 11.5, "stream": "other", "deep": {"a": [None]}},
        {"event": "view", "key": "ada", "user": "ada", "ts": 12, "n": 2},
    ]
    assert does("append", events) == 3
    last = {"event": "view", "key": "bob", "user": "bob", "ts": 11}
    assert does("append", last) == 1
    assert does("append", []) == 0
    expected = [[1, 10.0, "ada", events[0]], [2, 12.0, "ada", events[2]], [3, 11.0, "bob", last]]
    assert does("events") == expected
    assert does("events", key="ada") == [expected[1], expected[0]]
    assert does("events", key="ada", until=11) == [expected[0]]
    assert does("events", key="ada", since=10, most=1) == [expected[1]]
    assert does("events", key="ada", since=10, until=12, most=1) == [expected[0]]
    assert does("events", since=10.5, until=12) == [expected[2]]
    assert does("events", until=0) == []
    assert does("events", after=2) == [expected[2]]
    assert does("events", most=0) == []
    assert does("events", "other", 7) == [[1, 11.5, "7", events[1]]]
    # a flow of the manifest takes them before the call returns
    assert does("other", "views", "ada") == {"user": "ada", "views": 2}
    does.event({"event": "view", "key": "eve", "user": "ada", "ts": 13})
    assert does("other", "views", "ada") == {"user": "ada", "views": 3}
    assert does("series", "n", key="ada") == [[10.0, 1.0], [12.0, 2.0]]
    assert does("series", "n", step=10, agg="count,max", fill="null", until=30) == [
        [10.0, 2, 2.0],
        [20.0, None, None],
    ]
    assert does("series", "n", step=10, agg="sum", fill=0, since=0, until=20) == [
        [0.0, 0.0],
        [10.0, 3.0],
    ]


def test_declared_streams(place: Callable[..., Place]) -> None:
    does = place()
    order = {"stream": "orders", "order": 1, "user": "ada", "n": 1, "ts": 10}
    bad = {"stream": "orders", "order": 2, "user": "ada", "n": "one", "ts": 11}
    assert does("append", [order, order, bad, {**order, "order": 3}]) == 2
    assert [number for number, *_ in does("events", "orders")] == [1, 2]
    ((_, _, key, letter),) = does("events", "dead-letters")
    assert (key, letter["source"]) == ("orders", "does")
    assert letter["reason"] == "field 'n' is to be an integer and is text"


def test_without_kept_events(place: Callable[..., Place]) -> None:
    does = place(kept=False)
    for name in ("events", "series"):
        told = does(name, *(["n"] if name == "series" else []))
        assert told["error"] == "RuntimeError"
        assert told["text"] == "this host keeps no events; it does with --events DIR"
    assert does("append", {"event": "view", "user": "ada"}) == 1
    assert does("other", "views", "ada") == {"user": "ada", "views": 1}
    assert does("put", "ada", {"n": 1}) is None
    assert does("get", "ada") == {"n": 1}


def test_a_thousand_rows(place: Callable[..., Place]) -> None:
    does = place()
    rows = [Given(key=f"k{n}", values={"n": n, "pad": "x" * 1000}, time_ns=n) for n in range(1000)]
    does.features.put("rows", rows)
    found = does("get_many", [f"k{n}" for n in range(1000)])
    assert [row["n"] for row in found] == list(range(1000))
    assert does("append", [{"event": "a", "n": n, "pad": "x" * 1000} for n in range(1000)]) == 1000
    assert [event["n"] for *_, event in does("events")] == list(range(1000))


AGAIN = """
import polyvm
seen = polyvm.features("seen")
def run(start):
    n = start["event"]["n"]
    try:
        polyvm.append({"event": "again", "n": n + 1})
    except RuntimeError as error:
        seen.put("end", {"n": n, "why": str(error)})
"""
BY_ITSELF = """
[[tables]]
name = "seen"

[[triggers]]
sequence = [{type = "again"}]
"""


def test_tasks_that_start_each_other_come_to_an_end(place: Callable[..., Place]) -> None:
    does = place(AGAIN, BY_ITSELF)
    does.event({"event": "again", "n": 0})
    end = time.monotonic() + PATIENCE
    while (row := does.features.get("seen", "end")) is None:
        assert time.monotonic() < end, "no run was refused"
        time.sleep(0.01)
    assert row.values["n"] == 8
    assert "8 times in a row: it may append none" in row.values["why"]

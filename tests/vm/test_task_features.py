"""Tables of features, read and written by tasks in VMs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from polyvm.vm import EventStore, Executor, Features, Level, Limits, Outcome
from tests.vm.programs import failure_of, pack, program, unpack, value_of
from tests.vm.tables import value_at


def ran(executor: Executor, task: int, payload: Any = None) -> tuple[Outcome, bytes]:
    ended = executor.invoke(task, pack(payload))
    return ended.outcome, ended.data


READS = """
import polyvm
table = polyvm.features("t")
def run(x):
    got = table.get(x)
    assert got is None or got["sum"] == got["a"] + got["b"], got
    many = table.get_many([x, "none", 7])
    assert many[1] is None
    return [got, many[2], table.history(x), table.get(x, at=2.5)]
"""

WRITES = """
import polyvm
def run(x):
    t = polyvm.features("t")
    t.put(x, {"a": 1}, at=2)
    t.put(x, {"b": 2}, at=3, merge=True)
    t.put(7, {"n": [1.5, None, "é", b"x"]}, at=1)
    t.remove("gone", at=5)
    t.put("now", {"z": 1})
    return t.history(x)
"""


def test_tasks_read_and_write(features: Features) -> None:
    features.open("t", versions=3)
    with Executor(workers=1) as executor:
        features.attach(executor)
        write = executor.add(program(WRITES, "writes"))
        assert value_of(ran(executor, write, "ada")) == [
            [2.0, {"a": 1}],
            [3.0, {"a": 1, "b": 2}],
        ]
        assert value_at(features, "t", "ada", 2_000_000_000) == {"a": 1}
        assert value_at(features, "t", "7") == {"n": [1.5, None, "é", b"x"]}
        row = unpack(features.get("t", pack(["now"])))[0]
        assert abs(row[0] - time.time_ns()) < 60 * 10**9
        read = executor.add(program(READS.replace("assert got is None or", "x or"), "reads"))
        got, seven, history, earlier = value_of(ran(executor, read, "ada"))
        assert got == {"a": 1, "b": 2}
        assert seven == {"n": [1.5, None, "é", b"x"]}
        assert [at for at, _ in history] == [2.0, 3.0]
        assert earlier == {"a": 1}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (
            "polyvm.features('no').get('k')",
            "LookupError: there is no table of features 'no'; there are: t",
        ),
        (
            "polyvm.features('t').get(1.5)",
            "TypeError: a key is a str, bytes or an int, not 'float'",
        ),
        ("polyvm.features('t').get('\\ud800')", "UnicodeEncodeError"),
        ("polyvm.features('t').get('k', at='now')", "TypeError: a time is a number of seconds"),
        ("polyvm.features('t').get('k', at=1e300)", "ValueError: a time is a number of seconds"),
        ("polyvm.features('t').get('k', at=float('nan'))", "ValueError: a time is a number"),
        ("polyvm.features('t').put('k', [1])", "ValueError: its values are no map"),
        ("polyvm.features('t').put('k', {1: 2})", "ValueError: its values are no map"),
        ("polyvm.features('t').put('k' * 2000, {})", "ValueError: a key takes at most 1024"),
        ("polyvm.features('t').put('k', {'a': object()})", "TypeError: a value of type 'object'"),
        ("polyvm.append(1)", "TypeError"),
        ("polyvm.append([{}, 1])", "TypeError: an event is a dict, not 'int'"),
        ("polyvm.events('no')", "RuntimeError: this host keeps no events"),
    ],
)
def test_what_tasks_get_wrong(features: Features, call: str, why: str) -> None:
    with Executor(workers=1) as executor:
        features.attach(executor)
        task = executor.add(program(f"import polyvm\ndef run(x):\n    {call}\n"))
        assert why in failure_of(ran(executor, task))


def test_without_a_host() -> None:
    with Executor(workers=1) as executor:
        task = executor.add(
            program("import polyvm\ndef run(x):\n    polyvm.features('t').get('k')\n")
        )
        assert "this host has no tables of features" in failure_of(ran(executor, task))


def test_eight_vms_read_while_others_write(features: Features) -> None:
    over = threading.Event()

    def write() -> None:
        n = 0
        while not over.is_set():
            n += 1
            rows = [[key, None, {"a": n, "b": i, "sum": n + i}] for i, key in enumerate("abcdefgh")]
            assert features.put("t", pack(rows)).error is None

    features.open("t", versions=2)
    writers = [threading.Thread(target=write) for _ in range(2)]
    with Executor(workers=8) as executor:
        features.attach(executor)
        source = """
import polyvm
table = polyvm.features("t")
def run(x):
    seen = 0
    for turn in range(200):
        for key in x:
            got = table.get(key)
            if got is not None:
                assert got["sum"] == got["a"] + got["b"], got
                seen += 1
    return seen
"""
        tasks = [executor.add(program(source, f"reads{i}")) for i in range(8)]
        for writer in writers:
            writer.start()
        try:
            for task in tasks:
                executor.submit(task, pack("abcdefgh"))
            ended = []
            while len(ended) < len(tasks):
                ended += list(executor.collect(timeout_ms=1000))
        finally:
            over.set()
            for writer in writers:
                writer.join()
        for completion in ended:
            assert unpack(completion.data) > 0, completion
    assert features.stats()[0].gets >= 8 * 200 * 8


def test_what_is_put_counts_towards_the_quota(features: Features) -> None:
    """A task that builds more than it may is stopped; the host's table is as before."""
    source = """
import polyvm
def run(x):
    polyvm.features("t").put("k", {str(i): "x" * 1000 for i in range(100_000)})
"""
    with Executor(workers=1) as executor:
        features.attach(executor)
        task = executor.add(program(source), limits=Limits(memory_bytes=16 << 20))
        outcome, _ = ran(executor, task)
        assert outcome in (Outcome.OVER_QUOTA, Outcome.FAILED)
        assert value_at(features, "t", "k") is None


def test_an_endless_task_is_stopped_and_the_table_is_whole(features: Features) -> None:
    source = """
import polyvm
t = polyvm.features("t")
def run(x):
    while True:
        t.put("k", {"a": 1, "b": 1})
        t.get_many(["k"] * 10_000)
        t.history("k")
"""
    with Executor(workers=1) as executor:
        features.attach(executor)
        task = executor.add(program(source), limits=Limits(timeout_ns=100_000_000))
        for _ in range(3):
            assert ran(executor, task)[0] is Outcome.TIMED_OUT
            assert value_at(features, "t", "k") == {"a": 1, "b": 1}
            assert features.put("t", pack([["k", None, {"n": 1}]])).error is None


@pytest.mark.parametrize("level", [Level.FLUSHED, Level.SYNCED])
def test_confined_tasks_write_to_the_disk(tmp_path: Path, level: Level) -> None:
    """Segments are begun, and synced, though the thread of the task may open no files."""
    store = EventStore(tmp_path / "kept", segment_bytes=65536, level=level)
    features = Features(store)
    features.open("t")
    source = """
import polyvm
def run(x):
    t = polyvm.features("t")
    for i in range(60):
        t.put(i, {"pad": "x" * 5000})
    return len(t.get_many(range(60)))
"""
    with Executor(workers=2) as executor:
        features.attach(executor)
        task = executor.add(program(source))
        assert value_of(ran(executor, task)) == 60
    stream = store.streams()[0]
    assert stream.segments >= 4
    assert stream.synced == (stream.next - 1 if level is Level.SYNCED else 0)
    features.close()
    store.close()

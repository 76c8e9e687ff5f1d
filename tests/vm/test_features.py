"""Tables of features: against a naive model, from VMs, and over the end of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from polyvm.host.sealing import events_key
from polyvm.vm import (
    LATEST,
    EventStore,
    Executor,
    Features,
    Level,
    Limits,
    Outcome,
    StateError,
    StoreError,
    UnknownTask,
    VmError,
)
from tests.vm.programs import apart_ok, failure_of, pack, program, unpack, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = ["ada", "bob", "", "ключ", "x" * 1024]
NAMES = ["a", "b", "long name of a feature that takes more than 31 bytes"]


def rows_of(features: Features, table: str, key: str) -> list[tuple[int, dict[str, Any]]]:
    packed = features.history(table, key.encode())
    return [(time_ns, values) for _, time_ns, _, values in unpack(packed)]


def value_at(features: Features, table: str, key: str, at: int = LATEST) -> Any:
    row = unpack(features.get(table, pack([key]), at))[0]
    return None if row is None else row[2]


class Model(RuleBasedStateMachine):
    """Rows as dicts by time; a removal is None."""

    def __init__(self) -> None:
        super().__init__()
        self.features = Features()
        self.rows: dict[str, dict[int, dict[str, Any] | None]] = {}
        self.order: list[str] = []  # keys, the least recently written first
        self.versions = 1
        self.max_keys = 0

    @initialize(versions=st.integers(1, 4), max_keys=st.sampled_from([0, 1, 2, 4]))
    def open(self, versions: int, max_keys: int) -> None:
        self.versions, self.max_keys = versions, max_keys
        self.features.open("t", versions=versions, max_keys=max_keys)

    def _at(self, key: str, at: int) -> dict[str, Any] | None:
        times = [each for each in self.rows.get(key, {}) if each <= at]
        return self.rows[key][max(times)] if times else None

    def _write(self, key: str, at: int, row: dict[str, Any] | None) -> None:
        rows = dict(self.rows.get(key, {}))
        if sum(each > at for each in rows) >= self.versions:
            return
        rows[at] = row
        while len(rows) > self.versions:
            del rows[min(rows)]
        self.rows[key] = rows
        self.order = [each for each in self.order if each != key] + [key]
        while self.max_keys and len(self.order) > self.max_keys:
            del self.rows[self.order.pop(0)]

    @rule(
        key=st.sampled_from(KEYS),
        at=st.integers(-3, 12),
        values=st.dictionaries(st.sampled_from(NAMES), st.integers() | st.none(), max_size=3),
        merge=st.booleans(),
    )
    def put(self, key: str, at: int, values: dict[str, Any], merge: bool) -> None:
        values = {name: value for name, value in values.items() if value is None or -9 < value < 9}
        report = self.features.put("t", pack([[key, at, values]]), merge=merge)
        assert report.put == 1
        assert report.error is None
        before = self._at(key, at) if merge else None
        self._write(key, at, {**(before or {}), **values})

    @rule(key=st.sampled_from(KEYS), at=st.integers(-3, 12))
    def remove(self, key: str, at: int) -> None:
        assert self.features.put("t", pack([[key, at, None]])).error is None
        self._write(key, at, None)

    @rule(versions=st.integers(1, 4))
    def keep_fewer(self, versions: int) -> None:
        self.versions = versions
        self.features.open("t", versions=versions, max_keys=self.max_keys)
        for rows in self.rows.values():
            while len(rows) > versions:
                del rows[min(rows)]

    @rule(key=st.sampled_from(KEYS), at=st.integers(-4, 14) | st.just(LATEST))
    def get(self, key: str, at: int) -> None:
        assert value_at(self.features, "t", key, at) == self._at(key, at)

    @rule(key=st.sampled_from(KEYS))
    def history(self, key: str) -> None:
        expected = sorted(self.rows.get(key, {}).items())
        seen = rows_of(self.features, "t", key)
        assert seen == [(at, row) for at, row in expected if row is not None]

    @rule(at=st.integers(-4, 14) | st.just(LATEST))
    def scan(self, at: int) -> None:
        seen = {key.decode(): values for key, _, _, values in unpack(self.features.scan("t", at))}
        every = {key: self._at(key, at) for key in self.rows}
        assert seen == {key: row for key, row in every.items() if row is not None}

    @invariant()
    def counts(self) -> None:
        if self.features.stats():
            stats = self.features.stats()[0]
            assert stats.keys == len(self.rows)
            rows = [row for each in self.rows.values() for row in each.values()]
            assert stats.rows == sum(row is not None for row in rows)

    def teardown(self) -> None:
        self.features.close()


class KeptModel(Model):
    """The same with a store, in small segments, that is closed and opened again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.features.close()
        self.folder = tempfile.TemporaryDirectory()
        self._open_store()

    def _open_store(self) -> None:
        self.store = EventStore(Path(self.folder.name) / "kept", segment_bytes=65536)
        self.features = Features(self.store)

    @initialize(versions=st.integers(1, 4))
    def open(self, versions: int) -> None:  # type: ignore[override]
        super().open(versions, 0)

    @rule(versions=st.integers(1, 4))
    def keep_fewer(self, versions: int) -> None:
        """Never more: what is still in a file would come back."""
        super().keep_fewer(min(versions, self.versions))

    @rule(key=st.sampled_from(KEYS[:2]), start=st.integers(-3, 12), count=st.integers(1, 400))
    def put_many(self, key: str, start: int, count: int) -> None:
        """So many that rows are carried on from segment to segment."""
        rows = [[key, start + n % 3, {"n": n, "pad": "x" * 500}] for n in range(count)]
        assert self.features.put("t", pack(rows)).error is None
        for _, at, row in rows:
            self._write(key, at, row)

    @rule()
    def reopen(self) -> None:
        self.features.close()
        self.store.close()
        self._open_store()
        self.features.open("t", versions=self.versions)

    def teardown(self) -> None:
        super().teardown()
        self.store.close()
        self.folder.cleanup()


KeptModel.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestKeptModel = KeptModel.TestCase
Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase


# ---- What a table refuses -------------------------------------------------


@pytest.fixture
def features() -> Iterator[Features]:
    made = Features()
    made.open("t")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (["k", 1, [1]], "no map whose names are text"),
        (["k", 1, {1: 2}], "no map whose names are text"),
        (["k" * 1025, 1, {}], "a key takes at most 1024 bytes"),
        (["k", 1, {"a": b"x" * (1 << 20)}], "a row 1 MiB"),
        (["k", 1.5, {}], "the time of a row"),
        (["k", 2**63, {}], "the time of a row"),
        (["k", 1], "a row is a key, a time and a map"),
        ([True, 1, {}], "a key is text or an integer"),
        ("row", "a row is a key, a time and a map"),
    ],
)
def test_bad_rows_are_refused_and_those_before_are_put(
    features: Features, row: Any, why: str
) -> None:
    report = features.put("t", pack([["before", 1, {"a": 1}], row, ["after", 1, {"a": 1}]]))
    assert report.put == 1
    assert why in str(report.error)
    assert value_at(features, "t", "before") == {"a": 1}
    assert value_at(features, "t", "after") is None


def test_what_is_no_row_at_all(features: Features) -> None:
    for data in (b"", b"\xc1", b"\xdd\xff\xff\xff\xff", pack({"a": 1})):
        try:
            report = features.put("t", data)
        except VmError:
            continue
        assert report.error is not None
    with pytest.raises(UnknownTask):
        features.put("other", pack([]))
    with pytest.raises(VmError, match="1 to 54 bytes"):
        features.open("x" * 55)
    with pytest.raises(VmError, match="1 to 4096 versions"):
        features.open("many", versions=5000)


def test_bytes_are_bounded(features: Features) -> None:
    features.open("small", max_bytes=20_000)
    for i in range(1000):
        assert features.put("small", pack([[i, 1, {"a": "x" * 100}]])).error is None
    stats = next(each for each in features.stats() if each.name == "small")
    assert 0 < stats.bytes <= 20_000
    assert stats.keys + stats.dropped == 1000
    assert value_at(features, "small", "999") == {"a": "x" * 100}
    assert value_at(features, "small", "0") is None


def test_keys_that_rest_expire(features: Features) -> None:
    features.open("brief", ttl_ns=1, versions=3)
    now = time.time_ns()
    features.put("brief", pack([["k", now - 100, {"a": 1}], ["k", now, {"b": 1}]]), merge=True)
    deadline = time.time_ns() + 10**9
    while value_at(features, "brief", "k") is not None:
        assert time.time_ns() < deadline
    assert rows_of(features, "brief", "k") == []
    for i in range(200):  # every part has its turn
        features.put("brief", pack([[f"other {i}", now, {}]]))
    stats = next(each for each in features.stats() if each.name == "brief")
    assert stats.expired > 0
    features.open("long", ttl_ns=10**18, versions=3)
    features.put("long", pack([["k", 0, {"a": 1}]]))
    assert value_at(features, "long", "k", 10**18) == {"a": 1}
    assert value_at(features, "long", "k", 10**18 + 1) is None


def test_only_one_set_of_tables_an_executor(features: Features) -> None:
    with Executor(workers=1) as executor:
        features.attach(executor)
        with pytest.raises(StateError):
            features.attach(executor)
    # the executor is gone before the tables are


def ran(executor: Executor, task: int, payload: Any = None) -> tuple[Outcome, bytes]:
    ended = executor.invoke(task, pack(payload))
    return ended.outcome, ended.data


# ---- From VMs --------------------------------------------------------------

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


# ---- What is kept ----------------------------------------------------------


def test_rows_come_back(tmp_path: Path) -> None:
    rows = [[f"k{i}", i, {"n": i}] for i in range(100)]
    for turn in range(3):
        store = EventStore(tmp_path / "kept", segment_bytes=65536)
        features = Features(store)
        features.open("t", versions=3)
        if turn:
            assert value_at(features, "t", "k7") == {"n": 7}
            assert value_at(features, "t", "k8") is None
            assert rows_of(features, "t", "k9") == [(9, {"n": 9}), (10, {"n": 9, "m": 1})]
            row = unpack(features.get("t", pack(["k9"])))[0]
            before, row[1] = row[1], 0
            assert before >= 100
        features.put("t", pack([*rows, ["k8", 9, None]]))
        features.put("t", pack([["k9", 10, {"m": 1}]]), merge=True)
        assert store.streams()[0].name == "features.t"
        features.close()
        store.close()


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("level", [Level.FLUSHED, Level.SYNCED])
def test_what_is_of_no_use_goes_and_the_rest_stays(
    tmp_path: Path, level: Level, sealed: bool
) -> None:
    """A table that is written again and again: its files stay few, also with limits of others."""
    key = events_key.generate()
    expected: list[Any] = []
    for turn in range(3):
        store = EventStore(
            tmp_path / "kept", segment_bytes=65536, keep_events=10, sealing=key.sealing()
        )
        store.declare("features.t", level=level, sealed=sealed)
        features = Features(store)
        features.open("t", versions=2)
        lasting = [[f"lasting {i}", 1, {"n": i, "pad": "y" * 50}] for i in range(300)]
        if turn == 0:
            features.put("t", pack(lasting))
        else:
            found = unpack(features.scan("t"))
            seen = sorted(([name, at, row] for name, at, _, row in found), key=str)
            assert seen == expected
        for n in range(40):
            rows = [[i % 30, 10_000 * turn + 50 * n + i, {"pad": "x" * 300}] for i in range(50)]
            assert features.put("t", pack(rows)).error is None
        assert value_at(features, "t", "lasting 299") == lasting[-1][2]
        stream = next(each for each in store.streams() if each.name == "features.t")
        assert stream.dropped > 0
        assert stream.segments < 10
        assert stream.sealed is sealed
        assert stream.synced == (stream.next - 1 if level is Level.SYNCED else 0)
        found = unpack(features.scan("t"))
        expected = sorted(([name, at, row] for name, at, _, row in found), key=str)
        features.close()
        store.close()


KILLED = """
import sys, msgspec
from pathlib import Path
from polyvm.vm import EventStore, Features
pack = msgspec.msgpack.encode
store = EventStore(Path(sys.argv[1]), segment_bytes=65536)
features = Features(store)
features.open("t", versions=2)
n = 0
while True:
    n += 1
    report = features.put("t", pack([[n % 50, n, {"n": n, "pad": "x" * (n % 200)}]]))
    assert report.error is None
    sys.stdout.buffer.write(b"%d\\n" % n)
    sys.stdout.buffer.flush()
"""


@pytest.mark.parametrize("wanted", [1, 700, 9000])
def test_every_accepted_row_outlives_a_kill(tmp_path: Path, wanted: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "kept")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        accepted = 0
        for line in child.stdout:
            accepted = int(line)
            if accepted >= wanted:
                break
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().split(b"\n")[:-1]
        accepted = int(rest[-1]) if rest else accepted
    store = EventStore(tmp_path / "kept", segment_bytes=65536)
    features = Features(store)
    features.open("t", versions=2)
    for key in range(1, min(accepted, 49) + 1):
        latest = accepted - (accepted - key) % 50
        row = value_at(features, "t", str(key))
        assert row["n"] >= latest, key
        assert row["pad"] == "x" * (row["n"] % 200)
        if latest > 50:
            assert len(rows_of(features, "t", str(key))) == 2
    if wanted == 9000:  # what has no use goes, however long it is written
        assert store.streams()[0].segments < 8
    features.close()
    store.close()


def test_a_full_disk_refuses_and_changes_nothing(tmp_path: Path) -> None:
    """In a process of its own, whose files may grow no further."""
    source = f"""
import resource, signal, msgspec
from pathlib import Path
from polyvm.vm import EventStore, Features
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
pack, unpack = msgspec.msgpack.encode, msgspec.msgpack.decode
store = EventStore(Path({str(tmp_path / "kept")!r}), segment_bytes=65536)
features = Features(store)
features.open("t")
assert features.put("t", pack([["k", 1, {{"n": 1}}]])).error is None
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
n = 1
while True:
    report = features.put("t", pack([["k", n + 1, {{"n": n + 1, "pad": "x" * 1000}}]]))
    if report.error is not None:
        break
    n += 1
print(type(report.error).__name__, report.error)
assert unpack(features.get("t", pack(["k"])))[0][2]["n"] == n
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert features.put("t", pack([["k", n + 1, {{"n": n + 1}}]])).error is None
assert unpack(features.get("t", pack(["k"])))[0][2]["n"] == n + 1
"""
    assert "StoreError it could not be kept" in apart_ok(source)


def test_a_child_reads_and_does_not_write(features: Features) -> None:
    features.put("t", pack([["k", 1, {"n": 1}]]))
    child = os.fork()
    if child == 0:
        try:
            refused = features.put("t", pack([["k", 2, {"n": 2}]])).error is not None
            os._exit(0 if refused and value_at(features, "t", "k") == {"n": 1} else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


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


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    with pytest.raises(StoreError):
        EventStore(tmp_path / "kept")

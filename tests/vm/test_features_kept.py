"""Tables of features in a store: over the end of the process, full disks and damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polyvm.host.sealing import events_key
from polyvm.vm import EventStore, Features, Level, StoreError
from tests.vm.programs import apart_ok, pack, unpack
from tests.vm.tables import rows_of, value_at


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


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    with pytest.raises(StoreError):
        EventStore(tmp_path / "kept")

"""Sealed streams and levels, through the library: what files show, keys, threads, features too."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.sealing import events_key
from polyvm.vm import (
    EventStore,
    Executor,
    Features,
    Level,
    Sealing,
    StoreError,
    UnknownTask,
    VmError,
    rekey,
    seal_stream,
)

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT = 1 << 16


@pytest.fixture(params=["aes", "xchacha"])
def sealing(request: pytest.FixtureRequest) -> Sealing:
    made = events_key.generate().sealing()
    if request.param == "xchacha":
        return made._replace(aes_seal=0, aes_unseal=0)
    if made.aes_seal == 0:
        pytest.skip("the processor has no instructions for AES")
    return made


def pack(**event: Any) -> bytes:
    return msgspec.msgpack.encode(event)


def put(store: EventStore, events: list[bytes]) -> None:
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)
        executor.triggers.events(events)


def read(store: EventStore, stream: str = "events", **query: Any) -> list[Any]:
    found: list[Any] = msgspec.msgpack.decode(store.read(stream, **query))
    return found


def content(folder: Path) -> bytes:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return b"".join(path.read_bytes() for path in files)


def test_events_are_read_as_they_came(tmp_path: Path, sealing: Sealing) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    events = [
        {"event": "needle", "key": f"Ключ-{draw.randrange(9)}", "ts": 7_000_000 + n, "n": n}
        for n in range(3000)
    ]
    store = EventStore(tmp_path, segment_bytes=SEGMENT, sealing=sealing)
    store.declare("events", sealed=True)
    put(store, [msgspec.msgpack.encode(each) for each in events])
    for _ in range(2):
        assert [each[4] for each in read(store)] == events
        assert [each[4] for each in read(store, sequence=2001, most=5)] == events[2000:2005]
        of_key = [each for each in events if each["key"] == "Ключ-5"]
        assert [each[4] for each in read(store, key="Ключ-5".encode())] == of_key[::-1]
        span = read(store, from_ns=7_000_100 * 10**9, until_ns=7_000_200 * 10**9)
        assert [each[4] for each in span] == events[100:200]
        (stream,) = store.streams()
        assert (stream.sealed, stream.level, stream.damaged) == (True, "flushed", 0)
        assert stream.segments > 2
        found = content(tmp_path)
        for secret in (b"needle", "Ключ".encode(), sealing.key, sealing.key[:16]):
            assert secret not in found
        store.close()
        store = EventStore(tmp_path, sealing=sealing)
    store.close()
    assert not list(tmp_path.glob("stream-*"))


def test_keys(tmp_path: Path, sealing: Sealing) -> None:
    store = EventStore(tmp_path, segment_bytes=SEGMENT, sealing=sealing)
    store.declare("users", sealed=True)
    put(store, [pack(stream="users", n=n, pad="x" * 500) for n in range(400)])
    store.close()
    before = content(tmp_path)
    other = events_key.generate().sealing()
    with pytest.raises(VmError, match="sealed with another key"):
        EventStore(tmp_path, sealing=other)
    with pytest.raises(VmError, match="the key is missing"):
        EventStore(tmp_path)
    with pytest.raises(VmError, match="neither the old key nor the new one"):
        rekey(tmp_path, other, other)
    assert content(tmp_path) == before
    files = len(list(tmp_path.rglob("*.events")))
    assert rekey(tmp_path, sealing, other) == files
    assert rekey(tmp_path, sealing, other) == files  # once more is no harm
    with pytest.raises(VmError, match="sealed with another key"):
        EventStore(tmp_path, sealing=sealing)
    store = EventStore(tmp_path, sealing=other)
    assert [each[4]["n"] for each in read(store, "users")] == list(range(400))
    with pytest.raises(VmError, match="another process has this store open"):
        rekey(tmp_path, other, sealing)
    store.close()


def test_what_was_plain_is_sealed(tmp_path: Path, sealing: Sealing) -> None:
    store = EventStore(tmp_path, segment_bytes=SEGMENT)
    put(store, [pack(stream="Ключ", n=n, pad="needle" * 50) for n in range(1000)])
    (tmp_path / "stream-empty").mkdir()
    store.close()
    with pytest.raises(UnknownTask, match="there is no stream none"):
        seal_stream(tmp_path, "none", sealing)
    assert seal_stream(tmp_path, "Ключ", sealing) == 1000
    assert seal_stream(tmp_path, "Ключ", sealing) is None
    assert seal_stream(tmp_path, "empty", sealing) == 0
    assert b"needle" not in content(tmp_path)
    store = EventStore(tmp_path, sealing=sealing)
    assert [each[4]["n"] for each in read(store, "Ключ")] == list(range(1000))
    store.declare("Ключ", sealed=True)
    with pytest.raises(VmError, match="another process has this store open"):
        seal_stream(tmp_path, "Ключ", sealing)
    store.close()


def test_levels(tmp_path: Path, sealing: Sealing) -> None:
    store = EventStore(tmp_path, level=Level.SYNCED, sealing=sealing)
    store.declare("fleeting", level=Level.MEMORY)
    store.declare("lasting", sealed=True)
    store.declare("usual", level=Level.FLUSHED)
    names = ["fleeting", "lasting", "usual"]
    put(store, [pack(stream=name, n=n) for n in range(100) for name in names])
    found = {each.name: each for each in store.streams()}
    assert {name: (found[name].level, found[name].synced) for name in names} == {
        "fleeting": ("memory", 0),
        "lasting": ("synced", 100),
        "usual": ("flushed", 0),
    }
    assert all(len(read(store, name)) == 100 for name in names)
    assert {path.parent.name for path in tmp_path.rglob("*.events")} == {
        "stream-lasting",
        "stream-usual",
    }
    store.sync()
    store.close()
    store = EventStore(tmp_path, sealing=sealing)
    assert sorted(each.name for each in store.streams()) == ["lasting", "usual"]
    for name, level, why in [
        ("usual", Level.MEMORY, "has events that are in files"),
        ("lasting", Level.MEMORY, "has events that are in files"),
    ]:
        with pytest.raises(VmError, match=why):
            store.declare(name, level=level)
    with pytest.raises(VmError, match="has events that are not sealed"):
        store.declare("usual", sealed=True)
    store.close()
    store = EventStore(tmp_path / "other")
    with pytest.raises(StoreError, match="there is no key"):
        store.declare("x", sealed=True)
    store.close()


def test_features_are_rows_of_a_sealed_stream(tmp_path: Path, sealing: Sealing) -> None:
    for turn in range(2):
        store = EventStore(tmp_path, level=Level.SYNCED, sealing=sealing)
        store.declare("features.users", sealed=True)
        features = Features(store)
        features.open("users")
        rows = [["needle-key", None, {"name": "needle-value", "turn": turn}]]
        if turn == 1:
            (row,) = msgspec.msgpack.decode(
                features.get("users", msgspec.msgpack.encode(["needle-key"]))
            )
            assert row[2] == {"name": "needle-value", "turn": 0}
        assert features.put("users", msgspec.msgpack.encode(rows)).put == 1
        (stream,) = store.streams()
        assert (stream.sealed, stream.next, stream.synced) == (True, turn + 2, turn + 2 - 1)
        assert b"needle" not in content(tmp_path)
        features.close()
        store.close()


def test_a_stream_in_memory_is_bounded(tmp_path: Path) -> None:
    store = EventStore(tmp_path, keep_events=100, segment_bytes=SEGMENT)
    store.declare("fleeting", level=Level.MEMORY)
    put(store, [pack(stream="fleeting", n=n, pad="x" * 500) for n in range(2000)])
    kept = [each[4]["n"] for each in read(store, "fleeting")]
    assert kept == list(range(2000))[-len(kept) :]
    assert 100 <= len(kept) < 400
    store.close()


def test_threads(tmp_path: Path, sealing: Sealing) -> None:
    """Several append while others read what was sealed, and segments come and go."""
    store = EventStore(tmp_path, segment_bytes=SEGMENT, keep_events=2000, sealing=sealing)
    store.declare("events", sealed=True)
    done = threading.Event()
    wrong: list[Any] = []

    def look() -> None:
        while not done.is_set():
            numbers = [each[0] for each in read(store)]
            of_key = [each[4]["n"] for each in read(store, key=b"1")]
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False:
                wrong.append(numbers)
            if any(n % 5 != 1 for n in of_key):
                wrong.append(of_key)

    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)

        def write(start: int) -> None:
            for at in range(start, start + 2000, 20):
                executor.triggers.events(
                    [pack(key=str(n % 5), n=n, pad="x" * 100) for n in range(at, at + 20)]
                )

        readers = [threading.Thread(target=look) for _ in range(2)]
        writers = [threading.Thread(target=write, args=(start,)) for start in (0, 10_000, 20_000)]
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
    assert wrong == []
    (stream,) = store.streams()
    assert stream.next == 6001
    store.close()


KILLED = """
import os, pathlib, signal, sys
import msgspec
from polyvm.host.sealing import events_key
from polyvm.vm import EventStore, Executor
sealing = events_key.load(sys.argv[2]).sealing()
store = EventStore(pathlib.Path(sys.argv[1]), segment_bytes=1 << 16, sealing=sealing)
store.declare("events", sealed=True)
with Executor(1) as executor:
    executor.triggers.configure(store=store.handle)
    for n in range(1000):
        executor.triggers.event(msgspec.msgpack.encode({"n": n, "pad": "x" * 300}))
        print(n, flush=True)
        if n == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_host_has_sealed_what_it_accepted(tmp_path: Path) -> None:
    key = events_key.generate()
    path = events_key.keep(key, tmp_path / "keys")
    draw = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    count = 0
    for _ in range(3):
        last = draw.randrange(400)
        command = [sys.executable, "-c", KILLED, str(tmp_path / "kept"), str(path), str(last)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.splitlines()[-1] == str(last), done.stderr
        count += last + 1
        store = EventStore(tmp_path / "kept", sealing=key.sealing())
        assert len(read(store)) == count
        assert read(store)[-1][4]["n"] == last
        store.close()

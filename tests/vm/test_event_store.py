"""Events that an executor keeps: what is read is what came, after restarts and on full disks too."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.vm import EventStore, Executor, Level, UnknownTask, VmError

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT = 1 << 16
PAGE = 4096  # the head of a segment


def pack(**event: Any) -> bytes:
    return msgspec.msgpack.encode(event)


def put(store: EventStore, events: list[bytes]) -> None:
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)
        executor.triggers.events(events)


def read(store: EventStore, stream: str = "events", **query: Any) -> list[Any]:
    found: list[Any] = msgspec.msgpack.decode(store.read(stream, **query))
    return found


def test_keys_times_and_numbers(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    events = [
        {"event": "e", "key": f"k{draw.randrange(9)}", "ts": draw.randrange(10_000), "n": n}
        for n in range(3000)
    ]
    store = EventStore(tmp_path / "kept", segment_bytes=SEGMENT)
    put(store, [msgspec.msgpack.encode(each) for each in events])
    for _ in range(2):
        assert [each[4] for each in read(store)] == events
        assert [each[4] for each in read(store, sequence=2001, most=5)] == events[2000:2005]
        of_key = [each for each in events if each["key"] == "k5"]
        assert [each[4] for each in read(store, key=b"k5")] == of_key[::-1]
        span = [each for each in events if 3000 <= each["ts"] < 3500]
        found = read(store, from_ns=3000 * 10**9, until_ns=3500 * 10**9)
        assert [each[4] for each in found] == span
        assert all(time == event["ts"] * 10**9 for _, time, _, _, event in found)
        assert read(store, key=b"nobody") == []
        both = [each for each in of_key if 3000 <= each["ts"] < 3500]
        found = read(store, key=b"k5", from_ns=3000 * 10**9, until_ns=3500 * 10**9)
        assert [each[4] for each in found] == both[::-1]
        found = read(store, key=b"k5", from_ns=3000 * 10**9, until_ns=3500 * 10**9, most=2)
        assert [each[4] for each in found] == both[::-1][:2]
        whole = store.read("events")
        assert store.read("events", max_bytes=len(whole) + 100) == whole
        with pytest.raises(VmError, match="memory") as caught:
            store.read("events", max_bytes=len(whole) - 1)
        assert caught.value.status == -1
        (stream,) = store.streams()
        assert (stream.first, stream.next, stream.damaged) == (1, 3001, 0)
        assert stream.segments > 2
        store.close()
        store = EventStore(tmp_path / "kept")
    store.close()


def test_streams_and_odd_names(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "kept")
    names = ["clicks", "../up", "a/b", "Ä%00", "events"]
    put(store, [pack(event="e", stream=name, key="ключ") for name in names] + [pack(text="plain")])
    put(store, [pack(stream="x" * 64), pack(stream="x" * 65), pack(stream="")])
    store.close()
    store = EventStore(tmp_path / "kept")
    found = sorted(each.name for each in store.streams())
    assert found == sorted([*names, "x" * 64, "misnamed"])
    assert [each[4]["stream"] for each in read(store, "misnamed")] == ["x" * 65, ""]
    assert [each[3] for each in read(store, "../up")] == ["ключ".encode()]
    assert [each[4] for each in read(store, "events", sequence=2)] == [{"text": "plain"}]
    with pytest.raises(UnknownTask):
        store.read("other")
    assert {path.name for path in tmp_path.iterdir()} == {"kept"}
    store.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    code = f"import pathlib, polyvm.vm\npolyvm.vm.EventStore(pathlib.Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process has this store open" in done.stderr
    store.close()


FULL = """
import pathlib, resource, sys
import msgspec
from polyvm.vm import EventStore, Executor, Level, StoreError
store = EventStore(pathlib.Path(sys.argv[1]), segment_bytes=1 << 16)
event = msgspec.msgpack.encode({"event": "e", "pad": "x" * 1000})
with Executor(1) as executor:
    executor.triggers.configure(store=store.handle)
    executor.triggers.events([event] * 100)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    taken = 0
    try:
        while True:
            executor.triggers.event(event)
            taken += 1
    except StoreError as error:
        print(error)
    assert executor.triggers.all_stats().events == 100 + taken
    kept = msgspec.msgpack.decode(store.read("events"))
    assert [each[0] for each in kept] == list(range(1, 101 + taken))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    executor.triggers.events([event] * 100)
    assert len(msgspec.msgpack.decode(store.read("events"))) == 200 + taken
store.close()
"""


def test_a_full_disk_refuses_and_nothing_else_happens(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "kept")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the event store did not take it: is the disk full?\n"


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "stream-events").glob("*.events"))


def filled(folder: Path) -> int:
    store = EventStore(folder, segment_bytes=SEGMENT, level=Level.SYNCED)
    put(store, [pack(event="e", n=n, pad="x" * 500) for n in range(400)])
    store.close()
    return len(segments(folder))


def test_a_damaged_event_costs_the_rest_of_its_segment(tmp_path: Path) -> None:
    assert filled(tmp_path) > 2
    first = segments(tmp_path)[0]
    content = bytearray(first.read_bytes())
    content[PAGE + 30_000] ^= 1
    first.write_bytes(content)
    store = EventStore(tmp_path)
    numbers = [each[4]["n"] for each in read(store)]
    (stream,) = store.streams()
    lost = stream.damaged
    gap = next(i for i, n in enumerate(numbers) if i != n)
    assert numbers == [*range(gap), *range(gap + lost, 400)]
    assert 20 < gap < 70
    assert [each[0] for each in read(store, sequence=gap + 2, most=1)] == [gap + lost + 1]
    store.close()


def test_a_damaged_head_puts_the_file_aside(tmp_path: Path) -> None:
    filled(tmp_path)
    files = segments(tmp_path)
    content = bytearray(files[1].read_bytes())
    content[20] ^= 1
    files[1].write_bytes(content)
    store = EventStore(tmp_path)
    (stream,) = store.streams()
    assert stream.aside == 1
    assert stream.damaged > 0
    assert len(read(store)) == 400 - stream.damaged
    assert files[1].with_name(f"{files[1].name}.damaged").exists()
    put(store, [pack(event="e", n=400)])
    assert read(store)[-1][4]["n"] == 400
    store.close()


def test_a_cut_off_end_is_told_from_damage(tmp_path: Path) -> None:
    filled(tmp_path)
    last = segments(tmp_path)[-1]
    content = last.read_bytes().rstrip(b"\0")
    last.write_bytes(content[:-100])
    store = EventStore(tmp_path)
    (stream,) = store.streams()
    assert stream.damaged == 0
    assert stream.cleared > 0
    assert [each[4]["n"] for each in read(store)] == list(range(399))
    store.close()


def test_limits_give_up_the_oldest(tmp_path: Path) -> None:
    store = EventStore(tmp_path, segment_bytes=SEGMENT, keep_events=100)
    put(store, [pack(event="e", n=n, pad="x" * 500) for n in range(2000)])
    (stream,) = store.streams()
    kept = [each[4]["n"] for each in read(store)]
    assert kept == list(range(2000))[-len(kept) :]
    assert 100 <= len(kept) < 400
    assert stream.dropped == 2000 - len(kept)
    store.close()


@pytest.mark.parametrize("size", [0, 1000, 4097, 2**31 + 4096])
def test_segment_sizes_that_cannot_be(tmp_path: Path, size: int) -> None:
    if size == 0:
        EventStore(tmp_path, segment_bytes=size).close()
        return
    with pytest.raises(Exception, match="segments have 64 KiB to 2 GiB"):
        EventStore(tmp_path, segment_bytes=size)

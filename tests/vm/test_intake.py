"""Events on their way in: schemas, duplicates, dead letters and JSON lines, against naive models."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyvm.vm import DecodeError, EventStore, Executor, UnknownTask, VmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polyvm.vm import Triggers

SEGMENT = 1 << 16
DEAD = "dead-letters"
pack = msgspec.msgpack.encode


@contextmanager
def taking(folder: Path, **streams: Any) -> Iterator[tuple[Triggers, EventStore]]:
    """The triggers of an executor that keeps events, and its store."""
    store = EventStore(folder, segment_bytes=SEGMENT)
    with Executor(1) as executor:
        declared = {"streams": pack(streams)} if streams else {}
        executor.triggers.configure(store=store.handle, **declared)
        yield executor.triggers, store
    store.close()


def kept(store: EventStore, stream: str = "events") -> list[Any]:
    try:
        return [each[4] for each in msgspec.msgpack.decode(store.read(stream))]
    except UnknownTask:
        return []


# ---- Schemas -------------------------------------------------------------


def fits(kind: str, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "str": isinstance(value, str),
        "int": number and isinstance(value, int),
        "float": number,
        "bool": isinstance(value, bool),
        "time": number and not math.isnan(value) and 0 <= value * 10**9 < 2**63,
        "list": isinstance(value, list),
        "map": isinstance(value, dict),
        "any": True,
    }[kind]


def model(fields: dict[str, str], extra: bool, event: dict[str, Any]) -> str | None:
    """The field that is wrong; None: the event fits."""
    for name, value in event.items():
        kind = fields.get(name)
        if kind is None:
            if not extra and name != "stream":
                return name
            continue
        if value is None and (kind.endswith("?") or kind == "any"):
            continue
        if not fits(kind.removesuffix("?"), value):
            return name
    for name, kind in fields.items():
        if name not in event and not kind.endswith("?"):
            return name
    return None


KINDS = st.sampled_from(["str", "int", "float", "bool", "time", "list", "map", "any"])
NAMES = st.sampled_from(["a", "b", "ключ", "a" * 40, "stream2", "time2"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 5), max_size=20),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(
    fields=st.dictionaries(NAMES, st.builds("{}{}".format, KINDS, st.sampled_from(["", "?"]))),
    extra=st.booleans(),
    events=st.lists(st.dictionaries(NAMES, VALUES), max_size=30),
)
def test_what_fits_a_schema_is_what_a_naive_check_says(
    tmp_path_factory: pytest.TempPathFactory,
    fields: dict[str, str],
    extra: bool,
    events: list[dict[str, Any]],
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    with taking(folder, s={"fields": fields, "open": extra}) as (triggers, store):
        named = [{"stream": "s", **event} for event in events]
        batch = triggers.events([pack(each) for each in named])
        wrong = [model(fields, extra, each) for each in named]
        assert batch.taken == len(events)
        assert batch.dead == len(events) - wrong.count(None)
        fine = [each for each, why in zip(named, wrong, strict=True) if why is None]
        assert list(map(repr, kept(store, "s"))) == list(map(repr, fine))
        told = kept(store, DEAD)
        for letter, (each, why) in zip(
            told, [pair for pair in zip(named, wrong, strict=True) if pair[1]], strict=True
        ):
            assert letter["reason"].startswith("field '")
            assert letter["stream"] == "s"
            assert repr(letter["event"]) == repr(each)
            if letter["reason"].endswith("is missing"):
                assert fields[letter["reason"].split("'")[1]][-1] != "?"
            else:
                assert letter["reason"].split("'")[1] == why


def test_reasons_are_sentences(tmp_path: Path) -> None:
    fields = {"user": "str", "n": "int?", "at": "time"}
    cases = [
        ({"user": 1, "at": 5}, "field 'user' is to be text and is an integer"),
        ({"user": "u"}, "field 'at' is missing"),
        ({"user": None, "at": 1}, "field 'user' is to be text and is null"),
        ({"user": "u", "at": -1}, "field 'at' is to be a time since the epoch and is out of range"),
        ({"user": "u", "at": "now"}, "field 'at' is to be a time since the epoch and is text"),
        ({"user": "u", "at": 1, "n": 1.0}, "field 'n' is to be an integer and is a number"),
        ({"user": "u", "at": 1, "x": []}, "field 'x' is not declared"),
    ]
    with taking(tmp_path, s={"fields": fields}) as (triggers, store):
        for event, _ in cases:
            triggers.ingest(pack(event), stream="s", source="a test")
        assert [letter["reason"] for letter in kept(store, DEAD)] == [why for _, why in cases]
        assert {letter["source"] for letter in kept(store, DEAD)} == {"a test"}
        twice = b"\x83\xa4user\xa1a\xa2at\x01\xa4user\xa1b"
        assert triggers.ingest(twice, stream="s").dead == 1
        assert kept(store, DEAD)[-1]["reason"] == "field 'user' is there twice"
        assert triggers.intake_stats("s").dead == len(cases) + 1
        with pytest.raises(UnknownTask):
            triggers.intake_stats("t")


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ({"s": {"fields": {"a": "text"}}}, "field 'a' has a type that is none of str, int"),
        ({"s": {"fields": {"": "str"}}}, "is no name of 1 to 256 bytes"),
        ({"s": {"fields": {f"f{n}": "int" for n in range(257)}}}, "at most 256"),
        ({"s": {"id": "a"}}, "go together"),
        ({"s": {"span_ns": 0, "id": "a"}}, "not as intake.h has it"),
        ({"s": {"what": 1}}, "not as intake.h has it"),
        ({"": {}}, "1 to 64 bytes"),
        ({"s": 1}, "is a map"),
    ],
)
def test_declarations_that_cannot_be(tmp_path: Path, streams: Any, words: str) -> None:
    with pytest.raises(VmError, match=words), taking(tmp_path, **streams):
        pass


# ---- What is refused in every stream -------------------------------------


def test_what_is_no_event_is_a_dead_letter_and_the_rest_goes_on(tmp_path: Path) -> None:
    big = "k" * 1_000_000
    deep: Any = 1
    for _ in range(130):
        deep = [deep]
    cases = [
        (pack([1]), "the event is no map", [1]),
        (b"\xc1", "the event is no MessagePack", b"\xc1"),
        (pack({"a": 1}) + b"\x01", "the event is no MessagePack", b"\x81\xa1a\x01\x01"),
        (pack({"ts": math.nan}), "its time is out of range", None),
        (pack({"ts": -0.5}), "its time is out of range", None),
        (pack({"ts": 2**40}), "its time is out of range", None),
        (pack({"stream": "dead-letters"}), "its stream is not for events from outside", None),
        (pack({"stream": "features.x"}), "its stream is not for events from outside", None),
        (b"\x81\xa1a\xa2\xc3\x28", "the event has a text that is not UTF-8", None),
        (b"\x81\x90\x01", "the event has a map with a key that is neither", None),
        (pack({"a": deep}), "the event is nested more than 128 deep", None),
        (pack({"key": big}), "its key has 1000000 bytes; it may have 65536", None),
        (pack({"pad": "x" * SEGMENT}), "the event is larger than a segment of the store", None),
    ]
    fine = pack({"event": "fine"})
    with taking(tmp_path) as (triggers, store):
        batch = triggers.events([each for case, _, _ in cases for each in (case, fine)])
        assert (batch.taken, batch.dead) == (2 * len(cases), len(cases))
        assert kept(store) == [{"event": "fine"}] * len(cases)
        letters = kept(store, DEAD)
        for letter, (packed, why, event) in zip(letters, cases, strict=True):
            assert letter["reason"].startswith(why)
            if event is not None:
                assert letter["event"] == event
            elif "bytes" in letter:
                assert letter["bytes"] == len(packed)
                assert packed.startswith(
                    letter["event"]
                    if isinstance(letter["event"], bytes)
                    else letter["event"].encode()
                )
        assert triggers.all_stats().dead == len(cases)


def test_without_a_store_all_is_as_it_was() -> None:
    with Executor(1) as executor:
        assert executor.triggers.events([pack({"ts": -1}), pack(5)]).dead == 0
        with pytest.raises(DecodeError):
            executor.triggers.events([b"\xc1"])
        with pytest.raises(VmError):
            executor.triggers.bury(b"x", "why")
    with Executor(1) as executor, pytest.raises(VmError, match="no store is given"):
        executor.triggers.configure(streams=pack({"s": {}}))


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    now = time.time()
    with taking(tmp_path, s={"clock_ns": 3600 * 10**9}) as (triggers, store):
        times = [now + 1800, now + 7200, 0, now - 10**8]
        batch = triggers.events([pack({"stream": "s", "ts": each}) for each in times])
        assert batch.dead == 1
        assert [each["ts"] for each in kept(store, "s")] == [times[0], times[2], times[3]]
        (letter,) = kept(store, DEAD)
        assert letter["reason"].startswith("its time is 7")
        assert letter["reason"].endswith("s ahead of the clock; it may be 3600 s")


# ---- Duplicates ----------------------------------------------------------


class Known:
    """Ids by pane, as duplicates.h says."""

    def __init__(self, span_ns: int) -> None:
        self.width = -(-span_ns // 8)
        self.newest = 0
        self.panes: dict[str, int] = {}

    def offer(self, name: str, time_ns: int) -> bool:
        """Whether it is new."""
        if name in self.panes and self.panes[name] >= self.newest - 8:
            return False
        pane = time_ns // self.width
        self.newest = max(self.newest, pane)
        self.panes[name] = max(pane, self.newest - 8)
        return True


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    span=st.integers(1, 400),
    ids=st.integers(1, 300),
    restart=st.integers(0, 2000),
)
def test_duplicates_are_those_of_a_naive_model(
    tmp_path_factory: pytest.TempPathFactory, seed: int, span: int, ids: int, restart: int
) -> None:
    draw = random.Random(seed)
    clock, events = 1000, []
    for _ in range(2000):
        clock += draw.choice([0, 0, 1, 3, draw.randrange(60), -draw.randrange(30)])
        clock = max(clock, 0)
        name: Any = draw.randrange(ids)
        events.append({"stream": "s", "i": draw.choice([name, str(name)]), "ts": clock})
    folder = tmp_path_factory.mktemp("kept")
    known = Known(span * 10**9)
    expected = [known.offer(str(each["i"]), each["ts"] * 10**9) for each in events]
    declared = {"s": {"id": "i", "span_ns": span * 10**9}}
    passed = 0
    for part in (events[:restart], events[restart:]):
        with taking(folder, **declared) as (triggers, store):
            batch = triggers.ingest(b"".join(map(pack, part)))
            passed += batch.duplicates
            assert batch.taken == len(part)
            found = kept(store, "s")
    assert passed == expected.count(False)
    assert found == [each for each, new in zip(events, expected, strict=True) if new]


def test_ids_beyond_the_most_are_forgotten_and_counted(tmp_path: Path) -> None:
    declared = {"id": "i", "span_ns": 1000 * 10**9, "most": 1000}
    with taking(tmp_path, s=declared) as (triggers, _):
        many = [{"stream": "s", "i": f"id {n}", "ts": n} for n in range(20_000)]
        assert triggers.ingest(b"".join(map(pack, many))).duplicates == 0
        stats = triggers.intake_stats("s")
        assert 300 < stats.ids <= 1016
        # what has been forgotten is at most what is not known any more
        assert 0 < stats.forgotten <= 20_000 - stats.ids
        assert stats.bytes < 16 * 8 * 1024
        assert triggers.ingest(pack(many[-1])).duplicates == 1
        same = [{"stream": "s", "i": f"at once {n}", "ts": 30_000} for n in range(5000)]
        assert triggers.ingest(b"".join(map(pack, same))).duplicates == 0
        assert triggers.intake_stats("s").ids <= 1016


def test_a_wrong_time_in_the_future_forgets_nothing(tmp_path: Path) -> None:
    now = time.time()
    declared = {"id": "i", "span_ns": 600 * 10**9, "clock_ns": 86400 * 10**9}
    with taking(tmp_path, s=declared) as (triggers, _):
        ids = [("a", now - 30), ("b", now + 80_000), ("a", now), ("b", now)]
        events = [pack({"stream": "s", "i": name, "ts": ts}) for name, ts in ids]
        assert triggers.events(events).duplicates == 2


def test_an_id_that_is_missing(tmp_path: Path) -> None:
    with taking(tmp_path, s={"id": "i", "span_ns": 1}) as (triggers, store):
        for event in ({"x": 1}, {"i": None}, {"i": 1.5}, {"i": [1]}):
            triggers.ingest(pack(event), stream="s")
        reasons = [each["reason"] for each in kept(store, DEAD)]
        assert (
            reasons
            == ["its id 'i' is missing"] * 2 + ["its id 'i' is neither text nor an integer"] * 2
        )


def test_threads_that_hand_in_the_same_events(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    events = [{"stream": "s", "i": n, "ts": 10**6 + n % 50} for n in range(3000)]
    passed = []
    with taking(tmp_path, s={"id": "i", "span_ns": 3600 * 10**9}) as (triggers, store):

        def hand_in(number: int) -> None:
            mine = random.Random(seed + number).sample(events, len(events))
            for start in range(0, len(mine), 100):
                part = b"".join(map(pack, mine[start : start + 100]))
                passed.append(triggers.ingest(part).duplicates)

        threads = [threading.Thread(target=hand_in, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(passed) == 5 * len(events)
        assert sorted(each["i"] for each in kept(store, "s")) == list(range(len(events)))


FULL = """
import pathlib, resource, sys
import msgspec
from polyvm.vm import EventStore, Executor, StoreError
pack = msgspec.msgpack.encode
store = EventStore(pathlib.Path(sys.argv[1]), segment_bytes=1 << 16)
events = b"".join(pack({"stream": "s", "i": n, "pad": "x" * 1000}) for n in range(200))
with Executor(1) as executor:
    declared = {"s": {"id": "i", "span_ns": 10**15}}
    executor.triggers.configure(store=store.handle, streams=pack(declared))
    executor.triggers.ingest(pack({"stream": "s", "i": -1}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    first = executor.triggers.ingest(events)
    assert isinstance(first.error, StoreError), first
    assert 0 < first.taken < 200 and first.duplicates == 0
    try:
        executor.triggers.ingest(pack({"stream": "s", "i": 1000, "pad": "x" * 1000}))
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    again = executor.triggers.ingest(events)  # from the start: what was kept is passed over
    assert again.error is None and (again.taken, again.duplicates) == (200, first.taken), again
    kept = [each[4]["i"] for each in msgspec.msgpack.decode(store.read("s"))]
    assert kept == [-1, *range(200)], kept
store.close()
"""


def test_a_disk_that_is_full_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "kept")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the event store did not take it: is the disk full?\n"


# ---- Batches -------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)


def packed(lines: bytes, folder: Path) -> list[Any]:
    """What lines are as kept events, or None for each that is dead."""
    with taking(folder) as (triggers, store):
        batch = triggers.ingest(lines, lines=True)
        assert batch.error is None
        dead = [letter["event"] for letter in kept(store, DEAD)]
        assert len(dead) == batch.dead
        return kept(store) + dead


@settings(max_examples=150, deadline=None)
@given(value=JSON, ascii_only=st.booleans(), indent=st.sampled_from([None, 0]))
def test_json_is_packed_as_it_reads(
    tmp_path_factory: pytest.TempPathFactory, value: Any, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps({"v": value}, ensure_ascii=ascii_only, indent=indent)
    line = text.replace("\n", " ").encode()
    (found,) = packed(line, tmp_path_factory.mktemp("kept"))
    assert repr(found) == repr(msgspec.json.decode(line))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), value=JSON)
def test_damaged_json_is_judged_as_others_judge_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: Any
) -> None:
    line = bytearray(json.dumps({"v": value}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(line) - 1))
        line[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [b"", b"{", b"]", b'"', b"\\", b"e", b"-", b".", b"0", b"\xc3", b"\x01"]
            )
        )
    if b"\n" in line or not line.strip():
        return
    try:
        expected = msgspec.json.decode(bytes(line))
        if not isinstance(expected, dict):
            return
        msgspec.msgpack.encode(expected)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        expected = None
    with taking(tmp_path_factory.mktemp("kept")) as (triggers, store):
        batch = triggers.ingest(bytes(line), lines=True)
        if expected is None:
            assert batch.dead == 1, bytes(line)
        else:
            assert repr(kept(store)) == repr([expected])


def test_numbers_and_texts_of_json(tmp_path: Path) -> None:
    numbers = [
        "0", "-0", "-0.0", "1e0", "1E+2", "0.1", "1e22", "1e23", "123456789012345678", "1e-7",
        "18446744073709551615", "-9223372036854775808", "2.2250738585072014e-308", "5e-324",
        "1.7976931348623157e308", "0.30000000000000004", "9007199254740993.0", "1e-400",
        "100000000000000000000.0", "3.14159265358979323846264338327950288",
    ]  # fmt: skip
    texts = [
        r'"\ud83d\ude00"',
        r'"\u0000\n\/\"\\"',
        '"é漢😀"',
        '"' + "x" * 31 + '"',
        '"' + "y" * 60_000 + '"',
    ]
    good = [f'{{"v": {each}}}' for each in (*numbers, *texts)]
    bad = [
        '{"v": 1e400}', '{"v": 18446744073709551616}', '{"v": 01}', '{"v": .5}', '{"v": 1.}',
        '{"v": +1}', '{"v": NaN}', '{"v": 1} x', '{"v": "\\ud83d"}', '{"v": "\\x"}', "{'v': 1}",
        '{"v": 1,}', '{"v" 1}', '{"v": [1 2]}', '{"v": "', "{", "nul", '{"v": "a\tb"}', "[" * 200,
    ]  # fmt: skip
    with taking(tmp_path) as (triggers, store):
        text = "\r\n".join([*good, "", "  \t", *bad]).encode()
        batch = triggers.ingest(text, lines=True, source="lines")
        assert batch.taken == len(good) + len(bad)
        assert batch.dead == len(bad)
        assert repr(kept(store)) == repr([msgspec.json.decode(each) for each in good])
        letters = kept(store, DEAD)
        assert [each["event"].rstrip("\r") for each in letters] == bad
        assert all("it" in each["reason"].split() for each in letters)


def test_values_one_behind_the_other(tmp_path: Path) -> None:
    events = [{"n": n} for n in range(5)]
    with taking(tmp_path) as (triggers, store):
        data = pack(events[0]) + pack(events[1:4]) + pack([]) + pack(events[4])
        assert triggers.ingest(data, stream="mine").taken == 5
        assert kept(store, "mine") == events
        batch = triggers.ingest(
            pack({"stream": "own", "n": 1}) + pack({"n": 2})[:-1], stream="mine"
        )
        assert (batch.taken, batch.dead) == (2, 1)
        assert kept(store, "own") == [{"stream": "own", "n": 1}]
        assert triggers.ingest(b"").taken == 0
    with Executor(1) as executor:  # without a store nothing is lost either
        batch = executor.triggers.ingest(b'{"a": 1}\n\nx\n{"a": 2}', lines=True)
        assert (batch.taken, type(batch.error)) == (1, DecodeError)


CRASHING = """
import pathlib, sys
import msgspec
from polyvm.vm import EventStore, Executor
pack = msgspec.msgpack.encode
store = EventStore(pathlib.Path(sys.argv[1]), segment_bytes=1 << 16)
executor = Executor(1)
executor.triggers.configure(store=store.handle, streams=pack({"s": {"id": "i", "span_ns": 10**15}}))
sys.stdin.readline()
for start in range(0, 20_000, 50):
    numbers = range(start, start + 50)
    batch = executor.triggers.ingest(b"".join(pack({"i": n, "ts": n}) for n in numbers), stream="s")
    assert batch.error is None
    print(start + 50, flush=True)
"""


def test_what_is_sent_again_after_a_kill_is_kept_once(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    declared = {"id": "i", "span_ns": 10**15}
    for turn in range(4):
        folder = tmp_path / str(turn)
        child = subprocess.Popen(
            [sys.executable, "-c", CRASHING, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("go\n")
            child.stdin.flush()
            told = [int(child.stdout.readline()) for _ in range(draw.randrange(1, 200))]
            child.kill()
        with taking(folder, s=declared) as (triggers, store):
            before = [each["i"] for each in kept(store, "s")]
            assert before == list(range(len(before)))
            assert len(before) >= told[-1]
            again = [pack({"i": n, "ts": n}) for n in range(20_000)]
            batch = triggers.ingest(b"".join(again), stream="s")
            assert batch.duplicates == len(before)
            assert [each["i"] for each in kept(store, "s")] == list(range(20_000))


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=80) | st.lists(JSON, max_size=3).map(lambda v: b"".join(map(pack, v))),
    cut=st.integers(0, 10),
    lines=st.booleans(),
)
def test_any_bytes_are_events_or_dead_letters(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, lines: bool
) -> None:
    data = data[: len(data) - cut]
    declared = {"fields": {"a": "int?"}, "open": True}
    with taking(tmp_path_factory.mktemp("kept"), events=declared) as (triggers, store):
        batch = triggers.ingest(data, lines=lines)
        assert batch.error is None
        found, dead = kept(store), kept(store, DEAD)
        others = sum(each.next - 1 for each in store.streams()) - len(found) - len(dead)
        assert (len(found) + others, len(dead)) == (batch.taken - batch.dead, batch.dead)
        assert all(isinstance(each, dict) for each in found)

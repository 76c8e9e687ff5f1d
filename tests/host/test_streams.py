"""Declarations of streams, and whether kept events fit the next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyvm.host import stream_versions, streams
from polyvm.host.errors import MissingError, PolyvmError, StreamsFileError
from polyvm.host.event_store import Keeping, keeping, open_store
from polyvm.host.stream_versions import Version
from polyvm.vm import Executor
from tests.vm.test_intake import model

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[streams.clicks]
fields = {user = "str", item = "int", price = "float?", at = "time"}
id = "event_id"
duplicates = "10m"
ids = 1000
clock = "2h"
keep = ["7d", "10GB"]
version = 3
sensitive = true

[streams.free]
keep = "1000 events"

[streams.dead-letters]
keep = "1d"
"""


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(GOOD)
    found = streams.read(tmp_path / "s.toml")
    assert list(found) == ["clicks", "free", "dead-letters"]
    assert found["clicks"].sensitive
    assert found["clicks"].limits == {"ns": 7 * 86400 * 10**9, "bytes": 10**10}
    assert msgspec.msgpack.decode(streams.packed(found)) == {
        "clicks": {
            "fields": {"user": "str", "item": "int", "price": "float?", "at": "time"},
            "open": False,
            "id": "event_id",
            "span_ns": 600 * 10**9,
            "most": 1000,
            "clock_ns": 7200 * 10**9,
        },
        "free": {"open": False, "clock_ns": 86400 * 10**9},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[streams", "not TOML"),
        ("[stream.x]", "'stream' is none"),
        ("", "nothing is none"),
        ("streams = 1", "streams is to be tables"),
        ("[streams.x]\nfeilds = {}", "unknown field"),
        ('[streams.x]\nfields = {a = "integer"}', "field 'a' has the type 'integer'; write one of"),
        ('[streams.x]\nfields = {"" = "int"}', "no name of 1 to 256 bytes"),
        ('[streams.x]\nid = "a"', "id and duplicates go together"),
        ('[streams.x]\nduplicates = "1m"', "id and duplicates go together"),
        ('[streams.x]\nid = "a"\nduplicates = "0s"', "duplicates is more than 0"),
        ('[streams.x]\nid = "a"\nduplicates = "soon"', "must be a number and one of"),
        (
            '[streams.x]\nid = "a"\nduplicates = "1s"\nfields = {a = "str?"}',
            "its id 'a' is to be str or int",
        ),
        ('[streams.x]\nkeep = "7 years"', "is no limit"),
        ("[streams.x]\nversion = 0", "stream 'x': version: expected"),
        ('[streams."features.x"]\nopen = true', "only keep, sensitive and level count"),
        (f'[streams."{"x" * 65}"]', "a name has 1 to 64 bytes"),
        ("[streams.dead-letters]\nopen = true", "only keep, sensitive and level count"),
        ("[streams.x]\nfields = {" + ", ".join(f'f{n} = "int"' for n in range(257)) + "}", "256"),
    ],
)
def test_files_that_cannot_be(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(StreamsFileError) as caught:
        streams.read(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read"):
        streams.read(tmp_path / "none.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff")
    with pytest.raises(StreamsFileError, match="byte 0 is not UTF-8"):
        streams.read(tmp_path / "s.toml")


def put(folder: Path, name: str, text: str, *events: dict[str, Any]) -> int:
    """Declare a stream, and hand events in; how many were refused."""
    declared = {name: msgspec.convert(msgspec.toml.decode(text), streams.Declared)} if text else {}
    store = open_store(Keeping(folder=folder, streams=declared))
    try:
        with Executor(1) as executor:
            executor.triggers.configure(store=store.handle, streams=streams.packed(declared))
            packed = [msgspec.msgpack.encode({"stream": name, **event}) for event in events]
            return executor.triggers.ingest(b"".join(packed)).dead
    finally:
        store.close()


def test_versions_follow_one_another(tmp_path: Path) -> None:
    first = 'fields = {a = "int", b = "str"}'
    assert put(tmp_path, "s", first, {"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 3}) == 1
    assert put(tmp_path, "s", first, {"a": 1, "b": "x"}) == 0  # the same again
    wider = 'fields = {a = "float", b = "str?", c = "any?"}'
    assert put(tmp_path, "s", wider, {"a": 1.5}) == 0
    refused = [
        ('fields = {a = "int", b = "str?", c = "any?"}', "field 'a' was 'float' and is 'int'"),
        ('fields = {a = "float", b = "str", c = "any?"}', "field 'b' was 'str?' and is 'str'"),
        ('fields = {a = "float", c = "any?"}', "field 'b' is gone"),
        (wider.replace("}", ', d = "int"}'), "field 'd' is new and not optional"),
        (wider.replace("}", ', d = "int?"}') + "\nversion = 2", "asks for other fields than"),
        (wider + "\nversion = 1", "is older than version 2"),
    ]
    for text, words in refused:
        with pytest.raises(StreamsFileError) as caught:
            put(tmp_path, "s", text)
        assert words in str(caught.value)
    assert (
        put(tmp_path, "s", 'fields = {a = "float"}\nopen = true\nversion = 7', {"a": 1, "z": 1})
        == 0
    )
    with pytest.raises(StreamsFileError, match="fields that are not declared may not be there"):
        put(tmp_path, "s", wider)
    assert put(tmp_path, "s", "", {"z": 1}) == 0  # declared no more
    assert [
        (each.version, each.since, each.open) for each in stream_versions.read(tmp_path)["s"]
    ] == [
        (1, 1, False),
        (2, 4, False),
        (7, 5, True),
    ]


def test_what_no_kept_event_has_does_not_bind(tmp_path: Path) -> None:
    put(tmp_path, "s", 'fields = {a = "int"}')
    put(tmp_path, "s", 'fields = {a = "str"}', {"a": "x"})
    with pytest.raises(StreamsFileError, match="version 2"):
        put(tmp_path, "s", 'fields = {a = "int"}')
    put(tmp_path, "t", "", {"a": []})  # kept before anything was declared
    assert put(tmp_path, "t", 'fields = {a = "int"}', {"a": []}) == 1


def test_a_store_that_is_refused_is_free_again(tmp_path: Path) -> None:
    put(tmp_path, "s", 'fields = {a = "int"}', {"a": 1})
    with pytest.raises(StreamsFileError):
        put(tmp_path, "s", 'fields = {a = "str"}')
    (tmp_path / "streams.json").write_text('{"format": 1, "streams"')
    with pytest.raises(PolyvmError, match="not the state as polyvm writes it"):
        put(tmp_path, "s", 'fields = {a = "int"}')
    (tmp_path / "streams.json").unlink()
    assert put(tmp_path, "s", 'fields = {a = "int"}', {"a": 1}) == 0


def test_declarations_of_programs_are_checked_too(tmp_path: Path) -> None:
    declared = {"s": streams.Declared(fields={"a": "integer"})}
    with pytest.raises(StreamsFileError, match="stream 's': field 'a' has the type 'integer'"):
        open_store(Keeping(folder=tmp_path / "kept", streams=declared))
    assert not (tmp_path / "kept").exists()


def test_limits_of_a_stream(tmp_path: Path) -> None:
    declared = tmp_path / "s.toml"
    declared.write_text('[streams.s]\nkeep = "10 events"')
    settings = keeping(tmp_path / "kept", ["1000000 events"], synced=False, declared=declared)
    store = open_store(settings)
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle, streams=streams.packed(settings.streams))
        pad = "x" * 2**20
        for name in ("s", "t"):
            for n in range(40):
                event = {"stream": name, "n": n, "pad": pad}
                executor.triggers.ingest(msgspec.msgpack.encode(event))
    dropped = {each.name: each.dropped for each in store.streams()}
    assert dropped["s"] > 0
    assert dropped["t"] == 0
    store.close()


KINDS = st.builds(
    "{}{}".format,
    st.sampled_from(["str", "int", "float", "bool", "time", "list", "map", "any"]),
    st.sampled_from(["", "?"]),
)
SCHEMAS = st.none() | st.dictionaries(st.sampled_from("abcd"), KINDS, max_size=4)
VALUES = st.none() | st.booleans() | st.integers(0, 9) | st.floats() | st.text(max_size=2)
EVENTS = st.dictionaries(st.sampled_from("abcd"), VALUES | st.just([1]) | st.just({"k": 1}))


@settings(deadline=None)
@given(
    older=SCHEMAS,
    newer=SCHEMAS,
    was_open=st.booleans(),
    is_open=st.booleans(),
    events=st.lists(EVENTS, max_size=30),
)
def test_what_fitted_before_fits_what_is_let_pass(
    older: dict[str, str] | None,
    newer: dict[str, str] | None,
    was_open: bool,
    is_open: bool,
    events: list[dict[str, Any]],
) -> None:
    before = Version(version=1, since=1, fields=older, open=was_open)
    after = Version(version=2, since=2, fields=newer, open=is_open)
    if stream_versions.objection(before, after) is not None:
        return
    for event in events:
        undeclared = older is not None and event.keys() - older.keys()
        if was_open and undeclared:
            continue  # an open declaration says nothing of these
        if older is None or model(older, was_open, event) is None:
            assert newer is None or model(newer, is_open, event) is None

"""Sensitive streams of ``polyvm run``, their key, and what of them can be found in any file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.errors import ExitCode
from tests.conftest import write_task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

STREAMS = """
[streams.events]
fields = {event = "str", user_id = "str", n = "int"}
sensitive = true

[streams.open]
level = "synced"

[streams.fleeting]
level = "memory"
keep = "1000 events"
"""
PLACES = ("--events", "kept", "--streams", "s.toml", "--no-table")


@pytest.fixture
def place(cli: Cli, tmp_path: Path) -> Path:
    write_task(tmp_path / "tasks" / "t", "def run(x):\n    return 1\n")
    (tmp_path / "s.toml").write_text(STREAMS)
    for name in ("one", "two"):
        done = cli("keygen", "events", "--keys", name)
        assert done.code == ExitCode.OK, done.err
        assert "without it events are lost" in done.out
    return tmp_path


def key(place: Path, name: str) -> str:
    (path,) = (place / name).iterdir()
    return str(path)


def run(cli: Cli, *events: Any, options: tuple[str, ...] = ()) -> Any:
    text = "".join(json.dumps(each) + "\n" for each in events)
    return cli("run", "tasks", "--input", "-", *PLACES, *options, stdin=text)


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_sensitive_streams(cli: Cli, place: Path) -> None:
    one = ("--events-key", key(place, "one"))
    events = [{"event": "view", "user_id": f"needle{n % 7}", "n": n} for n in range(500)]
    bad = {"event": "needle-of-a-bad-one", "user_id": "x"}
    others = [{"stream": "open", "event": "seen"}, {"stream": "fleeting", "event": "gone"}]
    done = run(cli, *events, bad, *others, options=one)
    assert done.code == ExitCode.PARTIAL, done.err
    found = lines(cli("events", "kept", *one).out)
    assert [each["event"] for each in found] == events
    (dead,) = lines(cli("events", "kept", "--dead", *one).out)
    assert "needle-of-a-bad-one" in json.dumps(dead)
    streams = {each["name"]: each for each in lines(cli("events", "kept", "--streams", *one).out)}
    assert {name: (each["sealed"], each["next"]) for name, each in streams.items()} == {
        "events": (True, 501),
        "dead-letters": (True, 2),
        "open": (False, 2),
    }
    for path in (place / "kept").rglob("*"):
        assert not path.is_file() or b"needle" not in path.read_bytes(), path
    assert {path.name for path in (place / "kept").glob("stream-*")} == {"stream-open"}


def test_keys(cli: Cli, place: Path) -> None:
    one, two = key(place, "one"), key(place, "two")
    event = {"event": "view", "user_id": "a", "n": 1}
    assert run(cli, event, options=("--events-key", one)).code == ExitCode.OK
    before = {path: path.read_bytes() for path in (place / "kept").rglob("*") if path.is_file()}
    for command, code, words in [
        (("run", "tasks", *PLACES), ExitCode.UNTRUSTED, "name one with --events-key"),
        (("events", "kept"), ExitCode.CANNOT_WRITE, "the key is missing"),
        (("events", "kept", "--events-key", two), ExitCode.CANNOT_WRITE, "another key"),
        (("events", "kept", "--events-key", "none"), ExitCode.UNTRUSTED, "cannot be read"),
        (("events", "rekey", "kept", "--events-key", one), ExitCode.USAGE, "--new-key"),
        (("events", "rekey", "none", "--events-key", one, "--new-key", two), ExitCode.NO_INPUT, ""),
        (("run", "tasks", "--events-key", one), ExitCode.USAGE, "give it a folder"),
    ]:
        done = cli(*command)
        assert (done.code, words in done.err) == (code, True), (command, done)
        assert done.err.count("\n") == 1
    after = {path: path.read_bytes() for path in (place / "kept").rglob("*") if path.is_file()}
    assert after == before
    done = cli("events", "rekey", "kept", "--events-key", one, "--new-key", f"cmd:cat {two}")
    assert done.out == "1 segments have the new key\n"
    found = lines(cli("events", "kept", "--events-key", f"cmd:cat {two}").out)
    assert [each["event"] for each in found] == [event]
    done = cli("sql", "select n from events", "kept", "--format", "json", "--events-key", two)
    assert done.out == '{"n":1}\n'
    asked = ("--stream", "events", "--field", "n", "--events-key", two)
    assert lines(cli("series", "kept", *asked).out)[0]["value"] == 1
    assert "another key" in cli("events", "kept", "--events-key", one).err


def test_a_stream_that_was_kept_plain_is_sealed_first(cli: Cli, place: Path) -> None:
    event = {"event": "needle", "user_id": "a", "n": 1}
    text = json.dumps(event) + "\n"
    done = cli("run", "tasks", "--input", "-", "--events", "kept", "--no-table", stdin=text)
    assert done.code == ExitCode.OK
    done = run(cli, event, options=("--events-key", key(place, "one")))
    assert done.code == ExitCode.CANNOT_WRITE
    assert "stream events: it has events that are not sealed; seal them" in done.err
    assert [each["event"] for each in lines(cli("events", "kept").out)] == [event]
    one = ("--events-key", key(place, "one"))
    for command, code, words in [
        (("seal", "kept", "events"), ExitCode.USAGE, "--events-key"),
        (("seal", "kept"), ExitCode.USAGE, "one folder and its streams"),
        (("seal", "none", "events", *one), ExitCode.NO_INPUT, "no such folder"),
        (("seal", "kept", "other", *one), ExitCode.NO_INPUT, "there is no stream 'other'"),
    ]:
        done = cli("events", *command)
        assert (done.code, words in done.err) == (code, True), (command, done)
        assert done.err.count("\n") == 1
    done = cli("events", "seal", "kept", "events", *one)
    assert (done.code, done.out) == (ExitCode.OK, "events: 1 events are sealed\n"), done.err
    assert cli("events", "seal", "kept", "events", *one).out == "events: it was sealed already\n"
    for path in (place / "kept").rglob("*"):
        assert not path.is_file() or b"needle" not in path.read_bytes(), path
    assert run(cli, event, options=one).code == ExitCode.OK
    assert [each["event"] for each in lines(cli("events", "kept", *one).out)] == [event, event]

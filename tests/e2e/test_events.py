"""``polyvm run --events`` and ``polyvm events``: what a host kept, also when it was killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import PATIENCE, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

MAIN = "def run(x):\n    return x['key']\n"
PAIR = '[[triggers]]\nsequence = [{type = "view"}, {type = "buy"}]\n'


def write(folder: Path) -> None:
    write_task(folder, MAIN)
    with (folder / "task.toml").open("a") as file:
        file.write(PAIR)


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_object_of_the_input_is_kept(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    events = [
        {"event": "view" if n % 2 else "buy", "user_id": f"ü{n % 7}", "ts": n, "n": n}
        for n in range(25_000)
    ]
    text = "".join(json.dumps(each) + "\n" for each in events)
    done = cli("run", "tasks", "--input", "-", "--events", "kept", "--no-table", stdin=text)
    assert done.code == ExitCode.OK, done.err
    found = lines(cli("events", "kept").out)
    assert [each["event"] for each in found] == events
    assert [each["sequence"] for each in found] == list(range(1, 25_001))
    of_key = lines(cli("events", "kept", "--key", "ü3", "--most", "5").out)
    assert [each["event"] for each in of_key] == [e for e in events if e["n"] % 7 == 3][:-6:-1]
    span = lines(cli("events", "kept", "--from", "20000", "--until", "20003").out)
    assert [each["event"]["n"] for each in span] == [20000, 20001, 20002]
    since = lines(cli("events", "kept", "--from", "24999").out)
    assert [each["event"]["n"] for each in since] == [24999]
    after = lines(cli("events", "kept", "--after", "24998").out)
    assert [each["sequence"] for each in after] == [24999, 25000]
    (stream,) = lines(cli("events", "kept", "--streams").out)
    assert (stream["name"], stream["next"], stream["keys"]) == ("events", 25001, 7)


def test_a_killed_host_has_kept_what_it_answered(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    for generation in range(2):
        host = cli.start("run", "tasks", "--events", "kept", "--no-table", "--socket", "host.sock")
        wait_for(lambda: listens(tmp_path / "host.sock"), "the socket")
        for n in range(3):
            body = json.dumps([{"event": "view", "user_id": "a", "ts": n, "g": generation}] * 5)
            done = curl(tmp_path / "host.sock", "POST", "/v1/events", body)
            assert done["events"] == 5
        kept = curl(tmp_path / "host.sock", "GET", "/v1/events?key=a&most=2")["events"]
        assert [each["sequence"] for each in kept] == [generation * 15 + 15, generation * 15 + 14]
        assert cli("events", "--socket", "host.sock", "--most", "1").out.count("\n") == 1
        busy = cli("events", "kept")
        assert busy.code == ExitCode.CANNOT_WRITE
        assert "another process has this store open" in busy.err
        os.kill(host.pid, signal.SIGKILL)
        host.communicate(timeout=PATIENCE)
        (tmp_path / "host.sock").unlink()
    found = lines(cli("events", "kept").out)
    assert [each["event"]["g"] for each in found] == [0] * 15 + [1] * 15


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


def curl(path: Path, method: str, target: str, body: str | None = None) -> Any:
    connection = http.client.HTTPConnection("localhost")
    with contextlib.closing(connection):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request(method, target, body)
        return json.loads(connection.getresponse().read())


def test_bad_input(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    cases = [
        (("events", "none"), ExitCode.NO_INPUT, "no such folder"),
        (("run", "tasks", "--keep", "7d"), ExitCode.USAGE, "give it a folder"),
        (("run", "tasks", "--events", "k", "--keep", "7 years"), ExitCode.USAGE, "no limit"),
        (("events", "tasks", "--most", "0"), ExitCode.USAGE, "1 or more"),
        (("events", "tasks", "--stream", "x"), ExitCode.NO_INPUT, "no stream 'x'"),
        (("events", "tasks", "--after", "-1"), ExitCode.USAGE, "--after is 0 or more"),
        (("events", "tasks", "--from", "nan"), ExitCode.USAGE, "--from nan is no time"),
        (("events", "tasks", "--until", "1e30"), ExitCode.USAGE, "--until 1e+30 is no time"),
        (("events", "tasks", "--key", "\udcff"), ExitCode.USAGE, "--key is no UTF-8"),
        (("series", "tasks", "--field", "\udcff"), ExitCode.USAGE, "--field is no UTF-8"),
        (("features", "get", "", "k"), ExitCode.USAGE, "TABLE has no name"),
        (("features", "get", "t", "\udcff"), ExitCode.USAGE, "KEY is no UTF-8"),
        (("features", "get", "t", "k", "--at", "inf"), ExitCode.USAGE, "--at inf is no time"),
        (("features", "scan", "t", "--most", "-1"), ExitCode.USAGE, "--most is 0 or more"),
        (("run", "tasks", "--events", "tasks/t/main.py"), ExitCode.CANNOT_WRITE, "main.py"),
    ]
    for arguments, code, words in cases:
        done = cli(*arguments)
        assert (done.code, words in done.err) == (code, True), (arguments, done)
        assert done.err.count("\n") == 1

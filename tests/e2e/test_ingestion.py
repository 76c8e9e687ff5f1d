"""Declared streams, dead letters and batches, as users meet them."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import PATIENCE, Finished, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Cli

STREAMS = """
[streams.clicks]
fields = {user = "str", item = "int", price = "float?", ts = "time", event = "str?"}
id = "id"
duplicates = "1d"
"""
NDJSON = "application/x-ndjson"
MSGPACK = "application/vnd.msgpack"


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def click(n: int, **fields: Any) -> dict[str, Any]:
    return {"stream": "clicks", "id": n, "user": "ada", "item": n, "ts": 1000 + n, **fields}


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    write_task(tmp_path / "tasks" / "t", "def run(x):\n    return 1\n")
    (tmp_path / "streams.toml").write_text(STREAMS)
    return tmp_path


def test_a_feed_with_all_kinds_of_events(cli: Cli, declared: Path) -> None:
    feed = [
        json.dumps(click(1)),
        json.dumps(click(2)),
        json.dumps(click(1)),
        '{"stream": "clicks", "id": 3',
        json.dumps(click(4, item="four")),
        json.dumps({"other": 1}),
    ]
    (declared / "feed.jsonl").write_text("\n".join(feed))
    run = ("run", "tasks", "--input", "feed.jsonl", "--events", "kept", "--streams", "streams.toml")
    done = cli(*run, "--no-table")
    assert done.code == ExitCode.PARTIAL
    assert "see `polyvm events --dead`" in done.err + done.out
    found = lines(cli("events", "kept", "--stream", "clicks").out)
    assert [each["event"]["id"] for each in found] == [1, 2]
    dead = lines(cli("events", "kept", "--dead").out)
    assert [(each["event"]["source"], each["event"]["stream"]) for each in dead] == [
        ("feed.jsonl:4", ""),
        ("feed.jsonl:5", "clicks"),
    ]
    assert dead[0]["event"]["event"] == feed[3]
    assert dead[1]["event"]["event"]["item"] == "four"
    assert dead[1]["event"]["reason"] == "field 'item' is to be an integer and is text"
    assert len(lines(cli("events", "kept").out)) == 1
    (declared / "streams.toml").write_text(STREAMS.replace('"int"', '"str"'))
    done = cli(*run)
    assert done.code == ExitCode.BAD_DATA
    assert done.err.count("\n") == 1
    assert "stream 'clicks': field 'item' was 'int' and is 'str'" in done.err
    done = cli("run", "tasks", "--streams", "streams.toml")
    assert done.code == ExitCode.USAGE
    assert "give it a folder" in done.err


@contextlib.contextmanager
def running(cli: Cli, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    run = ("run", "tasks", "--events", "kept", "--streams", "streams.toml", "--no-table")
    process = cli.start(*run, "--socket", "s")
    try:
        wait_for(lambda: listens(folder / "s"), "the socket")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
        (folder / "s").unlink(missing_ok=True)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


def post(folder: Path, body: bytes, content_type: str, query: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("localhost")
    with contextlib.closing(connection):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(folder / "s"))
        headers = {"Content-Type": content_type}
        connection.request("POST", f"/v1/events{query}", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def figures(answer: Any) -> tuple[int, int, int]:
    return answer["events"], answer["duplicates"], answer["dead"]


def test_batches_over_http(cli: Cli, declared: Path) -> None:
    with running(cli, declared):
        assert cli("events", "--dead", "--socket", "s") == Finished(ExitCode.OK, "", "")
        first = "\n".join(json.dumps(click(n)) for n in range(100)).encode()
        status, answer = post(declared, first + b"\nnonsense\n", NDJSON)
        assert (status, figures(answer)) == (200, (101, 0, 1))
        packed = [msgspec.msgpack.encode(click(n)) for n in range(50, 150)]
        status, answer = post(declared, b"".join(packed), MSGPACK)
        assert figures(answer) == (100, 50, 0)
        array = [{key: value for key, value in click(200).items() if key != "stream"}, 5]
        status, answer = post(
            declared, json.dumps(array).encode(), "application/json", "?stream=clicks"
        )
        assert (status, figures(answer)) == (200, (2, 0, 1))
        status, answer = post(declared, msgspec.msgpack.encode(click(300)), MSGPACK)
        assert figures(answer) == (1, 0, 0)
        status, answer = post(declared, b"5", "application/json")
        assert (status, answer["error"]) == (
            400,
            "the body is one event, a JSON object, or an array of such",
        )
        status, answer = post(declared, b"{}", "application/json", "?streams=clicks")
        assert status == 400
        assert "unknown parameter 'streams'" in answer["error"]
        metrics = subprocess.run(
            ["curl", "-s", "--unix-socket", "s", "http://host/metrics"],
            cwd=declared,
            capture_output=True,
            text=True,
            check=False,
        )
        if metrics.returncode == 0:
            assert "polyvm_events_duplicate_total 50.0" in metrics.stdout
            assert "polyvm_events_dead_total 2.0" in metrics.stdout
    kept = lines(cli("events", "kept", "--stream", "clicks").out)
    assert [each["event"]["id"] for each in kept] == [*range(150), 200, 300]


def test_a_full_disk_over_http(cli: Cli, declared: Path) -> None:
    rows = [click(n, user="u" * 1000) for n in range(40_000)]
    whole = "".join(json.dumps(row) + "\n" for row in rows[:14_000]).encode()
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with running(cli, declared) as process:
        assert figures(post(declared, json.dumps(click(-1)).encode(), NDJSON)[1]) == (1, 0, 0)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        taken = 0
        for _ in range(5):  # until the segment at hand is full
            status, answer = post(declared, whole, NDJSON)
            taken += answer["events"] - answer["duplicates"]
            if status != HTTPStatus.OK:
                break
            whole = "".join(json.dumps(row) + "\n" for row in rows[taken:][:14_000]).encode()
        assert status == HTTPStatus.INSUFFICIENT_STORAGE
        assert answer["error"].startswith("not all was kept: the event store did not take it")
        assert 0 < taken < 40_000
        status, answer = post(declared, json.dumps(rows[-1]).encode(), NDJSON)
        assert (status, answer["events"]) == (HTTPStatus.INSUFFICIENT_STORAGE, 0)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        again = "".join(json.dumps(row) + "\n" for row in rows[: taken + 10]).encode()
        (declared / "again.jsonl").write_bytes(again)
        done = cli("events", "append", "again.jsonl", "--socket", "s")
        assert done.out.startswith(f"{taken + 10:,} events, {taken:,} duplicates, 0 dead")
    kept = lines(cli("events", "kept", "--stream", "clicks").out)
    assert [each["event"]["id"] for each in kept] == [-1, *range(taken + 10)]


def test_without_kept_events_bad_lines_are_told(cli: Cli, declared: Path) -> None:
    process = cli.start("run", "tasks", "--socket", "s", "--no-table")
    try:
        wait_for(lambda: listens(declared / "s"), "the socket")
        write_task(declared / "tasks" / "u", "def run(x):\n    return 1\n", name="u")
        status, answer = post(declared, b"[5]", "application/json")
        assert status == 400
        assert "a JSON object" in answer["error"]
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def test_files_are_appended_once_each(cli: Cli, declared: Path) -> None:
    rows = [click(n) for n in range(5000)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (declared / "a.jsonl").write_text(text)
    (declared / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    table = pa.Table.from_pylist([click(n) for n in range(4000, 6000)])
    parquet.write_table(table, declared / "a.parquet")
    with ipc.new_file(declared / "a.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=700)

    def append(file: str, *options: str, **stdin: str) -> Any:
        return cli("events", "append", file, "--socket", "s", *options, **stdin)

    with running(cli, declared) as process:
        assert cli("events", "append", "a.jsonl", "b.jsonl", "--socket", "s").code == ExitCode.USAGE
        done = append("a.jsonl")
        assert done.out == "5,000 events, 0 duplicates, 0 dead, 0 fired, 0 refused\n"
        assert done.code == ExitCode.OK
        done = append("a.jsonl.gz")
        assert done.out == "5,000 events, 5,000 duplicates, 0 dead, 0 fired, 0 refused\n"
        done = append("a.parquet")
        assert done.out == "2,000 events, 1,000 duplicates, 0 dead, 0 fired, 0 refused\n"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        (declared / "s").unlink()
    with running(cli, declared):  # ids are known again
        done = append("a.arrow")
        assert done.out == "2,000 events, 2,000 duplicates, 0 dead, 0 fired, 0 refused\n"
        done = append("-", "--stream", "plain", stdin='{"a": 1}\n\n{"b": 2}\nno\n')
        assert done.out == "3 events, 0 duplicates, 1 dead, 0 fired, 0 refused\n"
        assert done.code == ExitCode.PARTIAL
        (declared / "bad.parquet").write_bytes(b"PAR1")
        for file, words in (("none.jsonl", "cannot be read"), ("bad.parquet", "cannot be read")):
            done = append(file)
            assert (done.code, done.err.count("\n")) == (ExitCode.NO_INPUT, 1)
            assert words in done.err
    assert len(lines(cli("events", "kept", "--dead").out)) == 1
    kept = lines(cli("events", "kept", "--stream", "clicks").out)
    assert [each["event"]["id"] for each in kept] == list(range(6000))
    assert [each["event"] for each in lines(cli("events", "kept", "--stream", "plain").out)] == [
        {"a": 1},
        {"b": 2},
    ]
    done = cli("events", "append")
    assert (done.code, done.err.count("\n")) == (ExitCode.USAGE, 1)

"""A host that listens: requests over both sockets, switches, `polyvm top` and the end."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import threading
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import COMMAND, PATIENCE, Cli, Finished, wait_for
from tests.host.api.conftest import Answer, UnixConnection, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ECHO = "def run(payload):\n    return payload\n"
SPIN = "def run(payload):\n    while True: pass\n"
FAIL = "def run(payload):\n    raise ValueError(payload)\n"


@dataclass
class Host:
    """`polyvm run`, listening."""

    process: subprocess.Popen[bytes]
    socket: Path
    port: int

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        return ask(connection, method, target, body, **headers)

    def ask_unix(self, method: str, target: str, body: bytes | None = None) -> Answer:
        return ask(UnixConnection(self.socket), method, target, body)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in err.decode()
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
def start(cli: Cli) -> Iterator[Callable[..., Host]]:
    """Starts hosts, each with three tasks, and waits until they take work."""
    processes = []

    def run(*arguments: str | Path) -> Host:
        path, tasks = cli.folder / "socket", cli.folder / "tasks"
        for name, main in (("echo", ECHO), ("spin", SPIN), ("fail", FAIL)):
            write_task(tasks / name, main)
        process = cli.start(
            "run", tasks, "--listen", "127.0.0.1:0", "--socket", path, "--no-table", *arguments
        )
        processes.append(process)
        assert process.stderr is not None
        listening = (re.search(rb"address=127.0.0.1:([0-9]+)", line) for line in process.stderr)
        port = next((int(match[1]) for match in listening if match), None)
        assert port is not None, "the host did not listen"
        host = Host(process, path, port)
        wait_for(lambda: host.ask("GET", "/readyz").status == 200, "the host to be ready")
        return host

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def host(start: Callable[..., Host]) -> Host:
    return start("--workers", "1", "--output", "out.jsonl")


def test_tasks_run_over_both_sockets(cli: Cli, host: Host) -> None:
    payload = {"text": "grüße", "numbers": [1, 2.5, None, True]}
    for method in (host.ask, host.ask_unix):
        answer = method("POST", "/v1/tasks/echo:run", json.dumps(payload).encode())
        assert (answer.status, answer.body["result"]) == (200, payload)
        answer = method("POST", "/v1/tasks/fail:run", b'"why"')
        assert (answer.status, answer.body["outcome"]) == (500, "failed")
        assert "ValueError: why" in answer.body["error"]
    assert stat.S_IMODE(host.socket.stat().st_mode) == 0o600
    assert (cli.folder / "out.jsonl").read_bytes() == b""  # it is for the input's lines
    metrics = host.ask("GET", "/metrics").body
    assert 'polyvm_invocations_total{lane="regular",outcome="done",task="echo"} 2.0' in metrics
    assert 'polyvm_invocations_total{lane="regular",outcome="failed",task="fail"} 2.0' in metrics
    assert "process_resident_memory_bytes" in metrics


def test_a_deadline_ends_what_never_ends(host: Host) -> None:
    answer = host.ask("POST", "/v1/tasks/spin:run?deadline=50ms", b"1")
    assert (answer.status, answer.body["outcome"]) == (504, "timed_out")
    accepted = host.ask("POST", "/v1/tasks/spin:run?deadline=50ms&wait=false", b"1")
    where = accepted.headers["Location"]
    wait_for(lambda: host.ask("GET", where).status != 202, "the deadline")
    assert host.ask("GET", where).body["outcome"] == "timed_out"
    assert host.ask("POST", "/v1/tasks/echo:run", b"1").body["result"] == 1


def test_a_stopping_host_takes_no_more_and_answers_all(host: Host) -> None:
    waiting: list[Answer] = []

    def run() -> None:
        waiting.append(host.ask("POST", "/v1/tasks/spin:run", b"1"))

    waiters = [threading.Thread(target=run) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    wait_for(lambda: pending(host) == 3, "invocations to be pending")
    host.process.send_signal(signal.SIGTERM)
    wait_for(lambda: host.ask("GET", "/readyz").status == 503, "the host to stop")
    refused = host.ask("POST", "/v1/tasks/echo:run", b"1")
    assert (refused.status, refused.body["error"]) == (
        503,
        "the host is stopping and takes no more work",
    )
    assert host.ask("GET", "/healthz").status == 200
    host.process.send_signal(signal.SIGTERM)
    for waiter in waiters:
        waiter.join(PATIENCE)
    assert [(each.status, each.body["outcome"]) for each in waiting] == [(503, "cancelled")] * 3
    code, _, _ = host.end()
    assert code == ExitCode.INTERRUPTED
    assert not host.socket.exists()


def pending(host: Host) -> int:
    return sum(task["pending"] for task in host.ask("GET", "/v1/tasks").body["tasks"])


def test_switching_by_command(cli: Cli, host: Host) -> None:
    def switch(*words: str) -> Finished:
        return cli("switch", *words, "--socket", host.socket)

    done = switch("task", "echo", "pause")
    assert (done.code, done.out) == (0, "task echo is enabled, paused\n")
    answer = host.ask("POST", "/v1/tasks/echo:run", b"1")
    assert (answer.status, answer.body["error"]) == (
        503,
        "task echo is paused; an operator can resume it",
    )
    assert switch("task", "echo", "resume").out == "task echo is enabled\n"
    assert switch("lane", "regular", "disable").out == "lane regular is disabled\n"
    assert host.ask("POST", "/v1/tasks/echo:run", b"1").status == 503
    assert switch("lane", "regular", "enable").code == 0
    assert host.ask("POST", "/v1/tasks/echo:run", b"1").status == 200
    done = switch("task", "nope", "pause")
    assert done.code == ExitCode.UNAVAILABLE
    assert done.err.endswith(": no task 'nope' is here\n")


def test_switching_by_file(cli: Cli, start: Callable[..., Host]) -> None:
    path = cli.folder / "switches.toml"
    path.write_text("[tasks.echo]\nenabled = false\n")
    host = start("--switches", path)
    assert host.ask("POST", "/v1/tasks/echo:run", b"1").status == 503
    path.with_suffix(".new").write_text("[lanes.low]\npaused = true\n")
    path.with_suffix(".new").rename(path)
    wait_for(lambda: host.ask("POST", "/v1/tasks/echo:run", b"1").status == 200, "the new file")
    host.process.send_signal(signal.SIGTERM)
    code, _, err = host.end()
    assert code == ExitCode.OK
    assert "switches read" in err


def test_breakers_by_command(cli: Cli, start: Callable[..., Host]) -> None:
    write_task(cli.folder / "tasks" / "apart", ECHO, isolation="process")
    folder = write_task(cli.folder / "tasks" / "bad", FAIL)
    with (folder / "task.toml").open("a") as file:
        file.write('[breaker]\nconsecutive = 2\nopen = "1h"\nmax_open = "1h"\n')
    host = start("--workers", "1")

    def breaker(*words: str) -> Finished:
        return cli("breaker", *words, "--socket", host.socket)

    def metric() -> str:
        lines = host.ask("GET", "/metrics").body.splitlines()
        return next(line for line in lines if line.startswith('polyvm_breaker_state{task="bad"}'))

    def row(name: str) -> str:
        return next(line for line in breaker("list").out.splitlines() if f" {name} " in line)

    run = "/v1/tasks/bad:run"
    assert [host.ask("POST", run, b"1").status for _ in range(3)] == [500, 500, 503]
    refused = host.ask("POST", run, b"1")
    assert "open after too many failures in a row" in refused.body["error"]
    assert 3000 < int(refused.headers["Retry-After"]) <= 3600
    seen = host.ask("GET", "/v1/tasks/bad").body["versions"][0]["breaker"]
    assert 3000 < seen.pop("remaining_s") <= 3600
    assert seen == {
        "state": "open",
        "hold": "auto",
        "reason": "consecutive",
        "failures": 2,
        "refused": 2,
        "openings": 1,
    }
    assert metric().endswith(" 1.0")
    assert "open" in row("bad")
    assert "failures in a row" in row("bad")
    assert "closed" in row("echo")
    assert "closed" in row("apart")
    assert breaker("auto", "bad").out == "breaker of task bad is closed, by its rules\n"
    assert metric().endswith(" 0.0")  # though no operator had opened it
    assert [host.ask("POST", run, b"1").status for _ in range(3)] == [500, 500, 503]
    assert breaker("close", "bad").out == "breaker of task bad is held closed\n"
    assert metric().endswith(" 0.0")
    assert [host.ask("POST", run, b"1").status for _ in range(3)] == [500] * 3
    assert breaker("auto", "bad").out == "breaker of task bad is closed, by its rules\n"
    assert breaker("open", "echo").out == "breaker of task echo is held open\n"
    refused = host.ask("POST", "/v1/tasks/echo:run", b"1")
    assert (refused.status, "Retry-After" in refused.headers) == (503, False)
    assert "an operator's order" in breaker("list", "echo").out
    assert breaker("auto", "echo").code == 0
    assert host.ask("POST", "/v1/tasks/echo:run", b"1").status == 200
    assert breaker("open", "apart").out == "breaker of task apart is held open\n"
    assert host.ask("POST", "/v1/tasks/apart:run", b"1").status == 503
    assert breaker("close", "nope").err.endswith(": no task 'nope' is here\n")
    done = breaker("open")
    assert (done.code, done.err) == (
        ExitCode.USAGE,
        "polyvm: which task? use `polyvm breaker open TASK`\n",
    )


def test_call_and_cancel(cli: Cli, host: Host) -> None:
    for where in (["--socket", str(host.socket)], ["--url", f"http://127.0.0.1:{host.port}"]):
        done = cli("call", "echo", '{"a": "grüße"}', *where)
        assert (done.code, json.loads(done.out), done.err) == (0, {"a": "grüße"}, "")
        assert cli("call", "echo", *where).out == "null\n"
        assert cli("call", "echo", "-", *where, "--priority", "5", stdin="[1]").out == "[1]\n"
        done = cli("call", "fail", '"why"', *where)
        assert done.code == ExitCode.FAILED
        assert done.err.startswith("failed: Traceback")
        assert done.err.endswith("ValueError: why\n")
        done = cli("call", "spin", "1", *where, "--deadline", "20ms")
        assert (done.code, done.out) == (ExitCode.TIMED_OUT, "")
        assert done.err.startswith("timed_out: stopped at its deadline")
        done = cli("call", "nope", "1", *where)
        assert (done.code, done.err) == (69, "polyvm: no task 'nope' is live here\n")
        number = host.ask("POST", "/v1/tasks/spin:run?wait=false", b"1").body["id"]
        wait_for(lambda: tasks_running(host) == ["spin"], "the task to begin")
        done = cli("cancel", number, *where)
        assert (done.code, done.out) == (0, f"invocation {number} of task spin is cancelled\n")
        wait_for(lambda n=number: host.ask("GET", f"/v1/invocations/{n}").status == 503, "its end")
        done = cli("cancel", number, *where)
        assert done.code == ExitCode.UNAVAILABLE
        assert done.err.endswith(f": invocation {number} has ended already\n")
    cli("switch", "task", "echo", "pause", "--socket", host.socket)
    assert cli("call", "echo", "1", "--socket", host.socket).code == ExitCode.TRY_AGAIN
    for wrong in ("127.0.0.1:80", "https://127.0.0.1:80", "http://a", "http://a:b", "http://[::1"):
        done = cli("call", "echo", "1", "--url", wrong)
        assert (done.code, "not http://ADDRESS:PORT" in done.err) == (ExitCode.USAGE, True)
    done = cli("call", "echo", "1", "--url", "http://127.0.0.1:1")
    assert (done.code, "no host answers" in done.err) == (ExitCode.UNAVAILABLE, True)
    done = cli("call", "echo", "1", "--socket", host.socket, "--priority", "200")
    assert (done.code, "-100 to 100" in done.err) == (ExitCode.USAGE, True)


def tasks_running(host: Host) -> list[str]:
    tasks = host.ask("GET", "/v1/tasks").body["tasks"]
    return [task["name"] for task in tasks if task["running"]]


def test_an_interrupted_call_is_cancelled(cli: Cli, host: Host) -> None:
    calling = cli.start("call", "spin", "1", "--socket", host.socket)
    wait_for(lambda: tasks_running(host) == ["spin"], "the task to begin")
    calling.send_signal(signal.SIGINT)
    calling.communicate(timeout=PATIENCE)
    assert calling.returncode == ExitCode.INTERRUPTED
    wait_for(lambda: tasks_running(host) == [], "the task to end")
    metrics = host.ask("GET", "/metrics").body
    assert 'polyvm_invocations_total{lane="regular",outcome="cancelled",task="spin"} 1.0' in metrics


def test_traces(cli: Cli, start: Callable[..., Host]) -> None:
    write_task(cli.folder / "tasks" / "apart", ECHO, isolation="process")
    host = start("--workers", "1")
    assert "trace" not in host.ask("POST", "/v1/tasks/echo:run", b"1").body
    trace = host.ask("POST", "/v1/tasks/echo:run?trace=1", b"1").body["trace"]
    assert next(iter(trace["stages_ns"])) == "accepted"
    assert {"taken", "decoded", "returned", "ended", "collected"} <= trace["stages_ns"].keys()
    trace = host.ask("POST", "/v1/tasks/apart:run?trace=1", b"1").body["trace"]
    assert list(trace["stages_ns"]) == ["accepted", "taken", "ready", "ended", "collected"]
    trace = host.ask("POST", "/v1/tasks/spin:run?deadline=20ms", b"1", PolyVM_Trace="true").body
    assert (trace["outcome"], trace["trace"]["interruptions"] > 0) == ("timed_out", True)


def test_a_trace_file(cli: Cli) -> None:
    write_task(cli.folder / "tasks" / "echo", ECHO)
    (cli.folder / "in.jsonl").write_text("1\n" * 500)
    arguments = [
        "run",
        "tasks",
        "--input",
        "in.jsonl",
        "--output",
        "out.jsonl",
        "--trace",
        "t.json",
    ]
    assert cli(*arguments).code == ExitCode.OK
    lines = (cli.folder / "t.json").read_text().splitlines()
    runs = [json.loads(line.removesuffix(",")) for line in lines if '"cat":"run"' in line]
    results = [json.loads(line) for line in (cli.folder / "out.jsonl").read_text().splitlines()]
    assert sorted(run["args"]["id"] for run in runs) == sorted(str(each["id"]) for each in results)
    assert cli(*arguments, "--trace-sample", "0.1").code == ExitCode.OK
    more = (cli.folder / "t.json").read_text().count('"cat":"run"')
    assert 500 < more < 700  # those of the first run are still there
    done = cli(*arguments, "--trace-sample", "0")
    assert (done.code, "'0' is not a share" in done.err) == (ExitCode.USAGE, True)
    done = cli("run", "tasks", "--input", "in.jsonl", "--trace", "nowhere/t.json")
    assert (done.code, "cannot write traces to" in done.err) == (ExitCode.CANNOT_WRITE, True)


def test_top(cli: Cli, host: Host) -> None:
    host.ask("POST", "/v1/tasks/echo:run", b"1")
    host.ask("POST", "/v1/tasks/fail:run", b"1")
    done = cli("top", "--once", "--sort", "failures", "--socket", host.socket)
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines() if "1.0.0" in line]
    assert [line[1] for line in lines] == ["fail", "echo", "spin"]
    assert "3 tasks · 0 pending · 2 runs" in done.out
    done = cli("top", "--once", "--json", "--socket", host.socket)
    frame = json.loads(done.out)
    assert {task["name"]: task["runs"] for task in frame["tasks"]} == {
        "echo": 1,
        "fail": 1,
        "spin": 0,
    }
    assert frame["threads"] == {"threads": 1, "stuck": 0, "unserved": 0, "pauses": 0}


def test_top_shows_what_is_not_as_usual(cli: Cli, start: Callable[..., Host]) -> None:
    folder = write_task(cli.folder / "tasks" / "bad", FAIL, lane="low")
    with (folder / "task.toml").open("a") as file:
        file.write('[breaker]\nconsecutive = 1\nopen = "1h"\nmax_open = "1h"\n')
    host = start("--workers", "1")
    host.ask("POST", "/v1/tasks/bad:run", b"1")
    for _ in range(3):
        host.ask("POST", "/v1/tasks/spin:run?wait=false", b"1")
    wait_for(lambda: tasks_running(host) == ["spin"], "the task to begin")
    cli("breaker", "open", "echo", "--socket", host.socket)
    cli("switch", "lane", "low", "pause", "--socket", host.socket)
    out = cli("top", "--once", "--socket", host.socket).out
    rows = {line.split()[1]: line for line in out.splitlines() if "1.0.0" in line}
    assert re.search(r"open 3[56]\d\d\.\d s", rows["bad"])
    assert "held open" in rows["echo"]
    assert rows["spin"].split()[9:14:2] == ["closed", "3", "1"]
    assert "lanes: core 0 pending, 0 running · regular 3 pending, 1 running · low paused 0" in out
    assert re.search(r"threads: \d+ · 0 stuck · \d+ pauses of low runs", out)
    assert "breaker of bad is open because of failures in a row, by its rules" in out
    assert "breaker of echo is held open" in out
    assert "breaker of fail" not in out


def test_top_on_a_terminal_sorts_by_keys(cli: Cli, host: Host) -> None:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "top", "--socket", str(host.socket)],
        cwd=cli.folder,
        stdin=end,
        stdout=end,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"},
    )
    os.close(end)
    seen = b""

    def read_until(words: bytes) -> None:
        nonlocal seen
        while words not in seen:
            seen += os.read(terminal, 65536)  # OSError when the other end has gone
        seen = b""

    read_until(b"sorted by name")
    os.write(terminal, b"f")
    read_until(b"sorted by failures")
    os.write(terminal, b"q")
    assert process.wait(PATIENCE) == 0
    os.close(terminal)


def test_no_host_there(cli: Cli) -> None:
    for command in (["top", "--once"], ["switch", "task", "a", "pause"], ["breaker", "list"]):
        done = cli(*command, "--socket", "nowhere")
        assert done.code == ExitCode.UNAVAILABLE
        assert done.err.startswith("polyvm: nowhere: no host answers: No such file or directory")
        done = cli(*command)
        assert done.code == ExitCode.USAGE
        assert "POLYVM_SOCKET" in done.err


def test_two_hosts_do_not_share_a_socket_but_one_follows_a_dead_one(
    cli: Cli, start: Callable[..., Host]
) -> None:
    first = start()
    done = cli("run", "tasks", "--socket", first.socket)
    assert done.code == ExitCode.UNAVAILABLE
    assert "a host listens there already" in done.err
    assert first.ask_unix("GET", "/readyz").status == 200
    first.process.kill()
    first.process.communicate()
    assert first.socket.exists()
    second = start()
    assert second.ask_unix("POST", "/v1/tasks/echo:run", b"1").status == 200
    second.process.send_signal(signal.SIGTERM)
    second.end()


def test_where_a_host_must_not_listen(cli: Cli) -> None:
    (cli.folder / "tasks").mkdir()
    done = cli("run", "tasks", "--listen", "0.0.0.0:0")
    assert done.code == ExitCode.USAGE
    assert "--listen-anywhere" in done.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("run", "tasks", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.code == ExitCode.UNAVAILABLE
    assert "Address already in use" in done.err
    done = cli("run", "tasks", "--switches", "nowhere.toml")
    assert done.code == ExitCode.NO_INPUT
    assert "nowhere.toml: No such file or directory" in done.err

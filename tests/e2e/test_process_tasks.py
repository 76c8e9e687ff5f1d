"""Tasks with isolation = "process" on the command line, beside tasks in VMs."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import PATIENCE, Cli, read_results, wait_for
from tests.e2e.test_recovery import child_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMPY = """
import numpy
import polyvm
def run(event):
    print("summing", event)
    return [float(numpy.arange(event).sum()), polyvm.task.name, polyvm.in_vm]
"""


def test_call_pack_and_dev(cli: Cli) -> None:
    folder = write_task(cli.folder / "sum", NUMPY, isolation="process")
    assert json.loads(cli("dev", folder, "4").out.splitlines()[-1]) == [6.0, "sum", False]
    called = cli("call", folder, "4")
    assert (called.code, json.loads(called.out)) == (ExitCode.OK, [6.0, "sum", False])
    assert "summing 4" in called.err
    assert cli("pack", folder).code == ExitCode.OK
    called = cli("call", "sum-1.0.0.bundle", "4")
    assert json.loads(called.out) == [6.0, "sum", False]
    inspected = json.loads(cli("inspect", "sum-1.0.0.bundle", "--json").out)
    assert inspected["isolation"] == "process"


def test_sealed_sources_are_never_in_a_file(cli: Cli) -> None:
    keys = ("--keys", cli.folder / "keys")
    for arguments in (("keygen", "publisher"), ("keygen", "host")):
        made = cli(*arguments, *keys)
        assert made.code == ExitCode.OK, made.err
    (public,) = (cli.folder / "keys").glob("publisher-*.pub")
    assert cli("keys", "trust", public, *keys).code == ExitCode.OK
    folder = write_task(
        cli.folder / "sum",
        """
        import os, polyvm
        def run(event):
            return [os.listdir("."), polyvm.asset("secret.txt"), __file__]
        """,
        isolation="process",
    )
    (folder / "secret.txt").write_text("the secret")
    sealed = cli("seal", folder, *keys)
    assert sealed.code == ExitCode.OK, sealed.err
    bundle = cli.folder / "sum-1.0.0.bundle"
    assert b"polyvm.asset" not in bundle.read_bytes()
    facts = json.loads(cli("inspect", bundle, "--json").out)
    assert facts["isolation"] == "process"
    assert facts["permissions"] == {
        "read": [],
        "write": [],
        "network": False,
        "unconfined": False,
    }
    assert re.search(r"^isolation +process$", cli("inspect", bundle).out, re.MULTILINE)
    state = ("--state", cli.folder / "state")
    assert "sum 1.0.0, for processes, sequence" in cli("verify", bundle, *keys, *state).out
    refused = cli("verify", bundle, *keys, *state, "--no-process-tasks")
    assert refused.code == ExitCode.UNTRUSTED
    assert "this host runs VMs only (--no-process-tasks)" in refused.err
    called = cli("call", bundle, "1", *keys, "--state", cli.folder / "state")
    assert called.code == ExitCode.OK, called.err
    assert json.loads(called.out) == [[], "dGhlIHNlY3JldA==", "sum/main.py"]
    refused = cli("seal", folder, "--strip", *keys)
    assert refused.code == ExitCode.BAD_DATA
    assert "leave --strip out" in refused.err


def test_crashes_and_hangs_hurt_nobody_else(cli: Cli, make_task: Callable[..., Path]) -> None:
    make_task("vm", "def run(n):\n    return n\n")
    make_task("sum", NUMPY, isolation="process")
    crash = make_task(
        "crash",
        "import ctypes\ndef run(n):\n    return ctypes.string_at(0) if n % 2 else n\n",
        isolation="process",
    )
    with (crash / "task.toml").open("a") as file:
        file.write("[breaker]\ncrashes = 0\n")  # it shall go on
    hang = make_task(
        "hang", "def run(n):\n    while n % 2: pass\n    return n\n", isolation="process"
    )
    with (hang / "task.toml").open("a") as file:
        file.write('[limits]\ntimeout = "3s"\n')
    done = cli(
        *("run", cli.folder / "tasks", "--input", "-", "--output", "out.jsonl"),
        stdin="".join(f"{n}\n" for n in range(1, 5)),
    )
    assert done.code == ExitCode.PARTIAL
    results = read_results(cli.folder / "out.jsonl")
    assert {(r["task"], r["line"]): r["outcome"] for r in results} == {
        **{(task, line): "done" for task in ("vm", "sum") for line in range(1, 5)},
        **{("crash", line): "crashed" if line % 2 else "done" for line in range(1, 5)},
        **{("hang", line): "timed_out" if line % 2 else "done" for line in range(1, 5)},
    }
    crash = next(r for r in results if r["outcome"] == "crashed")
    assert crash["error"].startswith("its process was ended by SIGSEGV after ")
    assert "summing 4" in done.err
    assert "Fatal Python error: Segmentation fault" in done.err


def test_no_process_outlives_its_host(
    cli: Cli, make_task: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(cli.folder))  # for what a killed host leaves behind
    for name in "abc":
        make_task(
            name,
            "import os, time\ndef run(n):\n    if n: time.sleep(1000)\n    return os.getpid()\n",
            isolation="process",
        )
    for number in (signal.SIGKILL, signal.SIGTERM):
        output = cli.folder / f"out-{number}.jsonl"
        host = cli.start("run", cli.folder / "tasks", "--input", "-", "--output", output)
        assert host.stdin is not None
        host.stdin.write(b"0\n")
        host.stdin.flush()
        wait_for(lambda output=output: len(read_results(output)) == 3, "three processes")  # type: ignore[misc]
        handles = [os.pidfd_open(result["result"]) for result in read_results(output)]
        host.stdin.write(b"1\n")
        host.stdin.flush()
        host.send_signal(number)
        if number == signal.SIGTERM:
            assert host.stderr is not None
            assert any(b"interrupt again to cancel" in line for line in host.stderr)
            host.send_signal(number)
        for handle in handles:
            assert select.select([handle], [], [], PATIENCE)[0], "it outlives its host"
            os.close(handle)
        host.communicate(timeout=PATIENCE)


def test_what_ran_when_the_host_was_killed_runs_again(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    started = cli.folder / "started"
    started.mkdir()
    make_task(
        "slow",
        f"""
        import os, pathlib, time
        def run(n):
            mark = pathlib.Path({str(started)!r}, f"{{n}}-{{os.getpid()}}")
            first = not any(path.name.startswith(f"{{n}}-") for path in mark.parent.iterdir())
            mark.touch()
            while first and n == 3: time.sleep(1)
            return n
        """,
        **{"isolation": "process", "permissions.write": f'["{started}"]'},
    )
    events = cli.folder / "events.jsonl"
    events.write_text("".join(f"{n}\n" for n in range(1, 7)))
    output = cli.folder / "out.jsonl"
    host = cli.start(
        "run", "tasks", "--input", events, "--output", output, "--no-table", "--supervise",
        "--state", cli.folder / "state",
    )  # fmt: skip
    wait_for(lambda: any(started.glob("3-*")), "the third to run")
    (mark,) = started.glob("3-*")
    handle = os.pidfd_open(int(mark.name.partition("-")[2]))
    child = child_of(host.pid)
    assert child is not None
    os.kill(child, signal.SIGKILL)
    assert select.select([handle], [], [], PATIENCE)[0], "it outlives its host"
    os.close(handle)
    _, err = host.communicate(timeout=PATIENCE)
    assert host.returncode == ExitCode.OK, err.decode()
    results = read_results(output)
    assert {r["line"]: r["result"] for r in results} == {n: n for n in range(1, 7)}
    assert all(r["attempt"] == 2 for r in results if r["line"] >= 3)
    assert len({r["id"] for r in results}) == 6  # one that is told twice has its id


def test_a_breaker_rests_over_a_restart(cli: Cli, make_task: Callable[..., Path]) -> None:
    bad = make_task("bad", "def run(n):\n    raise ValueError(n)\n", isolation="process")
    with (bad / "task.toml").open("a") as file:
        file.write('[breaker]\nconsecutive = 2\nopen = "1h"\nmax_open = "1h"\n')

    def run(lines: str) -> list[dict[str, object]]:
        done = cli(
            *("run", "tasks", "--input", "-", "--output", "-", "--no-table"),
            *("--state", cli.folder / "state"),
            stdin=lines,
        )
        return done.results()

    assert [result["outcome"] for result in run("1\n2\n3\n")] == ["failed", "failed", "rejected"]
    (refused,) = run("1\n")
    assert refused["outcome"] == "rejected"
    assert "open after too many failures in a row" in str(refused["error"])
    # It is of the task's name, wherever that runs.
    make_task("bad", "def run(n):\n    return n\n", version="2.0.0")
    assert [result["outcome"] for result in run("1\n")] == ["rejected"]


def test_a_host_for_vms_only(cli: Cli, make_task: Callable[..., Path]) -> None:
    make_task("apart", isolation="process")
    make_task("usual")
    done = cli(
        *("run", "tasks", "--input", "-", "--output", "-", "--no-table", "--no-process-tasks"),
        stdin="1\n",
    )
    assert done.code == ExitCode.PARTIAL
    assert [result["task"] for result in done.results()] == ["usual"]
    assert "this host runs VMs only (--no-process-tasks)" in done.err
    refused = cli("call", "tasks/apart", "1", "--no-process-tasks")
    assert refused.code == ExitCode.UNTRUSTED


@pytest.mark.parametrize("known", [True, False])
def test_python_of_processes(cli: Cli, make_task: Callable[..., Path], *, known: bool) -> None:
    make_task("a", "import sys\ndef run(n):\n    return sys.flags.safe_path\n", isolation="process")
    python = cli.folder / "python"
    if known:
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    done = cli(
        *("run", cli.folder / "tasks", "--input", "-", "--output", "-", "--python", python),
        stdin="1\n",
    )
    if known:
        assert [result["result"] for result in done.results()] == [True]
    else:
        assert done.code == ExitCode.USAGE
        assert "python: no program; name a Python that has polyvm installed" in done.err

"""A running host: replacing tasks under load, signals, outputs that go away."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import COMMAND, PATIENCE, Cli, read_results, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def packed(cli: Cli, version: str) -> Path:
    """A bundle of task ``a`` that returns its own version."""
    source = write_task(
        cli.folder / f"source-{version}",
        f"def run(payload):\n    return [payload, '{version}']\n",
        name="a",
        version=version,
    )
    assert cli("pack", source).code == ExitCode.OK
    return cli.folder / f"a-{version}.bundle"


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


def read_until(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Read the process's log up to the line that has these words."""
    assert process.stderr is not None
    assert any(words in line for line in process.stderr), f"the log ended without {words!r}"


def test_replacing_and_withdrawing_under_load_loses_nothing(cli: Cli) -> None:
    tasks, output = cli.folder / "tasks", cli.folder / "out.jsonl"
    tasks.mkdir()
    versions = [packed(cli, f"{number}.0") for number in range(1, 5)]
    versions[0].rename(tasks / "a.bundle")
    process = cli.start("run", tasks, "--input", "-", "--output", output)
    assert process.stdin is not None
    stop = threading.Event()
    written = 0

    def load() -> None:
        nonlocal written
        assert process.stdin is not None
        while not stop.is_set():
            process.stdin.write(b"".join(b"%d\n" % (written + n) for n in range(1, 101)))
            written += 100

    loader = threading.Thread(target=load)
    loader.start()
    try:
        for bundle in [None, *versions[1:]]:
            if bundle is not None:
                bundle.rename(tasks / "a.bundle")
            version = "1.0" if bundle is None else bundle.name[2:5]
            wait_for(
                lambda version=version: f'"version":"{version}"' in tail(output),  # type: ignore[misc]
                f"results of version {version}",
            )
    finally:
        stop.set()
        loader.join()
    code, _, err = finish(process)
    assert code == ExitCode.OK, err
    results = read_results(output)
    assert sorted(result["line"] for result in results) == list(range(1, written + 1))
    assert all(r["result"] == [r["line"], r["version"]] for r in results)
    assert {result["version"] for result in results} == {"1.0", "2.0", "3.0", "4.0"}


def tail(path: Path) -> str:
    """The last 64 KiB of a file that grows."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        return file.read().decode()


def test_withdrawn_task_gets_no_more_lines(cli: Cli) -> None:
    tasks, output = cli.folder / "tasks", cli.folder / "out.jsonl"
    tasks.mkdir()
    packed(cli, "1.0").rename(tasks / "a.bundle")
    process = cli.start("run", tasks, "--input", "-", "--output", output)
    assert process.stdin is not None
    process.stdin.write(b"1\n")
    process.stdin.flush()
    wait_for(lambda: len(read_results(output)) == 1, "the first result")
    (tasks / "a.bundle").unlink()
    read_until(process, b"task withdrawn")
    process.stdin.write(b"2\n")
    code, out, _ = finish(process)
    assert code == ExitCode.OK
    assert [result["line"] for result in read_results(output)] == [1]
    assert "withdrawn" in out
    assert "1 lines were for no task" in out


def test_first_signal_finishes_what_was_accepted(cli: Cli, make_task: Callable[..., Path]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        output = cli.folder / f"out-{number}.jsonl"
        folder = make_task("a")
        process = cli.start("run", folder, "--input", "-", "--output", output)
        assert process.stdin is not None
        process.stdin.write(b"1\n2\n3\n")
        process.stdin.flush()
        wait_for(lambda output=output: len(read_results(output)) == 3, "results")  # type: ignore[misc]
        process.send_signal(number)
        code, out, _ = finish(process)
        assert code == ExitCode.OK
        assert "3 runs" in out


def test_second_signal_cancels_even_a_task_that_never_ends(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    folder = make_task("a", "def run(p):\n    print('started')\n    while True: pass\n")
    process = cli.start("run", folder, "--workers", "1", "--input", "-", "--output", "out.jsonl")
    assert process.stdin is not None
    process.stdin.write(b"1\n2\n3\n")
    process.stdin.flush()
    read_until(process, b"started")
    process.send_signal(signal.SIGINT)
    read_until(process, b"interrupt again to cancel")
    process.send_signal(signal.SIGINT)
    code, out, _ = finish(process)
    assert code == ExitCode.INTERRUPTED
    assert "cancelled" in out


def test_interrupting_a_call_that_never_ends(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder = make_task("a", "def run(p):\n    print('started')\n    while True: pass\n")
    process = cli.start("call", folder, "1")
    read_until(process, b"started")
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (ExitCode.INTERRUPTED, "")
    assert "interrupted" in err


def test_without_input_the_folder_is_watched_until_a_signal(cli: Cli) -> None:
    tasks = cli.folder / "tasks"
    tasks.mkdir()
    process = cli.start("run", tasks)
    packed(cli, "1.0").rename(tasks / "a.bundle")
    read_until(process, b"task live")
    process.send_signal(signal.SIGTERM)
    code, out, _ = finish(process)
    assert code == ExitCode.OK
    assert re.search(r"a\W+1\.0\W+live", out)


def test_keep_running_goes_on_after_the_input(cli: Cli, make_task: Callable[..., Path]) -> None:
    folder, output = make_task("a"), cli.folder / "out.jsonl"
    (cli.folder / "in.jsonl").write_text("1\n2\n")
    process = cli.start("run", folder, "--keep-running", "--input", "in.jsonl", "--output", output)
    wait_for(lambda: len(read_results(output)) == 2, "both results")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == ExitCode.OK


def test_reader_that_goes_away_ends_the_run_quietly(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    make_task("a")
    lines = cli.folder / "in.jsonl"
    lines.write_text("".join(f"{n}\n" for n in range(50_000)))
    read, write = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "run", "tasks", "--input", str(lines), "--output", "-"],
        cwd=cli.folder,
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    os.read(read, 10)
    os.close(read)
    _, err = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in err
    assert b"Broken pipe" not in err
    assert process.returncode == ExitCode.OK


def test_many_tasks_at_once(cli: Cli, make_task: Callable[..., Path]) -> None:
    count = 60
    for number in range(count):
        make_task(f"task-{number}", f"def run(p):\n    return [{number}, p]\n")
    stdin = "".join(f"{n}\n" for n in range(5))
    done = cli("run", "tasks", "--input", "-", "--output", "-", stdin=stdin)
    assert done.code == ExitCode.OK, done.err
    found = sorted(tuple(result["result"]) for result in done.results())
    assert found == [(number, n) for number in range(count) for n in range(5)]


def test_a_task_that_rests_does_not_flood_the_log(cli: Cli) -> None:
    folder = write_task(cli.folder / "tasks" / "bad", "def run(x):\n    return 1 // x\n")
    with (folder / "task.toml").open("a") as file:
        file.write('[breaker]\nconsecutive = 1\nopen = "1h"\nmax_open = "1h"\n')
    (cli.folder / "in.jsonl").write_text("0\n" * 5000)
    done = cli("run", "tasks", "--input", "in.jsonl", "--output", "out.jsonl", "--no-table")
    assert done.code == ExitCode.PARTIAL
    results = read_results(cli.folder / "out.jsonl")
    assert sorted(each["line"] for each in results) == list(range(1, 5001))
    assert {each["outcome"] for each in results} == {"failed", "rejected"}
    told = [line for line in done.err.splitlines() if "rejected" in line]
    assert 1 <= len(told) <= 20
    first = int("invocation rejected" in told[0])
    more = sum(
        int(match[1].replace(",", ""))
        for line in told
        if (match := re.search(r'event="([\d,]+) more rejected in \d+ s"', line))
    )
    refused = [each for each in results if "error" in each and each["queued_us"] == 0]
    assert first + more <= len(refused)
    assert more > 100

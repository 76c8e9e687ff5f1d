"""A supervised host: whatever kills it, every accepted line gets its result."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from polyvm.host.errors import ExitCode
from tests.e2e.conftest import PATIENCE, read_results, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Seeded
    from tests.e2e.conftest import Cli

COUNTS = """
def run(event):
    total = 0
    for i in range(2000): total += i * event["n"]
    return {"n": event["n"], "total": total}
"""
# Bytecode that no compiler writes, made at run time: a constant that is not there.
CRASHES = """
def run(event):
    if event["n"] % 1000 == 500:
        broken = lambda: None
        broken.__code__ = broken.__code__.replace(
            co_consts=(), co_code=bytes([149, 0, 83, 255, 36, 0])
        )
        broken()
    return event["n"]
"""


def write_events(path: Path, count: int) -> Path:
    path.write_text("".join(f'{{"n": {n}}}\n' for n in range(count)), encoding="utf-8")
    return path


def child_of(pid: int) -> int | None:
    """The host that a supervisor runs now."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123
            found = file.read().split()
    except OSError:
        return None
    return int(found[0]) if found else None


def kill_three_times(supervised: subprocess.Popen[bytes], output: Path, rand: Seeded) -> None:
    """Kill a host at three places of its work; its last life ends well."""
    for _ in range(3):
        goal = len(read_results(output)) + rand.randint(1, 4000)
        wait_for(
            lambda goal=goal: len(read_results(output)) >= goal or supervised.poll() is not None,
            "results",
        )
        child = child_of(supervised.pid)
        if child is not None and supervised.poll() is None:
            os.kill(child, signal.SIGKILL)
    _, err = supervised.communicate(timeout=PATIENCE)
    assert supervised.returncode == ExitCode.OK, err.decode()


def by_line(results: list[dict[str, object]], task: str) -> dict[object, dict[str, object]]:
    """One result of each line: what was run twice counts once."""
    return {result["line"]: result for result in results if result["task"] == task}


@pytest.mark.parametrize("turn", range(2))
def test_killed_again_and_again(
    cli: Cli, make_task: Callable[..., Path], rand: Seeded, turn: int
) -> None:
    del turn
    make_task("counts", COUNTS)
    count = 30_000
    events = write_events(cli.folder / "events.jsonl", count)
    output = cli.folder / "out.jsonl"
    arguments = ["run", "tasks", "--input", events, "--output", output, "--no-table"]
    host = cli.start(*arguments, "--supervise", "--state", cli.folder / "state")
    kill_three_times(host, output, rand)
    found = by_line(read_results(output), "counts")
    assert sorted(found) == list(range(1, count + 1))  # type: ignore[type-var]
    base = sum(range(2000))
    for line, result in found.items():
        n = int(line) - 1  # type: ignore[call-overload]
        assert result["result"] == {"n": n, "total": n * base}


def test_a_task_that_crashes_is_broken_and_others_lose_nothing(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    make_task("counts", COUNTS)
    make_task("crashes", CRASHES)
    count = 4000
    events = write_events(cli.folder / "events.jsonl", count)
    output = cli.folder / "out.jsonl"
    arguments = ["run", "tasks", "--input", events, "--output", output, "--no-table"]
    done = cli(*arguments, "--supervise", "--state", cli.folder / "state")
    assert done.code == ExitCode.PARTIAL, done.err
    results = read_results(output)
    assert sorted(by_line(results, "counts")) == list(range(1, count + 1))  # type: ignore[type-var]
    ended = by_line(results, "crashes")
    outcomes = {result["outcome"] for result in ended.values()}
    assert outcomes <= {"done", "crashed", "rejected"}
    assert "crashed" in outcomes
    assert "the host before this one crashed" in done.err
    assert "SIGSEGV" in done.err
    reports = list((cli.folder / "state" / "journal").glob("crash-*.txt"))
    assert any("task: crashes 1.0.0" in report.read_text() for report in reports)


def test_a_supervisor_that_is_asked_to_stop_drains(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    make_task("counts", COUNTS)
    output = cli.folder / "out.jsonl"
    host = cli.start(
        "run", "tasks", "--input", "-", "--output", output, "--no-table", "--supervise",
        "--state", cli.folder / "state", "--keep-running",
    )  # fmt: skip
    assert host.stdin is not None
    host.stdin.write(b'{"n": 1}\n')
    host.stdin.flush()
    wait_for(lambda: len(read_results(output)) == 1, "the first result")
    host.send_signal(signal.SIGTERM)
    host.stdin.close()
    assert host.wait(PATIENCE) == ExitCode.OK
    assert json.loads(output.read_text())["result"]["n"] == 1
    for stream in (host.stdout, host.stderr):
        assert stream is not None
        stream.close()


def test_a_journal_is_for_one_host_at_a_time(cli: Cli, make_task: Callable[..., Path]) -> None:
    make_task("counts", COUNTS)
    first = cli.start("run", "tasks", "--no-table", "--journal", "journal")
    wait_for(lambda: any((cli.folder / "journal").glob("journal-*")), "the journal")
    done = cli("run", "tasks", "--no-table", "--journal", "journal")
    assert done.code == ExitCode.CANNOT_WRITE
    assert "another host keeps its journal here" in done.err
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=PATIENCE)


def test_two_tasks_that_crash_are_both_broken(cli: Cli, make_task: Callable[..., Path]) -> None:
    """The second may crash while the first one's work is still being taken over."""
    source = CRASHES.replace("% 1000 == 500", ">= 0")
    for name in ("bad-one", "bad-two"):
        make_task(name, source, **{"breaker.open": "2m"})
        manifest = cli.folder / "tasks" / name / "task.toml"
        manifest.write_text(manifest.read_text() + "breaker.crashes = 1\n")
    make_task("counts", COUNTS)
    events = write_events(cli.folder / "events.jsonl", 300)
    output = cli.folder / "out.jsonl"
    arguments = ["run", "tasks", "--input", events, "--output", output, "--no-table"]
    done = cli(*arguments, "--supervise", "--state", cli.folder / "state")
    assert done.code == ExitCode.PARTIAL, done.err
    results = read_results(output)
    for task in ("bad-one", "bad-two", "counts"):
        assert sorted(by_line(results, task)) == list(range(1, 301))  # type: ignore[type-var]
    # Or both were inside when the process died, and one death is counted for both.
    assert done.err.count("starting it again") in {1, 2}


def test_a_life_that_accepts_nothing_keeps_the_place_in_the_input(
    cli: Cli, make_task: Callable[..., Path]
) -> None:
    make_task(
        "counts", "import time\ndef run(event):\n    time.sleep(0.3)\n    return event['n']\n"
    )
    events = write_events(cli.folder / "events.jsonl", 20)
    output = cli.folder / "out.jsonl"
    host = cli.start(
        "run", "tasks", "--input", events, "--output", output, "--no-table", "--supervise",
        "--state", cli.folder / "state",
    )  # fmt: skip
    journals = cli.folder / "state" / "journal"
    wait_for(lambda: len(read_results(output)) >= 1, "the first result")
    for life in (2, 3):
        child = child_of(host.pid)
        assert child is not None
        os.kill(child, signal.SIGKILL)
        wait_for(lambda life=life: (journals / f"journal-{life:06}").exists(), "the next life")
    _, err = host.communicate(timeout=PATIENCE)
    assert host.returncode == ExitCode.OK, err.decode()
    ids: dict[object, set[object]] = {}
    for result in read_results(output):
        ids.setdefault(result["line"], set()).add(result["id"])
    assert sorted(ids) == list(range(1, 21))  # type: ignore[type-var]
    assert {len(each) for each in ids.values()} == {1}

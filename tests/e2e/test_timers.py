"""Timers and counters of a host as users run it: firing, listed, missed while it was down."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.conftest import write_task
from tests.e2e.conftest import read_results, wait_for
from tests.host.api.conftest import UnixConnection, ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

HOUR = 3600 * 10**9


def write(folder: Path, triggers: str) -> None:
    write_task(folder, "def run(x):\n    return x\n")
    with (folder / "task.toml").open("a") as file:
        file.write(triggers)


def triggers(socket: Path) -> dict[str, Any]:
    body = ask(UnixConnection(socket), "GET", "/v1/triggers").body
    return {each["name"]: each for each in body["triggers"]}


def test_timers_fire_and_are_listed(cli: Cli, tmp_path: Path) -> None:
    often = '[[triggers]]\nname = "often"\nevery = "20ms"\n'
    write(tmp_path / "tasks" / "t", often + '[[triggers]]\ncron = "0 0 1 1 *"\n')
    write(tmp_path / "tasks" / "p", 'isolation = "process"\n' + often)
    process = cli.start("run", "tasks", "--socket", "s", "--output", "out.jsonl", "--no-table")
    try:
        out = tmp_path / "out.jsonl"
        wait_for(
            lambda: {each["task"] for each in read_results(out)} == {"t", "p"}, "both tasks' timers"
        )
        seen = triggers(tmp_path / "s")
        assert seen["t.often"]["kind"] == "every"
        assert seen["t.often"]["fired"] >= 1
        assert (seen["t.2"]["kind"], seen["t.2"]["fired"]) == ("cron", 0)
        assert seen["t.2"]["next"] % 86400 == 0
        assert cli("switch", "trigger", "t.often", "disable", "--socket", "s").code == 0
        assert triggers(tmp_path / "s")["t.often"]["next"] is None
        os.kill(process.pid, 15)
        process.wait(60)
    finally:
        process.kill()
        process.communicate()


def test_what_was_missed_while_the_host_was_down(cli: Cli, tmp_path: Path) -> None:
    hourly = '[[triggers]]\nname = "hourly"\nevery = "1h"\n'
    write(tmp_path / "tasks" / "t", hourly + hourly.replace('"hourly"', '"skip"\nmissed = "skip"'))
    (tmp_path / "none.jsonl").write_text("")
    arguments = ["run", "tasks", "--state", "state", "--output", "out.jsonl", "--no-table"]
    assert cli(*arguments, "--input", "none.jsonl").code == 0
    file = tmp_path / "state" / "timers.json"
    state = json.loads(file.read_text())
    assert set(state["timers"]) == {"t.hourly", "t.skip"}
    for entry in state["timers"].values():
        entry["last_ns"] -= 3 * HOUR + HOUR // 2
    file.write_text(json.dumps(state))
    process = cli.start(*arguments)
    try:
        wait_for(lambda: bool(read_results(tmp_path / "out.jsonl")), "what was missed")
        os.kill(process.pid, 15)
        process.wait(60)
    finally:
        process.kill()
        process.communicate()
    (result,) = (each["result"] for each in read_results(tmp_path / "out.jsonl"))
    assert (result["trigger"], result["missed"]) == ("hourly", 2)
    assert 1800 <= result["time"] - result["scheduled"] < 3600


READS = """
import polyvm
def run(start):
    found = polyvm.events(
        start["stream"], after=start["first"] - 1, most=start["last"] - start["first"] + 1
    )
    return [e.event["n"] for e in found if e.event["user"] == start["key"]]
"""


def test_a_task_reads_what_was_counted(cli: Cli, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "t", READS)
    with (tmp_path / "tasks" / "t" / "task.toml").open("a") as file:
        file.write('[[triggers]]\nstream = "s"\nevents = 4\nkey = "user"\n')
    events = [{"stream": "s", "user": "abc"[n % 3], "n": n} for n in range(30)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    arguments = ["--input", "in.jsonl", "--output", "out.jsonl", "--no-table", "--events", "kept"]
    done = cli("run", "tasks", *arguments)
    assert done.code == 0, done.err
    found = [each["result"] for each in read_results(tmp_path / "out.jsonl")]
    assert sorted(map(len, found)) == [2, 2, 2, 4, 4, 4, 4, 4, 4]
    assert sorted(n for each in found for n in each) == list(range(30))
    assert all(len({n % 3 for n in each}) == 1 for each in found)


def test_counters_take_what_is_left_at_the_end(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t", '[[triggers]]\nstream = "s"\nevents = 40\n')
    lines = "".join(json.dumps({"stream": "s", "n": n}) + "\n" for n in range(100))
    (tmp_path / "in.jsonl").write_text(lines)
    done = cli(
        "run",
        "tasks",
        "--input",
        "in.jsonl",
        "--output",
        "out.jsonl",
        "--no-table",
        "--events",
        "k",
    )
    assert done.code == 0, done.err
    assert "for no task" not in done.out + done.err
    found = [each["result"] for each in read_results(tmp_path / "out.jsonl")]
    assert sorted((each["first"], each["last"], each["events"]) for each in found) == [
        (1, 40, 40),
        (41, 80, 40),
        (81, 100, 20),
    ]


def test_a_state_that_cannot_be_kept_ends_no_host(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t", '[[triggers]]\nname = "often"\nevery = "20ms"\n')
    (tmp_path / "state").mkdir()
    process = cli.start("run", "tasks", "--state", "state", "--output", "out.jsonl", "--no-table")
    out = tmp_path / "out.jsonl"
    try:
        wait_for(lambda: len(read_results(out)) > 1, "the timer")
        (tmp_path / "state").rename(tmp_path / "gone")
        (tmp_path / "state").write_text("a file where the folder was")
        os.kill(process.pid, 15)
        process.wait(60)
    finally:
        process.kill()
        told = process.communicate()[1].decode()
    assert "timers not kept" in told
    assert process.returncode == 0, told

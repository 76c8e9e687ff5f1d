"""Flows through `polyvm run`: of tasks and of operators, results that come back, catching up."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.conftest import write_task
from tests.e2e.conftest import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

MAIN = "def run(start):\n    return {'user': start['key'], 'n': start['row']['n']}\n"
FLOWS = """
results_into = "alerts"

[[flows]]
name = "busy"
from = "events"
lateness = "2s"
steps = [
  {filter = "price > 1"},
  {key_by = "user"},
  {window = {tumbling = "10s"}, columns = {n = "count()", total = "sum(price)"}},
  {filter = "n >= 2"},
]
"""
OPERATORS = """
[[flows]]
name = "copies"
from = "alerts"
steps = [{map = {double = "n * 2"}}]
into = {stream = "copies"}

[[flows]]
name = "totals"
from = ["events"]
catch_up = true
steps = [{key_by = {who = "user"}}, {window = {running = true}, columns = {n = "count()"}}]
into = {stream = "totals"}
"""


def events() -> list[dict[str, Any]]:
    return [
        {"user": "ada" if second % 3 else "bob", "price": second % 5, "ts": second}
        for second in range(60)
    ]


def write(folder: Path) -> None:
    write_task(folder / "tasks" / "alert", MAIN)
    with (folder / "tasks" / "alert" / "task.toml").open("a") as file:
        file.write(FLOWS)
    (folder / "operators.toml").write_text(OPERATORS)
    lines = "".join(json.dumps(event) + "\n" for event in events())
    (folder / "in.jsonl").write_text(lines)


def expected() -> Counter[tuple[str, int]]:
    windows = Counter(
        (event["user"], event["ts"] // 10) for event in events() if event["price"] > 1
    )
    # the last one as well: the end of the input is that of the stream
    return Counter((user, n) for (user, _), n in windows.items() if n >= 2)


def stream_of(cli: Cli, name: str) -> list[dict[str, Any]]:
    done = cli("events", "kept", "--stream", name, "--most", "1000")
    return [json.loads(line) for line in done.out.splitlines()]


def test_flows_of_tasks_and_operators(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path)
    run = ("run", "tasks", "--events", "kept", "--flows", "operators.toml", "--no-table")
    done = cli(*run, "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.code == 0, done.err
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    found = Counter((each["result"]["user"], each["result"]["n"]) for each in results)
    assert found == expected()
    alerts = stream_of(cli, "alerts")
    assert Counter((each["event"]["user"], each["event"]["n"]) for each in alerts) == found
    copies = stream_of(cli, "copies")
    assert all(each["event"]["double"] == 2 * each["event"]["n"] for each in copies)
    assert len(copies) == len(alerts)
    totals = stream_of(cli, "totals")
    assert len(totals) == 60
    assert totals[-1]["key"] == "ada"
    assert totals[-1]["event"] == {"who": "ada", "n": 40}
    # another host goes on from what is kept
    (tmp_path / "more.jsonl").write_text('{"user": "ada", "price": 0, "ts": 60}\n')
    done = cli(*run, "--input", "more.jsonl")
    assert done.code == 0, done.err
    assert [each["event"]["n"] for each in stream_of(cli, "totals")[60:]] == [41]


def test_flows_of_a_running_host(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path)
    process = cli.start(
        *("run", "tasks", "--flows", "operators.toml", "--socket", "s", "--no-table"),
        *("--input", "in.jsonl", "--keep-running"),
    )

    def listed() -> dict[str, dict[str, Any]]:
        done = cli("flows", "--json", "--socket", "s")
        return {flow["name"]: flow for flow in map(json.loads, done.out.splitlines())}

    try:
        # the last window closes as no events come any more
        wait_for(lambda: listed().get("alert.busy", {}).get("keys") == 0, "the windows' end")
        flows = listed()
        assert set(flows) == {"alert.busy", "copies", "totals"}
        busy = flows["alert.busy"]
        assert (busy["task"], busy["into"], busy["events"]) == ("alert", "task alert", 60)
        assert busy["accepted"] == busy["rows"] > 0
        assert flows["totals"]["keys"] == 2
        assert "alert.busy" in cli("flows", "--socket", "s").out
        shutil.rmtree(tmp_path / "tasks" / "alert")
        wait_for(lambda: set(listed()) == {"copies", "totals"}, "the task's end")
    finally:
        process.terminate()
        process.communicate()


def test_flows_alone_and_one_behind_the_other(cli: Cli, tmp_path: Path) -> None:
    """Without any task; the end of the input goes from flow to flow, whatever their order."""
    write(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "operators.toml").write_text(
        """
[[flows]]
name = "busiest"
from = "minutes"
steps = [{window = {tumbling = "1h"}, columns = {n = "max(n)", users = "distinct(user)"}}]
into = {stream = "hours"}

[[flows]]
name = "minutes"
from = "events"
steps = [{key_by = "user"}, {window = {tumbling = "1m"}, columns = {n = "count()"}}]
into = {stream = "minutes"}
"""
    )
    run = ("run", "none", "--events", "kept", "--flows", "operators.toml", "--no-table")
    done = cli(*run, "--input", "in.jsonl")
    assert done.code == 0, done.err
    assert {each["event"]["n"] for each in stream_of(cli, "minutes")} == {40, 20}
    (hour,) = (each["event"] for each in stream_of(cli, "hours"))
    assert (hour["n"], hour["users"]) == (40, 2)


def test_a_circle_through_a_task_comes_to_an_end(cli: Cli, tmp_path: Path) -> None:
    slow = '{window = {tumbling = "200ms"}, columns = {n = "count()"}}'
    for name, window in (("round", ""), ("slow", slow)):
        main = f"def run(start):\n    return {{'from': '{name}', 'n': start['row']['n']}}\n"
        write_task(tmp_path / "tasks" / name, main)
        with (tmp_path / "tasks" / name / "task.toml").open("a") as file:
            file.write(
                f'results_into = "{name}"\n[[flows]]\nname = "again"\nfrom = "{name}"\n'
                f'idle = "200ms"\nsteps = [{window}]\n'
            )
    lines = [
        {"stream": "round", "n": 1},
        {"stream": "slow", "n": 1, "ts": 1},
        {"stream": "round", "n": 2},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    process = cli.start(
        *("run", "tasks", "--input", "in.jsonl", "--events", "kept", "--keep-running"),
        *("--socket", "s", "--no-table"),
    )

    def dead() -> list[dict[str, Any]]:
        done = cli("events", "--dead", "--socket", "s")
        return [json.loads(line)["event"] for line in done.out.splitlines()]

    try:
        wait_for(lambda: len(dead()) == 3, "the ends of the circles")
        found = dead()
    finally:
        process.terminate()
        _, err = process.communicate()
    assert Counter((each["source"], each["event"]["n"]) for each in found) == {
        ("task round", 1): 1,
        ("task round", 2): 1,
        ("task slow", 1): 1,
    }
    assert all("9 tasks in a row" in each["reason"] for each in found)
    assert len(stream_of(cli, "round")) == 2 * 9  # what came, and eight results of each
    assert len(stream_of(cli, "slow")) == 9
    assert err.count(b"flows and tasks make a circle") >= 1


def test_a_circle_of_flows_that_has_no_end_is_refused(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "operators.toml").write_text(
        '[[flows]]\nname = "x"\nfrom = "a"\ninto = {stream = "b"}\n'
        '[[flows]]\nname = "y"\nfrom = "b"\ninto = {stream = "a"}\n'
    )
    done = cli("run", "tasks", "--input", "in.jsonl", "--no-table", "--flows", "operators.toml")
    assert done.code == 2
    assert "flow x: each of its rows would come back to it for ever: a → x → b → y → a" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_wrong_flows(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path)
    run = ("run", "tasks", "--input", "in.jsonl", "--no-table", "--flows", "operators.toml")
    operators = tmp_path / "operators.toml"
    for wrong, sentence in (
        ('steps = [{odd = 1}]\ninto = {stream = "x"}', "a step is one of filter, map, key_by"),
        ('steps = [{filter = "1 +"}]\ninto = {stream = "x"}', "filter: expression '1 +'"),
        ("steps = []", "into is missing: a table, a stream or a task"),
        (
            'steps = [{map = {a = "b"}, keep = false}, {filter = "c"}]\ninto = {stream = "x"}',
            "step 2 (filter)",
        ),
        (
            'into = {stream = "x"}\nsteps = [{window = {count = 3}, columns = {n = "nope()"}}]',
            "column n: aggregate 'nope()'",
        ),
    ):
        operators.write_text(f'[[flows]]\nname = "x"\nfrom = "events"\n{wrong}\n')
        done = cli(*run)
        assert done.code in (2, 65), done.err
        assert sentence in done.err
        assert len(done.err.strip().splitlines()) == 1, done.err
    operators.write_text("flows = 3")
    assert "operators.toml" in cli(*run).err
    operators.unlink()
    assert "operators.toml" in cli(*run).err

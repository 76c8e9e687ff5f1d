"""Chains in a supervised host that dies in the middle: every graph ends whole, under its ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyvm.host.errors import ExitCode
from tests.e2e.conftest import read_results
from tests.e2e.test_recovery import kill_three_times, write_events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Seeded
    from tests.e2e.conftest import Cli

DOUBLE = "def run(event):\n    return 2 * event['n']\n"
ADD = """
def run(given):
    total = 0
    for i in range(300): total += i
    return given["results"]["double"] + given["input"]["n"]
"""
JOIN = "def run(given):\n    return sum(given['results'].values())\n"
# Bytecode that no compiler writes, made at run time: a constant that is not there.
CRASHES = """
def run(given):
    if given["input"]["n"] == 500:
        broken = lambda: None
        broken.__code__ = broken.__code__.replace(
            co_consts=(), co_code=bytes([149, 0, 83, 255, 36, 0])
        )
        broken()
    return given["input"]["n"]
"""


Graph = dict[str, dict[str, Any]]  # the last result of each task


def check(results: list[dict[str, Any]], tasks: list[str], count: int) -> dict[int, list[Graph]]:
    """All lines have whole graphs, whose ids follow each other; the graphs of each line.

    A line may have two: its host died between accepting it and noting that it had.
    """
    graphs: dict[int, Graph] = {}
    for result in results:
        graphs.setdefault(result["trigger"], {})[result["task"]] = result
    found: dict[int, list[Graph]] = {}
    for trigger, graph in graphs.items():
        assert {name: each["id"] for name, each in graph.items()} == {
            task: trigger + place for place, task in enumerate(tasks)
        }
        (line,) = {each["line"] for each in graph.values()}
        found.setdefault(line, []).append(graph)
    assert sorted(found) == list(range(1, count + 1))
    return found


def make_chain(make_task: Callable[..., Path]) -> list[str]:
    make_task("double", DOUBLE)
    make_task("add", ADD, after='["double"]')
    make_task("add-more", ADD, after='["double"]', lane="low")
    make_task("join", JOIN, after='["add", "add-more"]', lane="core")
    return ["double", "add", "add-more", "join"]


def test_killed_in_the_middle_of_chains(
    cli: Cli, make_task: Callable[..., Path], rand: Seeded
) -> None:
    tasks = make_chain(make_task)
    count = 6000
    events = write_events(cli.folder / "events.jsonl", count)
    output = cli.folder / "out.jsonl"
    arguments = ["run", "tasks", "--input", events, "--output", output, "--no-table"]
    host = cli.start(*arguments, "--supervise", "--state", cli.folder / "state")
    kill_three_times(host, output, rand)
    for line, graphs in check(read_results(output), tasks, count).items():
        for graph in graphs:
            assert {each["outcome"] for each in graph.values()} == {"done"}
            assert graph["join"]["result"] == 2 * 3 * (line - 1)


def test_a_task_in_the_middle_crashes(cli: Cli, make_task: Callable[..., Path]) -> None:
    """It ends as crashed and is not run again; its chain goes on, and all others."""
    make_task("double", DOUBLE)
    folder = make_task("crashes", CRASHES, after='["double"]')
    with (folder / "task.toml").open("a") as file:
        file.write("[breaker]\ncrashes = 0\n")  # the line that crashes may come twice
    make_task("last", after='["crashes"]', after_failure="continue")
    count = 1000
    events = write_events(cli.folder / "events.jsonl", count)
    output = cli.folder / "out.jsonl"
    arguments = ["run", "tasks", "--input", events, "--output", output, "--no-table"]
    done = cli(*arguments, "--supervise", "--state", cli.folder / "state")
    assert done.code == ExitCode.PARTIAL, done.err
    found = check(read_results(output), ["double", "crashes", "last"], count)
    for line, graphs in found.items():
        failures = {"crashes": "crashed"} if line == 501 else {}
        for graph in graphs:
            assert graph["double"]["outcome"] == "done"
            assert graph["crashes"]["outcome"] == ("crashed" if failures else "done"), graph
            assert graph["last"]["result"]["failures"] == failures


def test_a_chain_through_the_command_line(cli: Cli, make_task: Callable[..., Path]) -> None:
    tasks = make_chain(make_task)
    make_task("lonely", after='["nobody"]')
    make_task("round", after='["about"]')
    make_task("about", after='["round"]')
    events = write_events(cli.folder / "events.jsonl", 50)
    output = cli.folder / "out.jsonl"
    done = cli("run", "tasks", "--input", events, "--output", output, "--no-table")
    assert done.code == ExitCode.PARTIAL
    assert "would come after itself" in done.err
    assert "runs only when it is called" in done.err
    found = check(read_results(output), tasks, 50)
    assert [graph["join"]["result"] for graph in found[50]] == [2 * 3 * 49]

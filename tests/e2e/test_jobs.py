"""Jobs of a host as users run it: queries become features, tasks start, both are listed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.conftest import write_task
from tests.e2e.conftest import read_results, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

OPERATORS = """
[tables.totals]
versions = 5

[[jobs]]
name = "totals"
every = "1h"
sql = "select user, sum(price) as total from clicks group by user"
into = {table = "totals", key = "user"}

[[jobs]]
name = "wrong"
every = "1h"
sql = "select nothing_there from clicks"
into = {table = "totals", key = "user"}

[[jobs]]
name = "report"
every = "1h"
at_start = true
task = "report"
"""
REPORT = """
import polyvm
def run(start):
    return [start["job"], start["missed"], polyvm.features("totals").get("ada")]
"""


def jobs(cli: Cli) -> dict[str, Any]:
    return {each["name"]: each for each in cli("jobs", "--socket", "s").results()}


def test_jobs_of_a_host(cli: Cli, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "report", REPORT, events='["none"]')
    (tmp_path / "ops.toml").write_text(OPERATORS)
    events = [{"stream": "clicks", "user": "ada", "price": price} for price in (1, 2, 3)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    arguments = ["--flows", "ops.toml", "--events", "kept", "--output", "out.jsonl", "--no-table"]
    host = ["--socket", "s", "--input", "in.jsonl", "--keep-running"]
    process = cli.start("run", "tasks", *arguments, *host)
    out = tmp_path / "out.jsonl"
    try:
        wait_for(lambda: bool(read_results(out)), "the report")
        assert read_results(out)[0]["result"] == ["report", 0, None]
        wait_for(
            lambda: len(cli("events", "--stream", "clicks", "--socket", "s").results()) == 3,
            "events",
        )
        for name in ("totals", "wrong"):
            done = cli("jobs", "run", name, "--socket", "s")
            assert (done.code, done.out) == (0, f"job {name} runs as soon as it can\n")
        wait_for(lambda: jobs(cli)["wrong"]["runs"] == 1, "the queries")
        seen = jobs(cli)
        assert (seen["totals"]["runs"], seen["totals"]["rows"]) == (1, 1)
        assert "no such column" in seen["wrong"]["error"]
        assert seen["report"]["next"] > 0
        assert "no job 'other'" in cli("jobs", "run", "other", "--socket", "s").err
        cli("jobs", "run", "report", "--socket", "s")
        wait_for(lambda: len(read_results(out)) == 2, "the second report")
        assert read_results(out)[1]["result"] == ["report", 0, {"total": 6}]
        os.kill(process.pid, 15)
        process.wait(60)
    finally:
        process.kill()
        process.communicate()


def test_jobs_with_sql_need_events(cli: Cli, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "report", REPORT)
    (tmp_path / "ops.toml").write_text(OPERATORS)
    done = cli("run", "tasks", "--flows", "ops.toml", "--no-table")
    assert done.code != 0
    assert "start the host with --events DIR" in done.err

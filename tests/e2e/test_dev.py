"""`polyvm dev` with tables, events, flows and triggers: what `polyvm run` gives, in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.errors import ExitCode
from tests.conftest import write_task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

SHOP = [
    {"event": "buy", "user": "ada", "price": 4, "ts": 3},
    {"event": "view", "user": "bob", "ts": 5},
    {"event": "buy", "user": "ada", "price": 8, "ts": 59},
    {"event": "buy", "user": "bob", "price": 7, "ts": 61},
    {"event": "buy", "user": "ada", "price": 9, "ts": 58},
    {"event": "view", "user": "eve", "ts": 70},
    {"event": "buy", "user": "eve", "price": 30, "ts": 130},
    {"event": "buy", "user": "bob", "price": 2, "ts": 131},
]
SAYS = "def run(start):\n    return start\n"
BASKETS = """
[[flows]]
name = "baskets"
from = "events"
lateness = "5s"
steps = [
  {filter = "event == 'buy'"},
  {key_by = "user"},
  {window = {tumbling = "1m"}, columns = {n = "count()", total = "sum(price)"}},
]
"""
SEQUENCE = """
[[triggers]]
key = "user"
sequence = [{type = "view"}, {type = "buy"}]
"""
COUNTER = """
[[triggers]]
stream = "events"
events = 3
"""
LINES = "events = ['buy']\n"
RETURNED = (
    'results_into = "seen"\n'
    """
[[flows]]
name = "second"
from = "seen"
steps = [{filter = "n < 3"}]

[[triggers]]
sequence = [{type = "buy"}]
"""
)
COUNTS = """
def run(start):
    n = start["row"]["n"] if "row" in start else 0
    return {"event": "counted", "n": n + 1}
"""
SENSIBLE = """
import polyvm
rows = polyvm.features("totals")
def run(event):
    return [rows.get(event["user"]), len(polyvm.events(key=event["user"]))]
"""
TOTALS = """
[tables.totals]
versions = 3

[[flows]]
name = "totals"
from = "events"
steps = [
  {filter = "event == 'buy'"},
  {key_by = "user"},
  {window = {running = true}, columns = {total = "sum(price)"}},
]
into = {table = "totals"}
"""


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def write_shop(folder: Path) -> None:
    (folder / "shop.jsonl").write_text("".join(json.dumps(each) + "\n" for each in SHOP))


@pytest.mark.parametrize(
    ("main", "manifest", "count"),
    [
        (SAYS, BASKETS, 4),
        (SAYS, SEQUENCE, 2),
        (SAYS, COUNTER, 3),
        (SAYS, BASKETS + SEQUENCE + COUNTER, 9),
        (SAYS, LINES, 6),
        (COUNTS, RETURNED, 18),
    ],
)
def test_as_a_host_does(cli: Cli, main: str, manifest: str, count: int) -> None:
    folder = write_task(cli.folder / "tasks" / "t", main)
    with (folder / "task.toml").open("a") as file:
        file.write(manifest)
    write_shop(cli.folder)
    run = cli(
        *("run", "tasks", "--input", "shop.jsonl", "--output", "out.jsonl", "--no-table"),
        *("--workers", "1", "--events", "kept"),
    )
    assert run.code == ExitCode.OK, run.err
    in_vms = [each["result"] for each in lines((cli.folder / "out.jsonl").read_text())]
    done = cli("dev", "tasks/t", "--input", "shop.jsonl", "--events", "kept-by-dev")
    assert done.code == ExitCode.OK, done.err
    assert sorted(map(str, lines(done.out))) == sorted(map(str, in_vms))
    assert len(in_vms) == count
    kept = [cli("events", each).out for each in ("kept", "kept-by-dev")]
    assert [[row["event"] for row in lines(each)] for each in kept] == [SHOP, SHOP]


def test_operators_flows_and_tables_are_there_again(cli: Cli) -> None:
    write_task(cli.folder / "t", SENSIBLE, events='["view"]')
    write_shop(cli.folder)
    (cli.folder / "flows.toml").write_text(TOTALS)
    beside = ("--flows", "flows.toml", "--events", "kept", "--event-field", "key=user")
    done = cli("dev", "t", "--input", "shop.jsonl", *beside)
    assert done.code == ExitCode.OK, done.err
    assert lines(done.out) == [[None, 1], [None, 1]]
    done = cli("dev", "t", '{"user": "ada"}', *beside)
    assert lines(done.out) == [[{"user": "ada", "total": 12}, 3]], done.err
    sql = cli("sql", "select total from features.totals where key = 'bob'", "kept")
    assert sql.out.split()[-1] == "9", sql.err


def test_what_is_refused_is_told_with_its_line(cli: Cli) -> None:
    folder = write_task(cli.folder / "t", SAYS)
    with (folder / "task.toml").open("a") as file:
        file.write(SEQUENCE)
    (cli.folder / "s.toml").write_text('[streams.events]\nfields = {event = "str", user = "str"}\n')
    (cli.folder / "in").write_text(
        '{"event": "view", "user": "ada"}\nnothing\n{"event": 5}\n{"event": "buy", "user": "ada"}\n'
    )
    done = cli("dev", "t", "--input", "in", "--events", "kept", "--streams", "s.toml")
    assert done.code == ExitCode.FAILED
    assert [each["key"] for each in lines(done.out)] == ["ada"]
    assert "in:2: is not JSON" in done.err
    assert "line 3: the event was refused; see `polyvm events --dead`" in done.err
    dead = lines(cli("events", "kept", "--dead").out)
    assert [each["event"]["source"] for each in dead] == ["in:2", "in:3"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--streams", "s.toml"], ExitCode.USAGE, "give it a folder"),
        (["--flows", "none.toml"], ExitCode.NO_INPUT, "none.toml"),
        (["--flows", "bad.toml"], ExitCode.BAD_DATA, "bad.toml"),
        (["--events", "t/task.toml"], ExitCode.CANNOT_WRITE, "events: "),
        (["--event-field", "x=y"], ExitCode.USAGE, "'x=y' is no setting of events"),
    ],
)
def test_wrong_options(cli: Cli, arguments: list[str], code: ExitCode, words: str) -> None:
    write_task(cli.folder / "t", SAYS)
    (cli.folder / "bad.toml").write_text("[[flows]]\nname = 5\n")
    done = cli("dev", "t", "1", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_without_the_library(tmp_path: Path) -> None:
    """What needs no table works, what does says what is missing."""
    plain = write_task(tmp_path / "plain", SAYS)
    asks = write_task(tmp_path / "asks", SENSIBLE)
    flows = write_task(tmp_path / "flows", SAYS)
    with (flows / "task.toml").open("a") as file:
        file.write(BASKETS)
    write_shop(tmp_path)
    script = """
import sys
class Unbuilt:
    def find_spec(self, name, path=None, target=None):
        if name == "polyvm.vm._isolated":
            raise ImportError("no _isolated here")
sys.meta_path.insert(0, Unbuilt())
from polyvm.host.cli import main
sys.exit(main())
"""
    missing = "polyvm's library is not built"
    for folder, given, code, words in [
        (plain, ["1"], ExitCode.OK, "1\n"),
        (plain, ["--input", tmp_path / "shop.jsonl"], ExitCode.OK, '"view"'),
        (plain, ["1", "--events", tmp_path / "kept"], ExitCode.UNAVAILABLE, f"polyvm: {missing}"),
        (flows, ['{"row": 1}'], ExitCode.OK, '{"row":1}'),
        (flows, ["--input", tmp_path / "shop.jsonl"], ExitCode.UNAVAILABLE, f"polyvm: {missing}"),
        (asks, ['{"user": 1}'], ExitCode.FAILED, f"no tables of features and no events: {missing}"),
    ]:
        done = subprocess.run(
            [sys.executable, "-c", script, "dev", str(folder), *map(str, given)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert words in done.stdout + done.stderr
        assert ("Traceback" in done.stderr) is (folder == asks)

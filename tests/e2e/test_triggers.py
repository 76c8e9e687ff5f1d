"""The demo's events, fed to tasks with triggers: as many starts as the plain matcher says."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import write_task
from tests.e2e.conftest import wait_for
from tests.engine.matcher import Condition, Matcher

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

SAMPLE = Path(__file__).parents[2] / "tasks" / "data" / "ecom-sample.jsonl.gz"
MAIN = "def run(x):\n    return [x['trigger'], x['key'], [e.get('event') for e in x['events']]]\n"
SEQUENCES = {
    "view": (["product_view"], None, ""),
    "bought": (["product_view", "add_to_cart", "purchase"], 1800, ""),
    "hesitates": (["add_to_cart", "home"], 300, ""),
    "user": (["home", "catalog", "product_view"], None, "user_id"),
}


def manifest() -> str:
    lines = []
    for name, (types, within, key) in SEQUENCES.items():
        steps = ", ".join(f'{{type = "{each}"}}' for each in types)
        lines += ["[[triggers]]", f'name = "{name}"', f"sequence = [{steps}]", f'key = "{key}"']
        lines += [f'within = "{within}s"'] if within is not None else []
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    write_task(folder, MAIN)
    with (folder / "task.toml").open("a") as file:
        file.write(manifest())


def expected(events: list[dict[str, object]]) -> Counter[str]:
    plain = Matcher(3600)
    names = list(SEQUENCES)
    for number, (types, within, key) in enumerate(SEQUENCES.values()):
        steps = [{"type": each} for each in types]
        plain.conditions[number] = Condition(number, steps, within, key)
    counts: Counter[str] = Counter()
    for serial, event in enumerate(events):
        if "ts" in event:  # the others are of types that no trigger names
            own = {**event, "k": event["session_id"], "time": event["ts"]}
            counts.update(names[number] for number, _ in plain.append(serial, own)[1])
    return counts


def test_the_demos_events(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    done = cli("run", "tasks", "--input", SAMPLE, "--output", "out.jsonl", "--no-table")
    assert done.code == 0, done.err
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    lines = gzip.decompress(SAMPLE.read_bytes()).splitlines()
    wanted = expected([json.loads(line) for line in lines])
    assert len(wanted) > 1
    assert Counter(result["result"][0] for result in results) == wanted
    for result in results:
        name, key, types = result["result"]
        event = json.loads(lines[result["line"] - 1])
        assert types == SEQUENCES[name][0]
        assert key == event[SEQUENCES[name][2] or "session_id"]


def test_events_over_http(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    process = cli.start("run", "tasks", "--socket", "s", "--output", "out.jsonl", "--no-table")
    try:
        wait_for(lambda: cli("top", "--once", "--socket", "s").code == 0, "the host")
        assert cli("switch", "trigger", "t.user", "disable", "--socket", "s").out == (
            "trigger t.user is disabled\n"
        )
        refused = cli("switch", "trigger", "t.user", "pause", "--socket", "s")
        assert "enabled or disabled" in refused.err
        assert (
            "no trigger 't.nope'"
            in cli("switch", "trigger", "t.nope", "enable", "--socket", "s").err
        )
        answer = post(tmp_path / "s", [{"event": "product_view", "session_id": 5}])
        assert answer == {
            "events": 1,
            "matched": 1,
            "fired": 1,
            "accepted": 1,
            "refused": [],
            "duplicates": 0,
            "dead": 0,
        }
        assert "error" in post(tmp_path / "s", [1])
        wait_for(lambda: b'"view"' in (tmp_path / "out.jsonl").read_bytes(), "the result")
        os.kill(process.pid, 15)
        process.wait(60)
    finally:
        process.kill()
        process.communicate()


def post(path: Path, events: list[object]) -> dict[str, object]:
    from tests.host.api.conftest import UnixConnection, ask

    body = ask(UnixConnection(path), "POST", "/v1/events", json.dumps(events).encode()).body
    assert isinstance(body, dict)
    return body


COUNTS = """
[[triggers]]
name = "five"
stream = "clicks"
events = 5
[[triggers]]
name = "two"
stream = "clicks"
events = 2
key = "user_id"
"""


def test_a_killed_host_counts_on(cli: Cli, tmp_path: Path) -> None:
    main = "def run(x):\n    return [x['trigger'], x['key'], x['first'], x['last'], x['events']]\n"
    write_task(tmp_path / "tasks" / "t", main)
    with (tmp_path / "tasks" / "t" / "task.toml").open("a") as file:
        file.write(COUNTS)

    def results() -> list[list[object]]:
        lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
        return [json.loads(line)["result"] for line in lines if line.endswith(b"}")]

    # users of the events that each host gets, and what they start
    lives = [
        ("aabcab", [["five", None, 1, 5, 5], ["two", "a", 1, 2, 2], ["two", "b", 3, 6, 2]]),
        (
            "bbac",
            [
                ["five", None, 6, 10, 5],
                ["two", "b", 7, 8, 2],
                ["two", "a", 5, 9, 2],
                ["two", "c", 4, 10, 2],
            ],
        ),
        ("bccb", [["two", "c", 12, 13, 2], ["two", "b", 11, 14, 2]]),
    ]
    for users, expected in lives:
        count = len(expected)
        process = cli.start(
            *("run", "tasks", "--events", "kept", "--socket", "s", "--output", "out.jsonl"),
            "--no-table",
        )
        try:
            wait_for(lambda: cli("top", "--once", "--socket", "s").code == 0, "the host")
            wait_for(lambda: cli("top", "--once", "--socket", "s").out.count("live") == 1, "it")
            post(tmp_path / "s", [{"stream": "clicks", "user_id": user} for user in users])
            wait_for(lambda count=count: len(results()) >= count, "what they start")
            assert sorted(results(), key=repr) == sorted(expected, key=repr)
        finally:
            process.kill()
            process.communicate()
        (tmp_path / "s").unlink(missing_ok=True)
        (tmp_path / "out.jsonl").unlink()

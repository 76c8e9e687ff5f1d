"""``polyvm sql`` of a running host and of its folder."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import PATIENCE, wait_for
from tests.e2e.test_events import curl, lines, listens

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

TABLES = """
[tables.old]
ttl = "1ms"

[tables.young]
ttl = "1h"
"""
ENDLESS = (
    "with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c, events"
)


def test_a_host_and_its_folder_answer_the_same(cli: Cli, tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "t", "def run(x):\n    return x\n")
    (tmp_path / "tables.toml").write_text(TABLES)
    events = [{"ts": n, "key": n % 3, "n": n, f"f{n % 5}": [n]} for n in range(300)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, events)))
    host = cli.start(
        *("run", "tasks", "--events", "kept", "--flows", "tables.toml"),
        *("--no-table", "--socket", "host.sock"),
    )
    wait_for(lambda: listens(tmp_path / "host.sock"), "the socket")
    assert cli("events", "append", "in.jsonl", "--socket", "host.sock").code == ExitCode.OK
    for table in ("old", "young"):
        put = cli("features", "put", table, "ada", '{"x": 7}', "--socket", "host.sock")
        assert put.code == ExitCode.OK, put.err
    sock = tmp_path / "host.sock"
    wait_for(lambda: curl(sock, "GET", "/v1/features/old")["rows"] == [], "the row's end")
    fields = curl(sock, "GET", "/v1/streams/fields?stream=events&sequence=3&most=2")
    assert fields == {"behind": 5, "events": 2, "names": ["ts", "key", "n", "f2", "f3"]}
    assert "no stream" in curl(sock, "GET", "/v1/streams/fields?stream=nowhere")["error"]

    def ask(where: str, query: str, *more: str) -> list[Any]:
        at = ("--socket", "host.sock") if where == "host" else ("kept",)
        done = cli("sql", query, *at, "--format", "json", *more)
        assert done.code == ExitCode.OK, done.err
        return lines(done.out)

    for where in ("host", "folder"):
        if where == "folder":
            host.send_signal(signal.SIGTERM)
            host.communicate(timeout=PATIENCE)
        (row,) = ask(where, "select count(*) as c, sum(n) as s, max(f2) as f from events")
        assert row == {"c": 300, "s": sum(range(300)), "f": "[97]"}
        (row,) = ask(where, "select min(n) as a, max(n) as b from events", "--from", "100")
        assert row == {"a": 100, "b": 299}
        (row,) = ask(
            where, "select min(n) as a, max(n) as b from events", "--from", "9.5", "--until", "20"
        )
        assert row == {"a": 10, "b": 19}
        assert len(ask(where, "select * from events", "--until", "7")) == 7
        assert ask(where, "select key, x from features.old") == []
        assert ask(where, "select key, x from features.young") == [{"key": "ada", "x": 7}]
    process = cli.start("sql", ENDLESS, "kept")
    wait_for(lambda: has_opened(process.pid, tmp_path / "kept"), "the query")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err


def has_opened(pid: int, folder: Path) -> bool:
    """Whether a process has the store of a folder."""
    try:
        names = [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # one was closed meanwhile
        return False
    return any(folder in name.parents for name in names)

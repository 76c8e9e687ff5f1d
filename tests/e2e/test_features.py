"""Tables of features of a running host: ``polyvm features``, tasks, flows, and a host that dies."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

from polyvm.host.errors import ExitCode
from tests.conftest import write_task
from tests.e2e.conftest import PATIENCE, wait_for
from tests.e2e.test_events import curl, lines, listens

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Cli

COUNTS = """
import polyvm
counts = polyvm.features("counts")
def run(x):
    row = counts.get(x["user"])
    counts.put(x["user"], {"n": (row["n"] if row else 0) + 1}, at=x["ts"])
    return counts.get(x["user"], at=x["ts"] - 1)
"""
TABLE = '\n[[tables]]\nname = "counts"\nversions = 3\n'


def write(folder: Path, main: str = COUNTS, more: str = TABLE) -> None:
    write_task(folder, main)
    with (folder / "task.toml").open("a") as file:
        file.write(more)


def test_a_killed_host_has_its_rows_again(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    sock = tmp_path / "host.sock"
    for generation in range(2):
        host = cli.start("run", "tasks", "--events", "kept", "--no-table", "--socket", "host.sock")
        wait_for(lambda: listens(sock), "the socket")
        wait_for(lambda: curl(sock, "GET", "/v1/features")["tables"] != [], "the task")
        for n in range(2):
            body = json.dumps({"user": "ada", "ts": 10 * generation + n})
            done = curl(sock, "POST", "/v1/tasks/t:run", body)
            expected = 2 * generation + n
            assert done["result"] == ({"n": expected} if expected else None)
        put = cli("features", "put", "counts", "bob", '{"n": 7}', "--at", "5", "--socket", sock)
        assert (put.code, put.out) == (ExitCode.OK, ""), put.err
        (row,) = lines(cli("features", "get", "counts", "ada", "--socket", sock).out)
        assert row["values"] == {"n": 2 * generation + 2}
        assert row["time_ns"] == (10 * generation + 1) * 10**9
        os.kill(host.pid, signal.SIGKILL)
        host.communicate(timeout=PATIENCE)
        sock.unlink()
    kept = lines(cli("events", "kept", "--stream", "features.counts").out)
    assert kept[0]["key"] == "ada"
    assert kept[0]["event"] == {"n": 1}


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    (tmp_path / "more.toml").write_text("[tables.profile]\nversions = 2\n")
    rows = [{"key": f"k{n}", "time_ns": n, "values": {"n": n}} for n in range(50_000)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    (tmp_path / "bad.jsonl").write_text(json.dumps(rows[0]) + '\n{"key": 1}\n')
    host = cli.start("run", "tasks", "--flows", "more.toml", "--no-table", "--socket", "host.sock")
    wait_for(lambda: listens(tmp_path / "host.sock"), "the socket")

    def features(*words: str) -> Any:
        return cli("features", *words, "--socket", "host.sock")

    loaded = features("load", "profile", "rows.jsonl")
    assert (loaded.code, loaded.out) == (ExitCode.OK, "50,000 rows\n"), loaded.err
    assert len(lines(features("scan", "profile", "--most", "10").out)) == 10
    found = lines(features("scan", "profile", "--at", "0.000001").out)
    assert sorted(row["time_ns"] for row in found) == list(range(1001))
    assert features("put", "profile", "k7", '{"m": 1}', "--at", "1", "--merge").code == ExitCode.OK
    history = lines(features("history", "profile", "k7").out)
    assert [row["values"] for row in history] == [{"n": 7}, {"n": 7, "m": 1}]
    assert features("remove", "profile", "k7").code == ExitCode.OK
    gone = features("get", "profile", "k7")
    assert gone.code != ExitCode.OK
    assert "table 'profile' has no row of 'k7'" in gone.err
    names = [table["name"] for table in lines(features().out)]
    assert "profile" in names
    for words, why in (
        (("put", "profile", "k", "[1]"), "the values are a JSON object"),
        (("put", "profile", "k", "{"), "the values are no JSON"),
        (("get", "profile"), "write one of: list; get TABLE KEY"),
        (("get", "none", "k"), "there is no table of features 'none'"),
        (("load", "profile", "bad.jsonl"), "bad.jsonl:2: no row"),
        (("load", "profile", "missing.jsonl"), "missing.jsonl"),
        (("load", "profile", "rows.jsonl", "--at", "1"), "leave --at out"),
    ):
        refused = features(*words)
        assert refused.code != ExitCode.OK, words
        assert why in refused.err, refused.err
        assert refused.err.count("\n") == 1
    host.send_signal(signal.SIGTERM)
    host.communicate(timeout=PATIENCE)


def test_a_sensitive_table_is_sealed(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "t")
    (tmp_path / "s.toml").write_text('[streams."features.counts"]\nsensitive = true\n')
    assert cli("keygen", "events", "--keys", "keys").code == ExitCode.OK
    (key,) = (tmp_path / "keys").iterdir()
    for turn in range(2):
        done = cli(
            *("run", "tasks", "--input", "-", "--output", f"out{turn}", "--no-table"),
            *("--workers", "1"),
            *("--events", "kept", "--streams", "s.toml", "--events-key", key),
            stdin="".join(f'{{"user": "needle", "ts": {10 * turn + n}}}\n' for n in range(3)),
        )
        assert done.code == ExitCode.OK, done.err
    results = [json.loads(line)["result"] for line in (tmp_path / "out1").read_text().splitlines()]
    assert results == [{"n": 3}, {"n": 4}, {"n": 5}]
    files = list((tmp_path / "kept" / "sealed" / "stream-features.counts").iterdir())
    assert files
    assert not any(b"needle" in file.read_bytes() for file in files)


def test_flows_write_and_tasks_read(cli: Cli, tmp_path: Path) -> None:
    """Appended events go through a flow into a table, and trigger a task that reads it."""
    write(
        tmp_path / "tasks" / "sends",
        "import polyvm\ndef run(x):\n    return polyvm.append({**x, 'event': 'seen'})\n",
        'events = ["line"]\n',
    )
    write(
        tmp_path / "tasks" / "reads",
        "import polyvm\nt = polyvm.features('per_user')\n"
        "def run(x):\n    return [x['key'], t.get(x['key'])]\n",
        '[[triggers]]\nsequence = [{type = "seen"}]\n'
        '[[flows]]\nname = "per-user"\nfrom = "events"\ninto = {table = "per_user"}\n'
        'steps = [{filter = "event == \'seen\'"}, {key_by = "user_id"}, '
        '{window = {running = true}, columns = {n = "count()", total = "sum(price)"}}]\n'
        '[[flows]]\nname = "each"\nfrom = "events"\n'
        'steps = [{filter = "event == \'seen\'"}, {key_by = "user_id"}]\n',
    )
    feed = [{"event": "line", "user_id": f"u{n % 3}", "price": n, "ts": n} for n in range(30)]
    text = "".join(json.dumps(each) + "\n" for each in feed)
    done = cli("run", "tasks", "--input", "-", "--output", "out", "--no-table", stdin=text)
    assert done.code == ExitCode.OK, done.err
    results = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [each["result"] for each in results if each["task"] == "sends"] == [1] * 30
    read = [each["result"] for each in results if each["task"] == "reads"]
    assert len(read) == 60  # by the trigger, and by the flow into the task
    assert all(row["n"] >= 1 for _, row in read), read
    assert max(row["n"] for _, row in read) == 10

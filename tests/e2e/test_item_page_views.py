"""The demo's item page views: the flow's features against DuckDB's, computed in one go."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from polyvm.host import dev
from polyvm.host.embedded import Host, Options

TASKS = Path(__file__).resolve().parents[2] / "tasks"
TASK = TASKS / "ipv-encoding"

if str(TASKS) not in sys.path:
    sys.path.insert(0, str(TASKS))

import prepare_behaviour  # noqa: E402
import show_views  # noqa: E402
from prepare_data import SAMPLE, write  # noqa: E402

_COLUMNS = {
    "event": "VARCHAR",
    "ts": "DOUBLE",
    "user_id": "VARCHAR",
    "visit": "VARCHAR",
    "page": "VARCHAR",
    "item": "BIGINT",
    "category": "BIGINT",
    "shown": "BIGINT",
    "depth": "DOUBLE",
    "about": "STRUCT(platform VARCHAR)",
}
_QUERY = """
select
  visit,
  arg_min(user_id, ts) as "user",
  arg_min(item, ts) as item,
  arg_min(category, ts) as category,
  arg_min(about.platform, ts) as platform,
  round(min(ts) * 1000)::bigint as entered_ms,
  round((max(ts) - min(ts)) * 1000)::bigint as dwell_ms,
  count(*) filter (event = 'scroll') as scrolls,
  coalesce(max(depth), 0) as depth,
  count(*) filter (event = 'exposure') as exposures,
  count(distinct shown) as shown,
  count(*) filter (event = 'click') as clicks,
  count(*) filter (event = 'favourite') as favourites,
  count(*) filter (event = 'cart') as carts,
  count(*) filter (event = 'buy') as buys
from read_json(?, format = 'newline_delimited', columns = ?)
where page = 'product_view'
group by visit
"""


def by_duckdb(reports: Path) -> dict[str, dict[str, Any]]:
    """Rows by visit, of a file of JSON lines."""
    with duckdb.connect() as base:
        found = base.execute(_QUERY, [str(reports), _COLUMNS])
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {row["visit"]: row for row in rows}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [json.loads(line) for line in gzip.decompress(SAMPLE.read_bytes()).splitlines()]
    sessions = [line for line in lines if line["event"] == "session_end"]
    path = tmp_path_factory.mktemp("reports") / "behaviour.jsonl"
    write(prepare_behaviour.behaviour(sessions), path)
    return path


def test_features_are_those_of_a_batch_computation(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(TASK, tmp_path / "tasks" / TASK.name)
    wanted = by_duckdb(reports)
    assert len(wanted) == 426
    with dev.opened(TASK):
        import main

        for view in wanted.values():
            view["encoding"] = main.encoding(view)
    given = [json.loads(line) for line in reports.read_bytes().splitlines()]
    with Host(Options(tasks=tmp_path / "tasks")) as host:
        replay = show_views.Replay(host, rate=50_000)
        for _ in replay.run(given):
            pass
        rows = {row.key: row for row in host.features.scan("ipv")}
    assert {key: row.values for key, row in rows.items()} == wanted
    left = {each["visit"]: each["ts"] for each in given if each["event"] == "page_exit"}
    assert {key: row.time_ns for key, row in rows.items()} == {
        key: pytest.approx(left[key] * 1e9, abs=1e6) for key in wanted
    }
    figures = replay.figures
    assert (figures.features, figures.reports) == (len(wanted), len(given))
    assert figures.bytes_out < 0.1 * figures.item_bytes_in < 0.1 * figures.bytes_in
    assert f"{len(wanted)} features" in figures.totals()
    assert capsys.readouterr().err == ""


def shown(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TASKS / "show_views.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demo_ends_with_its_figures(reports: Path, tmp_path: Path) -> None:
    shutil.copytree(TASK, tmp_path / "tasks" / TASK.name)
    done = shown(str(reports), "--tasks", str(tmp_path / "tasks"), "--rate", "20000")
    assert (done.returncode, done.stderr) == (0, "")
    said = " ".join(done.stdout.split())
    assert "426 features" in said
    assert "% less · from leaving a page to its feature p50" in said


def test_a_folder_without_the_task_is_told(reports: Path, tmp_path: Path) -> None:
    done = shown(str(reports), "--tasks", str(tmp_path), "--rate", "1e9")
    assert done.returncode == 1
    assert done.stderr.startswith("show_views: there is no table of features 'ipv'")
    assert "Traceback" not in done.stderr
    done = shown(str(tmp_path / "none.jsonl"), "--tasks", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "none.jsonl" in done.stderr

"""What keeps events in the benchmark gives the same answers."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from bench.contenders import events
from bench.sections import events as section

if TYPE_CHECKING:
    from pathlib import Path

KINDS = [
    kind
    if kind != "lmdb"
    else pytest.param(
        kind,
        marks=pytest.mark.skipif(
            importlib.util.find_spec("lmdb") is None, reason="needs the extra `bench`"
        ),
    )
    for kind in events.KINDS
]


@pytest.mark.parametrize("level", section.LEVELS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_read_finds_the_last_ones(tmp_path: Path, kind: str, level: str) -> None:
    if kind == "lmdb" and level == "memory":
        pytest.skip("it has no such level")
    told = events.keep(kind, str(tmp_path), level, 1, 20)
    assert len(told["event_ns"]) == 20
    assert told["found"] > 0.9 * events.READS * events.LAST * (9 / 10)
    assert told["found"] == events.keep("polyvm", str(tmp_path), "flushed", 1, 20)["found"]


@pytest.mark.parametrize("kind", KINDS)
def test_two_threads(tmp_path: Path, kind: str) -> None:
    told = events.keep(kind, str(tmp_path), "flushed", 2, 10)
    assert len(told["event_ns"]) == 1
    assert told["found"] > 0


@pytest.mark.parametrize("kind", events.IN_C)
@pytest.mark.parametrize("level", section.LEVELS)
def test_from_c(tmp_path: Path, kind: str, level: str) -> None:
    assert events.keep(kind, str(tmp_path), level, 2, 3)["event_ns"][0] > 0


def test_rows_and_tables() -> None:
    read = {"p50": [4_000.0], "p99": [9_000.0], "found": 1, "bytes": 74.0}
    found = {
        f"{kind} {level} {threads}": {"event_ns": [300.0 if "sealed" in kind else 200.0]}
        | ({} if kind.startswith("c") else read)
        for kind, level, threads in section._cases()
    }
    rows = section.rows({"found": found})
    assert [row.good for row in rows] == [True] * 5
    assert [row.ratio for row in rows[2:4]] == [pytest.approx(2 / 3)] * 2
    (table,) = section.tables({"found": found})
    assert len(table.lines) == 3 + 6 + 6
    assert all(len(line) == len(table.columns) for line in table.lines)

"""The sections on flows and on freshness: what is compared with what, and what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.chart import draw
from bench.sections import flows, freshness

if TYPE_CHECKING:
    from pathlib import Path

FLOWS: dict[str, Any] = {
    "versions": "Bytewax 0.21.1, Pathway 0.33.0",
    "windows": {
        "events": 50_000,
        "bid_ns": {
            "polyvm": [1_000, 1_100],
            "bytewax": [40_000, 44_000],
            "pathway": [9_000, 9_900],
        },
        "different": [],
    },
    "nexmark": {
        "events": 100_000,
        "queries": {
            "q0": {"per_second": {"1": [2e6, 2.2e6], "2": [3e6]}, "rows": 92_000, "right": True},
            "q5": {"per_second": {"1": [1e5], "2": [1.5e5]}, "rows": 12, "right": True},
        },
    },
    "different": [],
}


def told(p50: float, **more: Any) -> dict[str, Any]:
    return {"per_second": 1e5, "p50": p50, "p99": 10 * p50, "p999": 20 * p50, **more}


FRESHNESS: dict[str, Any] = {
    "kinds": {
        kind: {
            "per_second": 1e6,
            "shares": {str(share): [told(1e4)] * 3 for share in freshness.SHARES},
        }
        for kind in freshness.KINDS
    },
    "reads": {"nobody": [told(500)], "a flow": [told(900)]},
    "ipv": {
        "rounds": [told(3e5, events=16_000, features=1_000, bytes_in=8_000_000, bytes_out=300_000)]
    },
}


def test_windows_are_compared_round_by_round() -> None:
    bytewax, pathway = flows.rows(FLOWS)
    assert (bytewax.ratio, bytewax.good) == (40, True)
    assert (pathway.ratio, pathway.good) == (9, False)
    windows, nexmark = flows.tables(FLOWS)
    assert [line[0] for line in windows.lines] == ["PolyVM", "Bytewax", "Pathway"]
    assert windows.lines[1][-1] == "40.00"
    assert nexmark.lines[1] == ["q5", "100,000", "150,000", "12"]
    assert "DIFFER" not in windows.note


def test_results_that_differ_are_told() -> None:
    windows, _ = flows.tables(FLOWS | {"different": ["q5"]})
    assert "RESULTS DIFFER: q5." in windows.note


def test_without_peers_there_are_no_rows() -> None:
    alone = FLOWS | {"versions": "", "windows": {**FLOWS["windows"], "bid_ns": {"polyvm": [1.0]}}}
    assert flows.rows(alone) == []
    windows, _ = flows.tables(alone)
    assert windows.note.endswith("the others, in batches of 1,000.")


def test_freshness_is_held_against_its_goals() -> None:
    feature, read, view, less = freshness.rows(FRESHNESS)
    assert (feature.reached, feature.good) == ("100 µs", True)
    assert (read.reached, read.good) == ("9 µs", True)
    assert view.reached == "300 µs = 1/147"
    assert (less.reached, less.good) == ("3.8%", True)
    for table in freshness.tables(FRESHNESS):
        assert all(len(line) == len(table.columns) for line in table.lines), table.title


@pytest.mark.filterwarnings("ignore")
def test_both_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = {
        "machine": {"cpu": "Test CPU", "cores": 2},
        "contenders": {"VM": "3.13.5"},
        "sections": {"flows": FLOWS, "freshness": FRESHNESS},
    }
    assert [path.name for path in draw(results, tmp_path)] == ["chart.png", "chart.svg"]

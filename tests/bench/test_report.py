"""From measurements to rows, tables, Markdown and the chart."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import document
from bench.chart import draw
from bench.contender import ROOT
from bench.report import markdown, report_of
from bench.rows import duration, size, sparkline
from bench.sections import SECTIONS, lifecycle, memory, programs, scaling
from bench.stats import geometric_mean, quartile_spread, slope

RESULTS: dict[str, Any] = {
    "schema": 1,
    "when": "2026-01-01T00:00:00+00:00",
    "mode": "quick",
    "seconds": 12.0,
    "machine": {
        "cpu": "Test CPU",
        "cores": 2,
        "memory_gib": 8.0,
        "kernel": "Linux 6",
        "governor": "unknown",
        "compiler": "cc 1",
        "host_python": "3.11.0",
    },
    "noise": {"load_average": 0.1, "busy": {"programs": 0.02}},
    "contenders": {"VM": "3.13.5, build pgo", "stock": "3.13.5", "sdk": "none", "3.14": "3.14.0"},
    "sections": {
        "programs": {
            "times_ns": {
                "nbody": {"vm": [100, 110, 120], "stock": [200, 220, 240]},
                "queens": {"vm": [100, 100, 100], "stock": [50, 50, 50]},
                "class light": {"vm": [1000, 1000, 1000], "stock": [1500, 1500, 1500]},
            },
            "different": [],
            "counts": {"light": 10},
        },
        "scaling": {
            "workers": [1, 2],
            "per_second": {
                kind: {
                    "vm": {"1": [100.0, 102.0], "2": [199.0, 203.0]},
                    "threads 3.13": {"1": [90.0, 91.0], "2": [88.0, 92.0]},
                    "processes 3.13": {"1": [80.0, 82.0], "2": [160.0, 150.0]},
                    "processes 3.13, chunks of 16": {"1": [90.0, 90.0], "2": [180.0, 180.0]},
                    "interpreters 3.14": {"1": [70.0, 70.0], "2": [130.0, 120.0]},
                }
                for kind in scaling.KINDS
            },
            "different": [],
        },
        "lifecycle": {
            "count": 10,
            "found": {
                "vm": {
                    "create_ns": [2e6, 2e6],
                    "retire_ns": [1e6, 1e6],
                    "reset_ns": [3e6],
                    "load_ns": [40_000, 42_000],
                    "trip_ns": [60_000],
                    "bytes": [900_000.0],
                    "counted_bytes": [800_000.0],
                    "left_bytes": [10.0],
                },
                "interpreters": {
                    "create_ns": [17e6],
                    "retire_ns": [5e6],
                    "bytes": [2_100_000.0],
                    "left_bytes": [1_000_000.0],
                },
            },
            "library": {"bytes": 9_000_000, "stripped": 8_000_000, "compressed": 2_400_000},
            "build": "pgo",
        },
        "dispatch": {
            "workers": 2,
            "found": {
                "vm": {
                    "per_second": [900_000.0],
                    "one_by_one_per_second": [500_000.0],
                    "p50": [4_000],
                    "p99": [9_000],
                    "p999": [12_000],
                },
                "interpreters 3.14": {"per_second": [20_000.0], "p50": [50_000], "p99": [90_000]},
                "processes 3.14, chunks of 64": {"per_second": [100_000.0]},
            },
            "settings": {"vm": "as it should be"},
            "missing": {"Ray": "Ray cannot be had: no network"},
        },
        "memory": {
            "cycles": 100,
            "reset": {"at": [25, 50, 75, 100], "bytes": [50, 60, 60, 60]},
            "count": 10,
            "many": {
                "at": [5, 10, 20, 30, 40, 50],
                "bytes": [50, 100, 100, 101, 101, 101],
                "loaded": 2,
                "before": 40,
                "vms": 10,
                "left_bytes": 60,
            },
        },
        "arrays": {
            "versions": {"numpy": "2.3.0", "isa": "avx2"},
            "ns": {
                "add": {
                    "16": [[100.0, 110.0], [400.0, 440.0]],
                    "1000": [[1000.0, 1000.0], [1000.0, 1000.0]],
                },
                "where": {"16": [[100.0], [100.0]]},
            },
            "missing": {"svdvals": "no attribute 'linalg'"},
            "different": [],
            "vms": {"1": [500.0], "2": [990.0]},
        },
    },
}


def row(name: str, results: dict[str, Any] = RESULTS) -> Any:
    found = [one for one in report_of(results).rows if one.what.startswith(name)]
    assert found, name
    return found[0]


def test_every_section_gives_rows_and_tables() -> None:
    for name, data in RESULTS["sections"].items():
        assert SECTIONS[name].rows(data), name
        for table in SECTIONS[name].tables(data):
            assert all(len(line) == len(table.columns) for line in table.lines), table.title


def test_arrays_are_compared_round_by_round() -> None:
    assert row("arrays: 2 operations, all sizes").ratio == pytest.approx(4 ** (1 / 3))
    assert row("arrays: a call with 16 elements").ratio == pytest.approx(2.0)
    assert row("arrays: where").good is False
    assert row("tasks on arrays, 2 VMs").ratio == pytest.approx(1.98)


def test_programs_are_compared_round_by_round() -> None:
    assert row("one VM running pure Python, geometric").ratio == pytest.approx(1.0)
    least = row("one VM running pure Python, every program")
    assert (least.good, least.ratio) == (False, 0.5)
    assert "0.5x (queens); 1 of 2" in least.reached
    assert row("light tasks in one VM").ratio == pytest.approx(1.5)


def test_scaling_counts_against_one_vm_and_against_pools() -> None:
    gain = row("2 VMs on 2 cores")
    assert gain.ratio == pytest.approx((199 / 100 + 203 / 102) / 2)
    assert gain.good
    pools = [r for r in report_of(RESULTS).rows if r.what.startswith("throughput of mixed")]
    assert [r.reference for r in pools] == ["threads 3.13", "processes 3.13", "interpreters 3.14"]
    assert all(r.good for r in pools)


def test_a_missed_target_is_not_called_good() -> None:
    results = copy.deepcopy(RESULTS)
    results["sections"]["lifecycle"]["found"]["vm"]["create_ns"] = [4e6]
    results["sections"]["dispatch"]["found"]["vm"]["p50"] = [6_000]
    assert row("cold VM create").good
    assert not row("cold VM create", results).good
    assert not row("submit-to-result", results).good


def test_rows_without_their_peer_are_left_out() -> None:
    results = copy.deepcopy(RESULTS)
    for times in results["sections"]["programs"]["times_ns"].values():
        del times["stock"]
    del results["sections"]["dispatch"]["found"]["interpreters 3.14"]
    del results["sections"]["lifecycle"]["found"]["interpreters"]
    names = [r.what for r in report_of(results).rows]
    assert not any(n.startswith(("one VM", "no-op", "cold VM")) for n in names)
    assert any(n.startswith("idle VM memory") for n in names)


def test_growth_in_the_second_half_is_not_level() -> None:
    curve = {"at": list(range(0, 100, 10)), "bytes": [i * 10_000 for i in range(10)]}
    assert memory.second_half_slope(curve) == pytest.approx(1000)
    data = copy.deepcopy(RESULTS["sections"]["memory"])
    assert all(r.good for r in memory.rows(data))
    data["reset"] = curve
    assert [r.good for r in memory.rows(data)] == [False, True]


def test_differing_results_are_shown_with_the_table() -> None:
    data = copy.deepcopy(RESULTS["sections"]["programs"])
    data["different"] = ["nbody"]
    assert "RESULTS DIFFER: nbody" in programs.tables(data)[0].note


def test_markdown_goes_between_the_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps(RESULTS))
    target = tmp_path / "benchmarks.md"
    target.write_text(f"before\n{document.BEGIN}\nstale words\n{document.END}\nafter\n")
    for _ in range(2):
        assert document.main([str(results), "--into", str(target)]) == 0
        text = target.read_text()
        assert text.startswith(f"before\n{document.BEGIN}\n")
        assert text.endswith(f"{document.END}\nafter\n")
        assert "stale words" not in text
        assert text.count("### Numbers to reach") == 1
        assert markdown(report_of(RESULTS)) in text


def test_a_page_without_marks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps(RESULTS))
    target = tmp_path / "page.md"
    target.write_text("nothing here\n")
    assert document.main([str(results), "--into", str(target)]) == 2
    assert "lacks the marks" in capsys.readouterr().err
    assert document.main([str(tmp_path / "none.json"), "--into", str(target)]) == 2
    assert target.read_text() == "nothing here\n"


@pytest.mark.filterwarnings("ignore")
def test_the_chart_is_drawn_as_png_and_svg(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = draw(RESULTS, tmp_path)
    assert [path.name for path in written] == ["chart.png", "chart.svg"]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in written[1].read_text()
    only = RESULTS | {"sections": {"lifecycle": RESULTS["sections"]["lifecycle"]}}
    assert draw(only, tmp_path) == []


def test_the_command_shows_an_earlier_run_and_refuses_unknown_sections(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps(RESULTS))

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bench", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    shown = command("--show", str(results))
    assert shown.returncode == 0, shown.stderr
    assert "Numbers to reach" in shown.stdout
    refused = command("--only", "programs,speed")
    assert refused.returncode == 2
    assert "no section is called speed; there are programs, scaling" in refused.stderr


def test_numbers_are_written_for_people() -> None:
    assert [duration(ns) for ns in (12, 3_400, 5_600_000, 7.8e9)] == [
        "12 ns",
        "3.4 µs",
        "5.6 ms",
        "7.8 s",
    ]
    assert [size(n) for n in (12, 3_400, 5_600_000, -1.5e6)] == [
        "12 B",
        "3.40 kB",
        "5.60 MB",
        "-1.50 MB",
    ]
    assert sparkline([0, 4, 8]) == " ▄█"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)), 50)) == 50


def test_statistics() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert quartile_spread([1.0, 1.0, 1.0]) == 0
    assert quartile_spread([8.0, 9.0, 10.0, 11.0, 12.0]) == pytest.approx(0.1)
    assert slope([0, 1, 2], [5, 7, 9]) == pytest.approx(2)
    assert slope([1], [1]) == 0


def test_worker_counts_are_powers_of_two_and_all_cores() -> None:
    assert scaling.worker_counts(1) == [1]
    assert scaling.worker_counts(2) == [1, 2]
    assert scaling.worker_counts(6) == [1, 2, 4, 6]
    assert scaling.worker_counts(16) == [1, 2, 4, 8, 16]


def test_the_librarys_sizes_are_taken_from_a_copy(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(Path(sys.executable).resolve().read_bytes())
    before = library.read_bytes()
    sizes = lifecycle.library_size(library)
    assert library.read_bytes() == before
    assert sizes["bytes"] == len(before)
    assert 0 < sizes["compressed"] < sizes["stripped"] <= sizes["bytes"]

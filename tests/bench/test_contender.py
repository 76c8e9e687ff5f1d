"""Contender processes answer; what goes wrong in them is told, not hidden."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench.contender import Contender, ContenderError
from bench.contenders.serve import digest, percentile
from bench.peers.python import PeerError, clean_environment, probe
from bench.workloads import CLASSES, runs_of

HOST = probe(Path(sys.executable), "the tests' own")


def test_it_tells_what_it_is() -> None:
    with Contender.stock("test hello", HOST) as contender:
        assert contender.ask("hello")["release"] == sys.version.split()[0]


def test_a_program_is_timed_and_its_value_returned() -> None:
    queens: Any = import_module("bench.programs.queens")
    with Contender.stock("test program", HOST) as contender:
        told = contender.ask("program", name="queens", n=6, repeat=3)
    assert told["value"] == queens.run(6)
    assert len(told["ns"]) == 3
    assert all(ns > 0 for ns in told["ns"])


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_pools_return_what_a_loop_returns(kind: str) -> None:
    module: Any = CLASSES["light"]
    expected = digest([module.run(module.payload(i)) for i in range(50)])
    with Contender.stock(f"test {kind}", HOST) as contender:
        contender.ask("open_pool", kind=kind, workers=2, classes=["noop", "light"])
        told = contender.ask("batch", kind="light", count=50)
        mixed = contender.ask("batch", kind="mixed", count=1)
        trip = contender.ask("latency", kind="noop", count=20)
        contender.ask("close_pool")
    assert told["digest"] == expected
    assert told["count"] == 50
    run: Any = {name: one.run for name, one in CLASSES.items()}
    in_turn = [run[name](p) for name, inputs in runs_of("mixed", 1) for p in inputs]
    assert mixed["digest"] == digest(in_turn)
    assert mixed["count"] == 221
    assert 0 < trip["p50"] <= trip["p99"]


def test_an_error_in_an_operation_is_raised_here_and_the_process_goes_on() -> None:
    with Contender.stock("test error", HOST) as contender:
        with pytest.raises(ContenderError, match="no pool is called 'fleet'"):
            contender.ask("open_pool", kind="fleet", workers=1, classes=[])
        with pytest.raises(ContenderError, match="open a pool first"):
            contender.ask("batch", kind="light", count=1)
        assert contender.ask("hello")


def test_a_process_that_dies_is_named_with_its_last_words() -> None:
    with (
        Contender("test death", [sys.executable], "bench.contenders.nowhere") as contender,
        pytest.raises(ContenderError, match=r"test death ended with status 1(.|\n)*nowhere"),
    ):
        contender.ask("hello")


def test_a_peer_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="does not start"):
        probe(tmp_path / "python", "nowhere")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no libc' >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(PeerError, match="no libc"):
        probe(broken, "broken")


def test_the_callers_python_settings_do_not_reach_contenders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONMALLOC", "debug")
    monkeypatch.setenv("LD_PRELOAD", "")
    environment = clean_environment(EXTRA="1")
    assert "PYTHONMALLOC" not in environment
    assert "LD_PRELOAD" not in environment
    assert environment["PYTHONHASHSEED"] == "0"
    assert environment["EXTRA"] == "1"


def test_percentiles_stay_within_the_values() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 3
    assert percentile([7], 0.99) == 7
    assert percentile(list(range(100)), 1.0) == 99

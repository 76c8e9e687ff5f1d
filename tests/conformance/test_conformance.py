"""The way of a regression test into a VM and back; `make conformance` runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .expected import Expected, ExpectedError
from .outcome import judge
from .runner import RunError, Runner, find_sdk, module_list
from .vendor import Source, imports

FAST = ["test_bisect", "test_dataclasses", "test_heapq", "test_json"]


@pytest.mark.parametrize("name", FAST)
def test_module(name: str) -> None:
    outcome = judge(name, Runner(find_sdk(), timeout=300).run(name), Expected())
    assert not outcome.broken
    assert outcome.passed > 40
    assert outcome.comparison.unexplained == ()
    assert outcome.comparison.stale == ()


def test_only_part_of_a_module() -> None:
    answer = Runner(find_sdk(), timeout=300).run("test_heapq", only=("TestHeapC.test_push_pop",))
    assert answer["passed"] == ["TestHeapC.test_push_pop"]
    assert answer["run"] == 1


def test_a_module_that_takes_too_long_has_no_result() -> None:
    answer = Runner(find_sdk(), timeout=0.01).run("test_bisect")
    assert answer["broken"].startswith("no end after 0.01 s")


def test_an_sdk_without_tests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no SDK with Lib/test"):
        find_sdk(tmp_path)


def test_every_explanation_belongs_to_a_listed_module() -> None:
    assert set(Expected().modules()) <= set(module_list())


def write(folder: Path, text: str) -> Path:
    file = folder / "expected.toml"
    file.write_text(f'[reasons]\nthreads = "no threads"\n[test_x]\n{text}\n', encoding="utf-8")
    return file


def test_failures_with_and_without_a_reason(tmp_path: Path) -> None:
    expected = Expected(write(tmp_path, '"A.f" = "threads: starts one"\n"B.*" = "threads"'))
    found = expected.compare("test_x", ["A.f", "A.g", "B.f", "B.g"], ["C.f"])
    assert found.unexplained == ("A.g",)
    assert found.stale == ()
    assert found.explained["A.f"].words == "starts one"
    assert {test: item.reason for test, item in found.explained.items()} == {
        "A.f": "threads",
        "B.f": "threads",
        "B.g": "threads",
    }


@pytest.mark.parametrize(
    ("failed", "passed"),
    [
        ([], ["A.f"]),
        (["B.f"], ["A.f"]),
        (["A.f", "B.f"], ["B.g"]),  # B.* says that none of B passes
    ],
)
def test_a_reason_for_what_passes_is_stale(
    tmp_path: Path, failed: list[str], passed: list[str]
) -> None:
    expected = Expected(write(tmp_path, '"A.f" = "threads"\n"B.*" = "threads"'))
    assert not expected.compare("test_x", failed, passed).good


def test_an_unknown_reason_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExpectedError, match=r"\[test_x\] 'A.f': 'weather' is none of"):
        Expected(write(tmp_path, '"A.f" = "weather"'))


def test_what_a_source_imports() -> None:
    text = b"""
import os.path, re as regex
from test.support import (
    os_helper,
    import_helper as helper,
)
def late():
    from . import near
    from ..far import thing
    import_module("test.by_name")
"""
    found = imports("test.pack.mod", Source(Path("mod.py"), package=False, text=text))
    assert {
        "os.path",
        "re",
        "test.support",
        "test.support.os_helper",
        "test.support.import_helper",
        "test.pack",
        "test.pack.near",
        "test.far",
        "test.far.thing",
        "test.by_name",
    } <= set(found)

"""The way of the standard's tests into an engine and back; `make conformance` runs all of them."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from . import cases, engines, runner
from .compare import difference
from .expected import Expected, ExpectedError

if TYPE_CHECKING:
    from pathlib import Path


def case(op: str, kind: Any = TensorProto.FLOAT, opset: int = 22, **more: Any) -> cases.Case:
    values = [helper.make_tensor_value_info(name, kind, [3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], op, values[:1], values[1:])
    domain = more.pop("domain", "")
    graph.node[0].domain = domain
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] * bool(domain))]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    x = np.array([-1, 0, 2], np.float32)
    data = more.pop("data", [([x], [np.abs(x)])])
    return cases.Case(f"test_{op.lower()}", "node", model, data, 1e-3, 1e-7, cases.scope(model))


def test_what_is_asked_and_what_is_left_out() -> None:
    assert case("Abs").scope == ""
    assert case("Abs", opset=23).scope == "opset"
    assert case("Abs", TensorProto.STRING).scope == "strings"
    assert case("Abs", TensorProto.FLOAT8E5M2).scope == "types"
    assert case("Abs", TensorProto.INT4).scope == "types"
    assert case("SequenceEmpty").scope == "sequences"
    assert case("Scaler", domain="ai.onnx.ml").scope == "domain"


def test_models_that_lie_in_files_come_with_their_data() -> None:
    found = {one.name: one for one in cases.load(["simple", "pytorch-operator"])}
    inputs, outputs = found["test_operator_mm"].data[0]
    assert len(inputs) == len(found["test_operator_mm"].inputs)
    assert outputs[0].dtype == np.float32


def test_a_right_a_wrong_and_an_impossible_answer() -> None:
    given = [case("Abs"), case("Neg"), case("Nothing")]
    statuses = [result.status for result in runner.run_all(given, "reference", jobs=2)]
    assert statuses == [runner.PASSED, runner.DIFFERENT, runner.REFUSED]


def crash(_: bytes) -> engines.Run:
    os._exit(3)


def hang(content: bytes) -> engines.Run:
    while b"Abs" in content:
        time.sleep(0.01)
    return engines.reference(content)


def test_a_crash_loses_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ENGINES", {"crash": crash})
    results = runner.run_all([case("Abs"), case("Neg")], "crash")
    assert [result.status for result in results] == [runner.CRASHED, runner.CRASHED]
    assert results[0].text == "exit status 3"


def test_a_case_without_end_loses_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ENGINES", {"hang": hang})
    results = runner.run_all([case("Abs"), case("Neg")], "hang", timeout=5)
    assert [result.status for result in results] == [runner.HUNG, runner.DIFFERENT]


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (np.zeros(2, np.float32), ""),
        (np.full(2, 1e-8, np.float32), ""),
        (np.zeros((2, 1), np.float32), r"shape \(2, 1\) instead of \(2,\)"),
        (np.zeros(2), "dtype float64 instead of float32"),
        (np.ones(2, np.float32), "Mismatched elements: 2 / 2"),
        (np.full(2, np.nan, np.float32), "nan"),
    ],
)
def test_differences_are_told(got: Any, said: str) -> None:
    found = difference([got], [np.zeros(2, np.float32)], 1e-3, 1e-7)
    assert bool(found) is bool(said)
    assert re.search(said, found)


def test_the_number_of_outputs_counts() -> None:
    one = np.zeros(2)
    assert difference([one], [one, one], 0, 0) == "1 values instead of 2"
    assert difference([[one]], [[one, one]], 0, 0) == "value 0: 1 values instead of 2"
    assert difference([None], [one], 0, 0)
    assert not difference([None], [None], 0, 0)


def write(folder: Path, text: str) -> Path:
    file = folder / "expected.toml"
    file.write_text(f'[reasons]\nrandom = "it is"\n{text}\n', encoding="utf-8")
    return file


def outcome(op: str, status: str) -> tuple[cases.Case, runner.Result]:
    one = case(op)
    return one, runner.Result(one.name, status)


def test_explanations_cover_what_fails_and_only_that(tmp_path: Path) -> None:
    expected = Expected(write(tmp_path, '[node]\n"test_a*" = "random: seeded"'))
    fails = outcome("Abs", runner.FAILED)
    assert expected.compare([fails, outcome("Neg", runner.PASSED)]).good
    found = expected.compare([fails, outcome("Neg", runner.CRASHED)])
    assert [result.name for result in found.unexplained] == ["test_neg"]
    assert found.explained["node", "test_abs"].words == "seeded"
    assert not expected.compare([fails, outcome("Acos", runner.PASSED)]).good
    assert not expected.compare([outcome("Neg", runner.PASSED)]).good
    assert expected.compare([outcome("Neg", runner.PASSED)], partial=True).good


@pytest.mark.parametrize("text", ['[node]\n"test_a" = "mood"', '[toy]\n"test_a" = "random"'])
def test_an_unknown_reason_or_kind_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ExpectedError, match="is none of"):
        Expected(write(tmp_path, text))


def test_all_that_is_asked_passes_or_is_explained() -> None:
    given = [one for one in cases.load() if not one.scope]
    results = runner.run_all(given, "polyvm")
    found = Expected().compare(zip(given, results, strict=True))
    assert found.unexplained == ()

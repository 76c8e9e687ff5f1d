"""Choosing ways: descriptions, and the file that keeps what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyvm import np as pnp
from tests.engine.graphs import call, load, model, node, port

if TYPE_CHECKING:
    from pathlib import Path

W = np.random.default_rng(5).normal(size=(64, 64, 3, 3)).astype(np.float32)
X = np.random.default_rng(6).normal(size=(1, 64, 20, 20)).astype(np.float32)


def source(seed: int) -> bytes:
    """Models that differ: the table of those that are loaded must not know them."""
    nodes = [node("Conv", "x w", "c", pads=[1] * 4), node("Relu", "c", "y")]
    constants = {"w": W + np.float32(seed)}
    return model(nodes, [port("x", shape=["n", 64, "h", "w"])], [port("y")], constants)


def test_a_plan_can_be_read() -> None:
    text = load(source(1)).describe(2, pnp.asarray(X))
    line = next(line for line in text.splitlines() if "Conv+Relu" in line)
    assert "portable: " in line or "onednn: " in line or "openblas: " in line
    assert "exact" in line
    assert "a run took" in text


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    model_bytes = source(2)
    loaded = load(model_bytes, cache=str(tmp_path), budget=2.0)
    wanted = call(loaded, X)[0]
    del loaded
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    assert text.startswith("polyvm plan 2\n")
    assert "conv 1 64>64/1" in text
    again = load(model_bytes, cache=str(tmp_path), budget=-1.0)
    np.testing.assert_allclose(call(again, X)[0], wanted, rtol=1e-4, atol=1e-3)
    assert file.read_text() == text


@pytest.mark.parametrize("damage", ["empty", "cut", "number", "version", "noise", "folder"])
def test_a_damaged_file_is_ignored(tmp_path: Path, damage: str) -> None:
    model_bytes = source(3)
    first = load(model_bytes, cache=str(tmp_path), budget=1.0)
    wanted = call(first, X)[0]
    del first
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    damaged = {
        "empty": "",
        "cut": text[:-20],
        "number": text.replace("e-", "e+", 1),
        "version": text.replace("plan 1", "plan 9"),
        "noise": "\x01" * 500,
        "folder": None,
    }[damage]
    file.unlink()
    if damaged is None:
        file.mkdir()
    else:
        file.write_text(damaged)
    again = load(model_bytes, cache=str(tmp_path), budget=1.0)
    np.testing.assert_allclose(call(again, X)[0], wanted, rtol=1e-4, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    loaded = load(source(4), cache=str(tmp_path / "missing" / "folder"))
    assert call(loaded, X)[0].shape == X.shape


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="'exact', 'fast' or 'small', not 'quick'"):
        load(source(5), precision="quick")
    with pytest.raises(TypeError, match="cache is a str, not int"):
        load(source(5), cache=3)

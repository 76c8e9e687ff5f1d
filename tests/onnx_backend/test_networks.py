"""Whole networks, those of the literature and those of the demo, give what ONNX Runtime gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

import polyvm
from bench.models.catalogue import CATALOGUE
from tasks.wheels import UnobtainableError

from .networks import FILE, LEFT_OUT, digest

NETWORKS: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))["networks"]
TOLERANCE = 1e-4
"""Of an output's greatest value."""


def test_none_is_forgotten() -> None:
    assert set(NETWORKS) == set(CATALOGUE) - LEFT_OUT


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_the_same(name: str) -> None:
    try:
        content = CATALOGUE[name].path().read_bytes()
    except UnobtainableError as error:
        pytest.skip(str(error))
    model = polyvm.model(content)
    told = model(**CATALOGUE[name].example())
    outputs = list(told.values()) if isinstance(told, dict) else [told]
    assert len(outputs) == len(NETWORKS[name])
    for output, wanted in zip(outputs, NETWORKS[name], strict=True):
        got = digest(output)
        assert got["shape"] == wanted["shape"]
        assert got["values"] == pytest.approx(
            wanted["values"], rel=0, abs=TOLERANCE * wanted["greatest"]
        )

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask

ROOT = Path(__file__).parents[2]
PYTHON = b'import sys\n\n\ndef main() -> int:\n    print("hello")\n    return 0\n' * 4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ((ROOT / "docs" / "benchmarks.png").read_bytes(), "png"),
        ((ROOT / "Makefile").read_bytes(), "makefile"),
        ((ROOT / "tasks" / "data" / "arctic_a0009.wav").read_bytes(), "wav"),
        (gzip.compress(PYTHON), "gzip"),
        (PYTHON, "python"),
        (json.dumps([{"a": n, "b": [n, None, "x"]} for n in range(40)]).encode(), "json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_types_are_told(task: OrdinaryTask, content: bytes, expected: str) -> None:
    answer = task({"name": "x", "content": content}).value
    assert answer["type"] == expected
    assert answer["score"] > 0.8
    same = task({"name": "x", "content": base64.b64encode(content).decode()}).value
    assert same == answer


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"abc", "txt"),
        (b"\xff\xfe\x00", "unknown"),
        (b" " * 9000, "txt"),
    ],
)
def test_too_little_is_not_guessed(task: OrdinaryTask, content: bytes, expected: str) -> None:
    answer = task({"content": content}).value
    assert (answer["type"], answer["guess"], answer["score"]) == (expected, None, 1)


def test_scores_are_those_of_the_model_in_double_precision(task: OrdinaryTask) -> None:
    """Of a short file, most of the network's input is padding, and its variances are differences of
    nearly equal numbers: float32 runtimes come within some 1e-4 of these, ONNX Runtime 1.31 within
    5e-4.
    """
    for content, guess, score in SCORES:
        answer = task({"content": content}).value
        assert answer["guess"] == guess
        assert answer["score"] == pytest.approx(score, abs=5e-4)


SCORES = [
    (b"hello world, how are you today?\n", "txt", 0.997783),
    (b"SELECT name, price FROM items WHERE price > 10;\n" * 3, "sql", 0.999961),
    (bytes(range(256)) * 12, "psd", 0.343919),
    (b"#!/bin/sh\nset -e\necho done\n", "shell", 0.98686),
    (b"<html><body>hi</body></html>", "html", 0.971217),
    (b"%PDF-1.4\n%abc\n1 0 obj\n", "ignorefile", 0.223365),
]


def test_features_pad_a_short_file_on_the_inner_side(task: OrdinaryTask) -> None:
    assert task is not None
    from features import Window

    window = Window(first=12, last=12, block=64, least=4, padding=256)
    row = np.asarray(window.features(b"  abcdef\n"))
    assert row.dtype == np.int32
    assert row.tolist() == [
        [*b"abcdef\n", *[256] * 5, *[256] * 4, *b"  abcdef"],
    ]
    long = bytes(range(65, 91)) * 9
    assert np.asarray(window.features(long)).tolist() == [[*long[:12], *long[-12:]]]
    assert window.features(b"abc") is None
    assert window.features(b"   abc") is None


def test_a_doubtful_guess_becomes_a_general_type(task: OrdinaryTask) -> None:
    assert task is not None
    from labels import Labels

    about = {"c": {"is_text": True}, "elf": {"is_text": False}, "odd": {"is_text": True}}
    labels = Labels(["c", "elf", "noise"], {"c": 0.9}, 0.5, {"noise": "odd"}, about)
    assert labels.settle(0, 0.95) == "c"
    assert labels.settle(0, 0.8) == "txt"
    assert labels.settle(1, 0.5) == "elf"
    assert labels.settle(1, 0.49) == "unknown"
    assert labels.settle(2, 0.7) == "odd"

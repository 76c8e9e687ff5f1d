from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from prepare_inputs import SENTENCES

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask

EXAMPLES = Path(__file__).parents[1] / "data" / "wordpiece-examples.json"


@pytest.fixture
def tokenizer(task: OrdinaryTask) -> Any:
    assert task is not None
    from wordpiece import WordPiece

    text = Path(__file__).with_name("vocab.txt").read_text(encoding="utf-8")
    return WordPiece(text.split("\n")[:-1])


def test_pieces_are_those_of_the_package_tokenizers(tokenizer: Any) -> None:
    examples = json.loads(EXAMPLES.read_text(encoding="ascii"))
    assert len(examples) > 200
    for example in examples:
        assert tokenizer.encode(example["text"], 10**9) == example["numbers"], example["text"]
        assert tokenizer.encode(example["text"], 16)[:-1] == example["numbers"][:-1][:15]


def test_no_sentence_is_longer_than_allowed(tokenizer: Any) -> None:
    for longest in (2, 3, 256):
        numbers = tokenizer.encode("word " * 1000, longest)
        assert len(numbers) == longest
        assert (numbers[0], numbers[-1]) == (101, 102)


def test_words_remembered_are_bounded(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import wordpiece

    monkeypatch.setattr(wordpiece, "WORDS_KEPT", 10)
    before = tokenizer.encode("a b c", 99)
    tokenizer.encode(" ".join(f"word{n}" for n in range(100)), 999)
    assert len(tokenizer._known) <= 10  # noqa: SLF001
    assert tokenizer.encode("a b c", 99) == before


def test_vectors_are_unit_vectors_whatever_stands_beside_them(task: OrdinaryTask) -> None:
    alone = np.asarray(task({"sentences": ["Where is my parcel?"]}).value["vectors"])
    both = np.asarray(
        task({"sentences": ["Where is my parcel?", "A " + "much " * 40 + "longer one"]}).value[
            "vectors"
        ]
    )
    assert alone.shape == (1, 384)
    assert both.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(both[0], alone[0], atol=1e-4)


def test_sentences_that_mean_the_same_are_nearest(task: OrdinaryTask) -> None:
    """Cosines by ONNX Runtime 1.31."""
    for sentences, expected in zip(SENTENCES, NEAREST, strict=True):
        nearest = task({"sentences": sentences}).value["nearest"]
        assert [place for place, _ in nearest] == [place for place, _ in expected]
        assert [cosine for _, cosine in nearest] == pytest.approx(
            [cosine for _, cosine in expected], abs=2e-4
        )


NEAREST = [
    [(2, 0.4323), (3, 0.5459), (0, 0.4323), (1, 0.5459), (5, 0.4289), (4, 0.4289)],
    [(2, 0.613), (3, 0.757), (0, 0.613), (1, 0.757), (5, 0.7353), (4, 0.7353)],
    [(2, 0.683), (3, 0.5067), (0, 0.683), (1, 0.5067), (5, 0.5606), (4, 0.5606)],
]


def test_one_sentence_and_none(task: OrdinaryTask) -> None:
    assert task({"sentences": ["alone"]}).value["nearest"] == [None]
    assert task({"sentences": []}).value == {"vectors": [], "nearest": [], "pieces": 0}

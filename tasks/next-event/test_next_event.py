from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask


def window(sessions: list[list[str]]) -> dict[str, Any]:
    return {"event": "window_end", "window": 1, "sessions": sessions}


def test_a_certain_sequence_is_learnt(task: OrdinaryTask) -> None:
    answer = task(window([["home", "catalog", "product_view", "cart"]] * 40)).value
    assert answer["accuracy"] == 1
    assert answer["likely_next"]["catalog"] == "product_view"
    assert answer["likely_next"]["cart"] == "<end>"
    assert answer["log_loss"] < 0.3


def test_second_order_tells_what_first_order_cannot(task: OrdinaryTask) -> None:
    # After b comes what stood before it: only two pages of context know that.
    answer = task(window([["a", "b", "a"], ["c", "b", "c"]] * 40)).value
    assert answer["accuracy"] > answer["accuracy_of_most_frequent"]
    assert answer["accuracy"] >= 0.75


def test_same_input_same_answer(task: OrdinaryTask, sample: list[dict[str, Any]]) -> None:
    line = next(line for line in sample if task.takes(line))
    assert task(line).value == task(line).value


def test_too_few_sessions_fail(task: OrdinaryTask) -> None:
    failure = task(window([["home"]] * 9)).failure
    assert failure is not None
    assert failure.endswith("a window needs at least 10 sessions, this one has 9")


def test_models_give_distributions(task: OrdinaryTask) -> None:
    assert task is not None
    from embedding import EmbeddingModel
    from markov import MarkovModel

    train = [((0, 1), 2), ((1,), 0), ((2, 0, 1), 2)]
    markov = MarkovModel(4)
    markov.fit(train)
    embedding = EmbeddingModel(4, dimensions=3, seed=7)
    embedding.fit(train, epochs=2)
    for context in [(), (3,), (0, 1), (2, 0, 1)]:
        for prediction in (markov.predict(context), embedding.predict(context)):
            assert math.fsum(prediction) == pytest.approx(1)
            assert min(prediction) > 0


def test_training_lowers_the_loss(task: OrdinaryTask, sample: list[dict[str, Any]]) -> None:
    for line in sample:
        if task.takes(line):
            answer = task(line).value
            losses = answer["training_loss"]
            assert losses[-1] < losses[0]
            assert answer["accuracy_top3"] >= answer["accuracy"]

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import train_page_ranking as training
from onnx import numpy_helper

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    model = onnx.load(FOLDER / "model.onnx")
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.fixture(scope="module")
def known() -> training.Vocabulary:
    return training.Vocabulary(**json.loads((FOLDER / "vocabulary.json").read_text()))


def test_it_ranks_as_the_network_that_was_trained(
    task: OrdinaryTask,
    sample: list[dict[str, Any]],
    weights: dict[str, Any],
    known: training.Vocabulary,
) -> None:
    candidates = np.arange(1, len(known.pages))
    for line in [line for line in sample if task.takes(line)][:40]:
        answer = task(line).value
        x = training.examples([line], known)
        scores = training.forward(weights, x, candidates)["scores"]
        foreseen = training.quality(scores[:-1], x["next"][:-1] - 1) if len(scores) > 1 else None
        if foreseen is None:
            assert answer["surprise"] is None
            continue
        assert answer["foreseen"] == round(foreseen["top3"] * answer["steps"])
        assert answer["surprise"] == pytest.approx(foreseen["log_loss"], abs=2e-4)
        chances = np.exp(scores[-1, 1:] - scores[-1, 1:].max())
        chances /= chances.sum()
        best = np.argsort(-chances)[:3]
        assert [page for page, _ in answer["offer"]] == [known.pages[at + 2] for at in best]
        assert [p for _, p in answer["offer"]] == pytest.approx(chances[best].tolist(), abs=2e-4)


def test_it_foresees_more_than_the_page_before_would_tell(
    task: OrdinaryTask, sample: list[dict[str, Any]]
) -> None:
    answers = [task(line).value for line in sample if task.takes(line)]
    steps = sum(answer["steps"] for answer in answers)
    assert sum(answer["foreseen"] for answer in answers) / steps > 0.53


def session(*pages: str, **more: Any) -> dict[str, Any]:
    visitor = {"platform": "mobile", "acquisition_channel": "email", "user_lifecycle": "new"}
    events = [[page, 1_700_000_000 + at * 10] for at, page in enumerate(pages)]
    return {"session_id": "s", "user_id": "u", "events": events, **visitor, **more}


def test_a_page_that_training_did_not_see_is_no_step(task: OrdinaryTask) -> None:
    answer = task(session("home", "teleporter", "catalog")).value
    assert answer["steps"] == 2
    assert answer["foreseen"] <= 1
    assert math.isfinite(answer["surprise"])


def test_an_unknown_trait_fails_with_its_name(task: OrdinaryTask) -> None:
    failure = task(session("home", platform="fridge")).failure
    assert failure is not None
    assert failure.endswith("ValueError: platform 'fridge' is none of desktop, mobile, tablet")


def test_a_long_session_counts_by_its_last_pages(known: training.Vocabulary) -> None:
    pages = ["home", "catalog"] * 10
    seen, stays = known.histories(session(*pages)["events"])
    assert len(seen) == len(stays) == 20
    assert {len(row) for row in seen + stays} == {12}
    assert seen[0] == [0] * 11 + [known.pages.index("home")]
    assert seen[-1][-2:] == [known.pages.index(page) for page in ("home", "catalog")]
    # Ten seconds are the third kind of stay; that of the page at hand is not known.
    assert stays[-1] == [4] * 11 + [0]


def test_gradients_are_those_of_the_loss(
    sample: list[dict[str, Any]], known: training.Vocabulary
) -> None:
    lines = [line for line in sample if line["event"] == "session_end"][:20]
    data = {name: rows[:6] for name, rows in training.examples(lines, known).items()}
    rng = np.random.default_rng(3)
    w = {name: value.astype(float) for name, value in training.initial(known, rng).items()}
    candidates = np.arange(1, len(known.pages))
    wanted = data["next"] - 1

    def loss() -> float:
        return training.loss_of(training.forward(w, data, candidates)["scores"], wanted)[0]

    f = training.forward(w, data, candidates)
    slope = training.loss_of(f["scores"], wanted)[1]
    gradients = training.backward(w, data, candidates, f, slope)
    for name, value in w.items():
        place = tuple(rng.integers(0, size) for size in value.shape)
        before = value[place]
        value[place] = before + 1e-5
        above = loss()
        value[place] = before - 1e-5
        below = loss()
        value[place] = before
        assert gradients[name][place] == pytest.approx((above - below) / 2e-5, abs=1e-8), name


def test_training_lowers_the_loss(sample: list[dict[str, Any]], known: training.Vocabulary) -> None:
    lines = [line for line in sample if line["event"] == "session_end"]
    data = training.examples(lines, known)
    candidates = np.arange(1, len(known.pages))

    def loss(w: dict[str, Any]) -> float:
        scores = training.forward(w, data, candidates)["scores"]
        return training.loss_of(scores, data["next"] - 1)[0]

    fresh = training.initial(known, np.random.default_rng(training.SEED))
    assert loss(training.train(data, known, epochs=1)) < loss(fresh) - 0.1

"""Fit two small next-page models to a window of sessions, mix them, and test the mixture.

The older sessions of the window train the models, some tune the mixture, the newest test it: the
accuracy is that of predicting what visitors do next, not of remembering what they did.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from embedding import EmbeddingModel
from markov import MarkovModel

from polyvm import np

END = "<end>"
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the Markov model in the mixture
Example = tuple[tuple[int, ...], int]  # indices of the pages before, nearest last; the next page


def examples(session: list[str], index: dict[str, int]) -> list[Example]:
    """Return each page of a session, and its end, with up to three pages before it."""
    pages = [index[page] for page in [*session, END]]
    return [(tuple(pages[max(0, at - 3) : at]), pages[at]) for at in range(1, len(pages))]


def distributions(model: MarkovModel | EmbeddingModel, part: list[Example]) -> Any:
    """Return the model's prediction of each example, as the rows of a matrix."""
    rows = [model.predict(context) for context, _ in part]
    return np.array(rows) if rows else np.empty((0, 0))


def mix(first: Any, second: Any, weight: float) -> Any:
    """Return the distributions between two others."""
    return weight * first + (1.0 - weight) * second


def log_loss(predictions: Any, expected: list[int]) -> float:
    """Return the mean of -ln p over the pages that came, 0 if there are none."""
    if not expected:
        return 0.0
    return float(-np.log(predictions[np.arange(len(expected)), expected]).mean())


def top(predictions: Any, count: int) -> Any:
    """Return the most probable pages of each row; of equal ones the lower index first."""
    return np.argsort(-predictions, axis=-1, kind="stable")[:, :count]


def baseline(train: list[Example], test: list[Example]) -> float:
    """Return the accuracy of always naming the page that was most frequent in training."""
    counts = Counter(page for _, page in train)
    most = min(counts, key=lambda page: (-counts[page], page))
    return sum(page == most for _, page in test) / max(1, len(test))


def run(window: dict[str, Any]) -> dict[str, Any]:
    """Return the test figures of a ``window_end`` line, and what is most likely after each page.

    ``sessions`` is a list of lists of page names, oldest first; at least 10 are needed.
    """
    sessions = window["sessions"]
    if len(sessions) < 10:
        raise ValueError(f"a window needs at least 10 sessions, this one has {len(sessions)}")
    names = [*sorted({page for session in sessions for page in session}), END]
    index = {name: at for at, name in enumerate(names)}
    tune_at, test_at = len(sessions) * 7 // 10, len(sessions) * 8 // 10
    parts = [sessions[:tune_at], sessions[tune_at:test_at], sessions[test_at:]]
    train, tune, test = (
        [example for session in part for example in examples(session, index)] for part in parts
    )

    markov = MarkovModel(len(names))
    markov.fit(train)
    embedding = EmbeddingModel(len(names), dimensions=6, seed=window["window"])
    losses = embedding.fit(train, epochs=4)

    tuning = distributions(markov, tune), distributions(embedding, tune)
    came = [page for _, page in tune]
    best = min(WEIGHTS, key=lambda weight: log_loss(mix(*tuning, weight), came))
    predictions = mix(distributions(markov, test), distributions(embedding, test), best)
    expected = [page for _, page in test]
    hits = [0, 0]
    if expected:
        found = top(predictions, 3) == np.array(expected)[:, None]
        hits = [int(found[:, :count].sum()) for count in (1, 3)]
    single: list[Example] = [((at,), at) for at in range(len(names) - 1)]  # all pages but the end
    after = top(mix(distributions(markov, single), distributions(embedding, single), best), 1)
    return {
        "window": window["window"],
        "pages": len(names),
        "train": len(train),
        "test": len(test),
        "markov_weight": best,
        "accuracy": round(hits[0] / max(1, len(test)), 6),
        "accuracy_top3": round(hits[1] / max(1, len(test)), 6),
        "accuracy_of_most_frequent": round(baseline(train, test), 6),
        "log_loss": round(log_loss(predictions, expected), 6),
        "training_loss": [round(loss, 6) for loss in losses],
        "likely_next": {
            name: names[page] for name, page in zip(names[:-1], after[:, 0].tolist(), strict=True)
        },
    }

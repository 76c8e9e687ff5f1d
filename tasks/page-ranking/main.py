"""Rank the pages that a visitor may open next, by a small interest network.

For a whole session the task says how well its steps were foreseen, and what to offer next time.
"""

from __future__ import annotations

import json
import math
from typing import Any

from history import END, LENGTH, NONE, Vocabulary

import polyvm
from polyvm import np

OFFERED = 3  # pages
FEWEST = 4  # rows that the model is given; then 8, 16 ...: a plan is made for each number of rows

table = json.loads(polyvm.asset("vocabulary.json"))
known = Vocabulary(table["pages"], table["dwells"], table["traits"])
candidates = [at for at, page in enumerate(known.pages) if page != NONE]
end = candidates.index(known.pages.index(END))
model = polyvm.model("model.onnx", precision="exact")


def run(session: dict[str, Any]) -> dict[str, Any]:
    """Return the ranking of a ``session_end`` line, whose ``events`` are not empty.

    offer: the most probable pages after the session, had it gone on, with their probabilities.
    foreseen: how many of its steps led to one of the first three pages of the ranking before.
    surprise: the mean of -ln p of the pages that came, in nats; None for a session of one page.
    """
    events = session["events"]
    pages, dwells = known.histories(events)
    traits = known.numbers_of(session)
    rows = FEWEST
    while rows < len(pages):
        rows *= 2
    nothing = [[0] * LENGTH] * (rows - len(pages))
    scores = model(
        pages=np.asarray(pages + nothing, dtype=np.int64),
        dwells=np.asarray(dwells + nothing, dtype=np.int64),
        traits=np.asarray([traits] * rows, dtype=np.int64),
        candidates=np.asarray(candidates, dtype=np.int64),
    )[: len(pages)]
    powers = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    chances = (powers / np.sum(powers, axis=1, keepdims=True)).tolist()
    *steps, last = chances
    # Pages that training did not see have no number, and nobody could foresee them.
    came = [
        (row, candidates.index(then[-1]))
        for row, then in zip(steps, pages[1:], strict=True)
        if then[-1]
    ]
    foreseen = sum(sum(chance > row[page] for chance in row) < OFFERED for row, page in came)
    losses = [-math.log(row[page]) for row, page in came]
    goes_on = 1.0 - last[end]
    order = sorted((at for at in range(len(last)) if at != end), key=lambda at: -last[at])
    return {
        "session_id": session["session_id"],
        "user_id": session["user_id"],
        "offer": [
            [known.pages[candidates[at]], round(last[at] / goes_on, 4)] for at in order[:OFFERED]
        ],
        "steps": len(steps),
        "foreseen": foreseen,
        "surprise": round(math.fsum(losses) / len(losses), 4) if losses else None,
    }

"""Turn sentences into vectors whose angle says how alike they are."""

from __future__ import annotations

from typing import Any

from wordpiece import WordPiece

import polyvm
from polyvm import np

LONGEST = 256  # pieces of a sentence; the network has seen no more in training
NOTHING = 0  # the number of [PAD]
STEP = 16  # sentences are padded to a multiple of it: a plan is made for each length

tokenizer = WordPiece(polyvm.asset("vocab.txt").decode().split("\n")[:-1])
model = polyvm.model("model.onnx", precision="exact")


def embed(rows: list[list[int]]) -> Any:
    """Unit vectors, [rows, 384], of sentences given by the numbers of their pieces."""
    width = -(-max(len(row) for row in rows) // STEP) * STEP
    ids = np.asarray([row + [NOTHING] * (width - len(row)) for row in rows], dtype=np.int64)
    mask = np.asarray([[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=np.int64)
    states = model(input_ids=ids, attention_mask=mask, token_type_ids=np.zeros_like(ids))
    shown = mask[:, :, None].astype(np.float32)
    mean = np.sum(states * shown, axis=1) / np.sum(shown, axis=1)
    return mean / np.sqrt(np.sum(mean * mean, axis=1, keepdims=True))


def run(event: dict[str, Any]) -> dict[str, Any]:
    """Return the vectors of the event's ``sentences``, and for each the sentence nearest to it.

    nearest: the place of the most similar other sentence and the cosine of the angle to it; None
    if there is no other.
    """
    sentences = event["sentences"]
    if not sentences:
        return {"vectors": [], "nearest": [], "pieces": 0}
    rows = [tokenizer.encode(sentence, LONGEST) for sentence in sentences]
    vectors = embed(rows)
    alike = (vectors @ vectors.T).tolist()
    nearest: list[tuple[int, float] | None] = []
    for place, cosines in enumerate(alike):
        others = [other for other in range(len(cosines)) if other != place]
        best = max(others, key=cosines.__getitem__, default=None)
        nearest.append(None if best is None else (best, round(cosines[best], 4)))
    return {"vectors": vectors, "nearest": nearest, "pieces": sum(map(len, rows))}

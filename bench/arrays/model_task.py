"""A task on arrays: a small model over a batch of rows. One to two milliseconds in a VM."""

from typing import Any

from polyvm import np

ROWS, WIDTH, CLASSES = 256, 64, 16

first = np.reshape(np.sin(np.arange(WIDTH * WIDTH, dtype=np.float32)), (WIDTH, WIDTH))
second = np.reshape(np.cos(np.arange(WIDTH * CLASSES, dtype=np.float32)), (WIDTH, CLASSES))


def run(seed: int) -> list[Any]:
    """How often each class is chosen, and the sum of what was chosen."""
    rows = np.reshape(np.sin(np.arange(ROWS * WIDTH, dtype=np.float32) + seed), (ROWS, WIDTH))
    for _ in range(4):
        hidden = np.tanh(rows @ first)
        mean, spread = np.mean(hidden, axis=1, keepdims=True), np.std(hidden, axis=1, keepdims=True)
        rows = (hidden - mean) / (spread + 1e-5)
    scores = np.exp(rows @ second * 0.1)
    scores = scores / np.sum(scores, axis=1, keepdims=True)
    chosen = np.argmax(scores, axis=1)
    counts = [int(np.sum(chosen == one)) for one in range(CLASSES)]
    return [counts, round(float(np.sum(np.max(scores, axis=1))), 2)]

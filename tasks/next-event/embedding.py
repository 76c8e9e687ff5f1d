"""A log-bilinear model: symbols as short vectors, learnt by stochastic gradient descent.

The context is the weighted sum of the vectors of the symbols before; the next symbol's
probability is the softmax of its output vector's product with that. Plain Python throughout, and
no sum() of floats, whose rounding differs between releases of Python.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DECAY = (1.0, 0.5, 0.25)  # weight of the nearest symbol, the one before it, and so on
RATE = 0.15  # of learning in the first epoch; it falls with each
RANGE = 0.3  # of the initial weights


class EmbeddingModel:
    """Probabilities of the next of ``size`` symbols; the same ``seed`` gives the same model."""

    def __init__(self, size: int, dimensions: int, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._inputs = self._vectors(size, dimensions)
        self._outputs = self._vectors(size, dimensions)
        self._bias = [0.0] * size
        self._dimensions = dimensions

    def _vectors(self, count: int, dimensions: int) -> list[list[float]]:
        uniform = self._random.uniform
        return [[uniform(-RANGE, RANGE) for _ in range(dimensions)] for _ in range(count)]

    def fit(self, examples: Sequence[tuple[tuple[int, ...], int]], epochs: int) -> list[float]:
        """Train; return the mean loss of each epoch, in nats."""
        order = list(examples)
        losses = []
        for epoch in range(epochs):
            self._random.shuffle(order)
            rate = RATE / (1 + epoch)
            losses.append(
                math.fsum(self._step(context, symbol, rate) for context, symbol in order)
                / max(1, len(order))
            )
        return losses

    def predict(self, context: Sequence[int]) -> list[float]:
        """Return the distribution of the next symbol: positive everywhere, of sum 1."""
        return self._softmax(self._context_vector(context))

    def _context_vector(self, context: Sequence[int]) -> list[float]:
        vector = [0.0] * self._dimensions
        for weight, symbol in zip(DECAY, reversed(context), strict=False):
            for at, value in enumerate(self._inputs[symbol]):
                vector[at] += weight * value
        return vector

    def _softmax(self, vector: list[float]) -> list[float]:
        scores = []
        for output, score in zip(self._outputs, self._bias, strict=True):
            for a, b in zip(output, vector, strict=True):
                score += a * b  # noqa: PLW2901
            scores.append(score)
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        total = math.fsum(powers)
        return [power / total for power in powers]

    def _step(self, context: Sequence[int], symbol: int, rate: float) -> float:
        """Learn from one example; return its loss before that."""
        vector = self._context_vector(context)
        probabilities = self._softmax(vector)
        gradient = [0.0] * self._dimensions
        for at, (output, probability) in enumerate(zip(self._outputs, probabilities, strict=True)):
            error = probability - (at == symbol)
            step = rate * error
            for place, value in enumerate(output):
                gradient[place] += error * value
                output[place] = value - step * vector[place]
            self._bias[at] -= step
        for weight, before in zip(DECAY, reversed(context), strict=False):
            inputs = self._inputs[before]
            step = rate * weight
            for place, slope in enumerate(gradient):
                inputs[place] -= step * slope
        return -math.log(probabilities[symbol])

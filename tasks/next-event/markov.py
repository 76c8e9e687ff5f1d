"""A Markov model of order two that backs off to shorter contexts (Witten and Bell)."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ORDER = 2


class MarkovModel:
    """Probabilities of the next of ``size`` symbols, given up to two before it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._counts: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)

    def fit(self, examples: Iterable[tuple[tuple[int, ...], int]]) -> None:
        """Count what follows each context of length 0 to ORDER."""
        for context, symbol in examples:
            for length in range(min(ORDER, len(context)) + 1):
                self._counts[context[len(context) - length :]][symbol] += 1

    def predict(self, context: tuple[int, ...]) -> list[float]:
        """Return the distribution of the next symbol: positive everywhere, of sum 1.

        A context seen n times with t different followers has the weight n / (n + t); the rest
        goes to the context that is one shorter, at last to the uniform distribution.
        """
        probabilities = [1.0 / self._size] * self._size
        for length in range(min(ORDER, len(context)) + 1):
            counts = self._counts.get(context[len(context) - length :])
            if not counts:
                break
            total, distinct = counts.total(), len(counts)
            scale = 1.0 / (total + distinct)
            probabilities = [
                (counts[symbol] + distinct * shorter) * scale
                for symbol, shorter in enumerate(probabilities)
            ]
        return probabilities

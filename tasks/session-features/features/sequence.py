"""The session as a sequence of pages: n-grams, entropies, repetition."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOP = 5


def ngrams(pages: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """Count the runs of ``n`` pages."""
    return Counter(zip(*(pages[offset:] for offset in range(n)), strict=False))


def entropy(counts: Iterable[int]) -> float:
    """Return the Shannon entropy of a distribution given by its counts, in bits."""
    values = [count for count in counts if count]
    total = sum(values)
    # fsum gives the same sum whatever the order, and in every release of Python.
    bits = math.fsum(-count / total * math.log2(count / total) for count in values)
    return round(bits, 6) + 0.0  # no negative zero


def conditional_entropy(pages: Sequence[str]) -> float:
    """Return how uncertain the next page is when the page before it is known, in bits."""
    followers: dict[str, Counter[str]] = {}
    for here, after in pairwise(pages):
        followers.setdefault(here, Counter())[after] += 1
    transitions = len(pages) - 1
    if transitions < 1:
        return 0.0
    parts = (
        entropy(counts.values()) * counts.total() / transitions for counts in followers.values()
    )
    return round(math.fsum(parts), 6)


def features(pages: Sequence[str]) -> dict[str, Any]:
    """Return the most frequent n-grams and how varied the sequence is."""
    counts = Counter(pages)
    top = {
        n: sorted(ngrams(pages, n).items(), key=lambda item: (-item[1], item[0]))[:TOP]
        for n in (2, 3)
    }
    return {
        "length": len(pages),
        "distinct": len(counts),
        "entropy": entropy(counts.values()),
        "conditional_entropy": conditional_entropy(pages),
        "repeats": sum(a == b for a, b in pairwise(pages)),
        "bigrams": [[">".join(gram), count] for gram, count in top[2]],
        "trigrams": [[">".join(gram), count] for gram, count in top[3]],
        "first": pages[0],
        "last": pages[-1],
    }

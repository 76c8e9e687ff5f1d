"""Words counted in generated text: dicts, Counter and most common."""

from collections import Counter, defaultdict
from random import Random

N = 60_000
CHECK = (200, [200, 64, ["the", 24]])

WORDS = [
    first + last
    for first in ("sha", "re", "mo", "ti", "kel", "vo", "an")
    for last in ("ne", "lo", "ra", "mi", "do", "st", "ck", "", "per", "the")
] + ["the"] * 6


def run(n: int) -> list[object]:
    """[words, different words, [commonest word, its count]] in n words."""
    rng = Random(3)
    text = " ".join(rng.choice(WORDS) for _ in range(n))
    words = text.split()
    counts: dict[str, int] = {}
    followers: defaultdict[str, set[str]] = defaultdict(set)
    before = ""
    for word in words:
        counts[word] = counts.get(word, 0) + 1
        followers[before].add(word)
        before = word
    if Counter(words) != counts:
        raise ValueError("two ways of counting disagree")
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [len(words), len(counts), list(ranked[0])]

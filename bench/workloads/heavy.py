"""A heavy task: a user's day of clicks to sessions, features, ranks and matches, 30 to 50 ms."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypedDict

PAGES = ("home", "search", "item", "cart", "pay", "help")
GAP = 1800
Leaf = int
Tree = Leaf | tuple[int, int, "Tree", "Tree"]


class Day(TypedDict):
    """Clicks as [second of the day, page, item]; queries as typed."""

    user: str
    clicks: list[list[int]]
    queries: list[str]


class Ranking(TypedDict):
    user: str
    sessions: int
    best: list[list[int]]
    corrected: list[str]


@dataclass
class Session:
    start: int
    end: int
    pages: Counter[str] = field(default_factory=Counter)
    items: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        return self.end - self.start


def payload(i: int) -> Day:
    """The i-th user's day: 4,000 clicks, 90 queries."""
    state = i * 7919 + 17
    clicks: list[list[int]] = []
    second = 0
    for _ in range(4000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        pick = state >> 8
        second += pick % 120 + (2000 if pick % 41 == 0 else 0)
        clicks.append([second, pick % 6, (pick >> 4) % 90])
    queries: list[str] = []
    for k in range(90):
        word = VOCABULARY[(i * 5 + k * 3) % len(VOCABULARY)]
        at = (i + k) % len(word)
        queries.append(word[:at] + "xsy"[k % 3] + word[at + 1 :] + ("s" if k & 1 else ""))
    return {"user": f"u{i}", "clicks": clicks, "queries": queries}


def made_words() -> list[str]:
    first = ("lap", "smart", "head", "key", "note", "trek")
    last = ("topper", "phones", "boarding", "bookish", "watching")
    return [a + b for a in first for b in last]


VOCABULARY = made_words()


def grown(seed: int, depth: int) -> Tree:
    """A decision tree over eight features, made up from a seed."""
    seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
    if not depth:
        return (seed >> 20) % 201 - 100
    below = grown(seed ^ 0x5BD1E995, depth - 1)
    return (seed >> 16) % 8, (seed >> 9) % 60, below, grown(seed + 1, depth - 1)


FOREST = [grown(seed, 6) for seed in range(150)]


def sessions_of(clicks: list[list[int]]) -> Iterator[Session]:
    """Sessions of a stream in order of time, cut at gaps."""
    session: Session | None = None
    for second, page, item in clicks:
        if session is None or second - session.end > GAP:
            if session is not None:
                yield session
            session = Session(second, second)
        session.end = second
        session.pages[PAGES[page]] += 1
        if page in (2, 3, 4):
            session.items.append(item)
    if session is not None:
        yield session


def scored(row: list[int]) -> int:
    total = 0
    for tree in FOREST:
        node = tree
        while not isinstance(node, int):
            feature, limit, below, above = node
            node = below if row[feature] < limit else above
        total += node
    return total


def distance(a: str, b: str) -> int:
    """Edit distance."""
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        current = [i]
        for j, right in enumerate(b, 1):
            if left == right:
                current.append(previous[j - 1])
            else:
                current.append(1 + min(previous[j], current[-1], previous[j - 1]))
        previous = current
    return previous[-1]


def run(payload: Day) -> Ranking:
    """Sessions, the five items with the best scores, and the queries spelt right."""
    sessions = list(sessions_of(payload["clicks"]))
    seen: defaultdict[int, list[int]] = defaultdict(lambda: [0] * 8)
    for number, session in enumerate(sessions):
        for item in session.items:
            row = seen[item]
            row[0] += 1
            row[1] = number
            row[2] = max(row[2], session.length % 60)
            row[3] += session.pages["cart"]
            row[4] += session.pages["pay"] % 7
            row[5] = len(session.items) % 60
            row[6] = (row[6] + item) % 60
            row[7] = max(row[7], session.pages["search"] % 60)
    ranked = sorted(((scored(row), item) for item, row in seen.items()), reverse=True)
    corrected = [
        min(VOCABULARY, key=lambda word: (distance(query, word), word))
        for query in payload["queries"]
    ]
    return {
        "user": payload["user"],
        "sessions": len(sessions),
        "best": [[score, item] for score, item in ranked[:5]],
        "corrected": corrected,
    }

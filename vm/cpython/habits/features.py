"""Records of events turned into features and verdicts."""

from __future__ import annotations

import collections
import hashlib
import itertools
import math

from habits.material import EVENTS, Event
from habits.registry import habit


@habit
def session_features() -> object:
    """Group by user, then sums, ratios and gaps."""
    sessions: dict[str, list[Event]] = {}
    for event in EVENTS:
        sessions.setdefault(event["user"], []).append(event)
    rows = []
    for user, own in sorted(sessions.items()):
        own.sort(key=lambda event: event["time"])
        spent = sum(event["price"] * event["quantity"] for event in own)
        gaps = [b["time"] - a["time"] for a, b in itertools.pairwise(own)]
        rows.append(
            {
                "user": user,
                "spent": spent,
                "mean_gap": sum(gaps) / len(gaps) if gaps else 0.0,
                "kinds": len({event["event"] for event in own}),
                "mobile": any(event["props"]["mobile"] for event in own),
                "last": own[-1].get("props", {}).get("ref") or "none",
            }
        )
    return rows


@habit
def counting() -> object:
    """Counter, defaultdict, most common, merging of dicts."""
    kinds = collections.Counter(event["event"] for event in EVENTS)
    by_tag: collections.defaultdict[str, int] = collections.defaultdict(int)
    for event in EVENTS:
        for tag in event["tags"]:
            by_tag[tag] += event["quantity"]
    merged = {**kinds, **by_tag} | {"all": len(EVENTS)}
    merged.update((key, value + 1) for key, value in by_tag.items() if value % 2)
    return kinds.most_common(5), {value: key for key, value in merged.items()}


@habit
def windows() -> object:
    """Sliding window over a deque, moving average and extremes."""
    window: collections.deque[float] = collections.deque(maxlen=16)
    total = 0.0
    out = []
    for event in EVENTS:
        if len(window) == window.maxlen:
            total -= window[0]
        window.append(event["price"])
        total += event["price"]
        out.append((total / len(window), max(window), min(window)))
    window.rotate(3)
    return out


@habit
def feature_hashing() -> object:
    """Hash string keys into a sparse vector, with a digest for stability."""
    size = 256
    vector = [0.0] * size
    for event in EVENTS:
        for name in ("event", "user"):
            digest = hashlib.md5(f"{name}={event[name]}".encode(), usedforsecurity=False).digest()
            index = int.from_bytes(digest[:4], "little") % size
            vector[index] += 1.0 if digest[4] & 1 else -1.0
        vector[hash(event["user"]) % size] += event["price"]
    norm = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / norm for x in vector]


@habit
def rules() -> object:
    """Follow a chain of business rules, with early exits and matching on shape."""
    verdicts = []
    for event in EVENTS:
        match event:
            case {"event": "order" | "cart", "price": float(price)} if price > 40:
                verdict = "big"
            case {"event": str(kind), "props": {"ref": None}} if kind.startswith("re"):
                verdict = "direct " + kind
            case {"tags": [first, *_]} if first in ("brand", "price"):
                verdict = first
            case _:
                verdict = "other"
        if event["quantity"] > 3 and not event["props"]["mobile"]:
            verdict += "!"
        elif 10 < event["price"] <= 20 or event["user"].endswith("7"):
            verdict += "?"
        verdicts.append(verdict)
    return verdicts


@habit
def joins() -> object:
    """Set algebra and a join of two tables."""
    buyers = {event["user"] for event in EVENTS if event["event"] in {"order", "cart"}}
    viewers = {event["user"] for event in EVENTS if event["event"] == "view"}
    table = {event["user"]: event for event in EVENTS}
    joined = [(user, table[user]["price"]) for user in buyers & viewers if user in table]
    return buyers | viewers, buyers - viewers, buyers ^ viewers, frozenset(joined)

"""The events that the habits work on."""

from __future__ import annotations

import random
from typing import Any

WORDS = [
    "view",
    "cart",
    "order",
    "refund",
    "click",
    "search",
    "filter",
    "sort",
    "basket",
    "wish",
    "coupon",
    "session",
    "visitor",
    "product",
    "category",
    "brand",
    "price",
    "stock",
    "seller",
    "review",
    "rating",
    "page",
    "banner",
    "device",
    "region",
]

Event = dict[str, Any]


def events(count: int, seed: int) -> list[Event]:
    """Make clickstream-like records, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    return [
        {
            "event": rng.choice(WORDS),
            "user": f"u{rng.randrange(count // 8 + 1):05d}",
            "time": 1_700_000_000 + n * 7 + rng.randrange(7),
            "price": round(rng.lognormvariate(3, 1), 2),
            "quantity": rng.randrange(1, 5),
            "tags": rng.sample(WORDS, 3),
            "props": {"mobile": rng.random() < 0.6, "ref": rng.choice((None, "mail", "ad"))},
        }
        for n in range(count)
    ]


EVENTS = events(240, seed=7)

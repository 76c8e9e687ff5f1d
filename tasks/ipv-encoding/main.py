"""Encode one item page view: what a visitor did on a product's page, as 32 signed bytes."""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import polyvm

HASHED = 20
"""Places that names are hashed into, behind the dense part."""
COUNTS = ("scrolls", "exposures", "clicks", "favourites", "carts", "buys")
DAY_MS = 86_400_000


def squashed(value: float, half: float) -> float:
    """Return a number from 0 to 1 for one from 0 up: a half at ``half``."""
    return value / (value + half)


def dense(view: dict[str, Any]) -> list[float]:
    """Return numbers from -1 to 1: how long, how far, how much, and when in the day."""
    angle = 2 * math.pi * (view["entered_ms"] % DAY_MS) / DAY_MS
    return [
        squashed(math.log1p(view["dwell_ms"] / 1000), math.log1p(30)),
        view["depth"],
        squashed(view["shown"], 5),
        *(squashed(view[name], 2) for name in COUNTS),
        1.0 if view["carts"] or view["buys"] else 0.0,
        math.sin(angle),
        math.cos(angle),
    ]


@lru_cache(maxsize=4096)
def place(token: str) -> tuple[int, int]:
    """Return the place and the sign (1 or -1) of a name: the signed hashing trick."""
    number = int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "little")
    return number % HASHED, 1 if number >> 63 else -1


def hashed(view: dict[str, Any]) -> list[float]:
    """Return the names of a view, each as a half more or less in one of the places."""
    places = [0.0] * HASHED
    for name in ("user", "item", "category", "platform"):
        at, sign = place(f"{name}={view[name]}")
        places[at] = max(-1.0, min(1.0, places[at] + 0.5 * sign))
    return places


def encoding(view: dict[str, Any]) -> bytes:
    """Return all numbers of a view as signed bytes, 127 for 1."""
    return bytes(round(127 * number) & 0xFF for number in dense(view) + hashed(view))


def run(start: dict[str, Any]) -> str:
    """Put a row of the flow, with its encoding, into the table of features; return its key."""
    view = start["row"]
    left = (view["entered_ms"] + view["dwell_ms"]) / 1000
    polyvm.features("ipv").put(view["visit"], {**view, "encoding": encoding(view)}, at=left)
    return view["visit"]

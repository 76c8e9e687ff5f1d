"""Encode one click event for a model: categories as one-hot, names hashed, time on a circle."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import polyvm


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the encoder knows beforehand, from the asset vocabulary.json."""

    stage_of: dict[str, int]
    stages: int
    categories: dict[str, tuple[str, ...]]
    hashed: tuple[str, ...]
    buckets: int

    @classmethod
    def load(cls) -> Vocabulary:
        """Read the asset."""
        table = json.loads(polyvm.asset("vocabulary.json"))
        stages = table["stages"]
        return cls(
            stage_of={name: at for at, names in enumerate(stages.values()) for name in names},
            stages=len(stages),
            categories={field: tuple(values) for field, values in table["categories"].items()},
            hashed=tuple(table["hashed"]),
            buckets=table["hash_buckets"],
        )


@dataclass(slots=True)
class Encoded:
    """The vector: its dense part, and the places of the ones in its sparse, hashed part."""

    session_id: str
    ts: int
    dense: list[float]
    sparse: list[int]
    signs: list[int]


VOCABULARY = Vocabulary.load()


def one_hot(place: int | None, length: int) -> list[float]:
    """Return ``length`` numbers, 1 at ``place``; all 0 if it is None."""
    return [1.0 if at == place else 0.0 for at in range(length)]


def circle(value: float, period: float) -> tuple[float, float]:
    """Return sine and cosine of a cyclical quantity, so that its end is next to its start."""
    angle = 2 * math.pi * value / period
    return round(math.sin(angle), 6), round(math.cos(angle), 6)


@lru_cache(maxsize=4096)
def hashed(token: str, buckets: int) -> tuple[int, int]:
    """Return the bucket and the sign (1 or -1) of a token: the signed hashing trick."""
    number = int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "little")
    return number % buckets, 1 if number >> 63 else -1


def time_features(ts: int) -> list[float]:
    """Encode hour of the day, day of the week and day of the year; and whether it is a weekend."""
    moment = datetime.fromtimestamp(ts, UTC)
    hour = moment.hour + moment.minute / 60
    return [
        *circle(hour, 24),
        *circle(moment.weekday(), 7),
        *circle(moment.timetuple().tm_yday, 366),
        1.0 if moment.weekday() >= 5 else 0.0,
    ]


def run(event: dict[str, Any]) -> Encoded:
    """Encode one event of the feed. Unknown names are no error: their one-hot part is 0."""
    known = VOCABULARY
    dense = one_hot(known.stage_of.get(event["event"]), known.stages)
    for field, values in known.categories.items():
        value = event[field]
        dense += one_hot(values.index(value) if value in values else None, len(values))
    dense += time_features(event["ts"])
    tokens = [f"{field}={event[field]}" for field in known.hashed]
    tokens.append(f"event={event['event']}")
    # A cross feature: the page on this platform, which neither one-hot shows alone.
    tokens.append(f"event*platform={event['event']}*{event['platform']}")
    places = [hashed(token, known.buckets) for token in tokens]
    return Encoded(
        session_id=event["session_id"],
        ts=event["ts"],
        dense=dense,
        sparse=[bucket for bucket, _ in places],
        signs=[sign for _, sign in places],
    )

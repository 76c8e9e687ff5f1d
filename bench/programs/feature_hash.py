"""Sparse features hashed into a fixed space, then a logistic model trained on them."""

from math import exp
from random import Random

N = 1600
CHECK = (20, [1024, 100, 20])

SPACE = 1024


def hashed(text: str) -> int:
    """FNV-1a of the UTF-8 bytes, 32 bits."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def features(user: dict[str, str]) -> dict[int, float]:
    made: dict[int, float] = {}
    items = sorted(user.items())
    names = [f"{key}={value}" for key, value in items]
    names += [f"{names[i]}&{names[i - 1]}" for i in range(1, len(names))]
    for name in names:
        value = hashed(name)
        slot = value % SPACE
        made[slot] = made.get(slot, 0.0) + (1.0 if value & 0x80000000 else -1.0)
    return made


def users(count: int) -> list[tuple[dict[str, str], int]]:
    rng = Random(29)
    made: list[tuple[dict[str, str], int]] = []
    for _ in range(count):
        city = rng.choice(("rome", "oslo", "lima"))
        device = rng.choice(("phone", "tablet", "desk"))
        made.append(
            (
                {"city": city, "device": device, "age": str(rng.randrange(18, 22))},
                int(city == "rome" or device == "desk"),
            )
        )
    return made


def run(n: int) -> list[int]:
    """[slots, features, users told right after three rounds of training] for n users."""
    data = [(features(user), label) for user, label in users(n)]
    weights = [0.0] * SPACE
    for _ in range(12):
        for row, label in data:
            score = sum([weights[slot] * value for slot, value in row.items()])
            step = 0.2 * (label - 1.0 / (1.0 + exp(-score)))
            for slot, value in row.items():
                weights[slot] += step * value
    right = 0
    for row, label in data:
        score = sum([weights[slot] * value for slot, value in row.items()])
        right += (score > 0) == bool(label)
    return [len(weights), sum(len(row) for row, _ in data), right]

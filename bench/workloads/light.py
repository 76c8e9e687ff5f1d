"""A light task: will this visitor buy? One record, one linear model, 10 to 20 µs."""

from math import exp, log1p
from typing import TypedDict

WEIGHTS = {
    "views": 0.31,
    "cart": 1.12,
    "dwell": 0.42,
    "price": -0.27,
    "returning": 0.55,
    "discount": 0.64,
    "hour": -0.05,
    "bias": -1.9,
}
CROSSED = ("views", "cart", "dwell", "price", "discount", "hour")
CATEGORY = {"shoes": 0.2, "books": 0.5, "phones": -0.4, "games": 0.1}
DEVICES = ("phone", "desk", "tablet")


class Visit(TypedDict):
    """One visitor's counters; money in cents, dwell in milliseconds."""

    user: str
    device: str
    category: str
    views: int
    cart: int
    dwell: list[int]
    price: int
    discount: int
    hour: int
    returning: bool


class Score(TypedDict):
    user: str
    score: float
    top: list[str]
    offer: bool


def payload(i: int) -> Visit:
    """The i-th visit."""
    state = (i * 2654435761 + 12345) & 0xFFFFFFFF
    return {
        "user": f"u{state % 5000}",
        "device": DEVICES[state % 3],
        "category": list(CATEGORY)[state % 4],
        "views": state % 17,
        "cart": state % 4,
        "dwell": [state * step % 9001 for step in range(1, 49)],
        "price": 500 + state % 20_000,
        "discount": state % 30,
        "hour": state % 24,
        "returning": state % 5 == 0,
    }


def run(payload: Visit) -> Score:
    """The probability that the visit ends in a purchase, and what spoke for it most."""
    dwell = payload["dwell"]
    steady = [value for value in dwell if value > 250]
    mean = sum(steady) / len(steady) if steady else 0.0
    spread = sum([(value - mean) ** 2 for value in steady]) / (len(steady) or 1)
    values = {
        "views": log1p(payload["views"]),
        "cart": min(payload["cart"], 3) / 3,
        "dwell": log1p(mean) / (1.0 + log1p(spread) / 8),
        "price": log1p(payload["price"] / 100),
        "returning": 1.0 if payload["returning"] else 0.0,
        "discount": payload["discount"] / 30,
        "hour": abs(payload["hour"] - 20) / 12,
        "bias": 1.0,
    }
    parts = [(name, WEIGHTS[name] * value) for name, value in values.items()]
    parts += [
        (f"{first}*{second}", 0.05 * values[first] * values[second])
        for i, first in enumerate(CROSSED)
        for second in CROSSED[:i]
    ]
    parts.append(("category", CATEGORY.get(payload["category"], 0.0)))
    parts.append(("device", 0.2 if payload["device"] == "phone" else -0.1))
    total = 0.0
    for _, part in parts:
        total += part
    parts.sort(key=lambda pair: -abs(pair[1]))
    probability = 1.0 / (1.0 + exp(-total))
    return {
        "user": payload["user"].upper(),
        "score": round(probability, 6),
        "top": [f"{name}:{part:+.2f}" for name, part in parts[:3]],
        "offer": 0.3 < probability < 0.7,
    }

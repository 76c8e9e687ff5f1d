"""Models, matrices, integers, statistics: numbers in plain Python."""

from __future__ import annotations

import cmath
import decimal
import fractions
import itertools
import math
import random
import statistics
import struct
from array import array

from habits.material import EVENTS, WORDS
from habits.registry import habit


@habit
def logistic_model() -> object:
    """Gradient steps of a logistic regression on plain lists."""
    weights = [0.0] * 4
    rate = 0.01
    for event in EVENTS:
        row = (
            1.0,
            math.log1p(event["price"]),
            event["quantity"] / 5,
            float(event["props"]["mobile"]),
        )
        label = 1.0 if event["event"] in ("order", "cart", "coupon") else 0.0
        score = sum(w * x for w, x in zip(weights, row, strict=True))
        error = 1.0 / (1.0 + math.exp(-score)) - label
        for k in range(4):
            weights[k] -= rate * error * row[k]
    return weights


@habit
def matrices() -> object:
    """Products, transposition and elimination on lists of lists."""
    n = 14
    a = [[(i * 31 + j * 17) % 11 - 5.0 for j in range(n)] for i in range(n)]
    for i in range(n):
        a[i][i] += 40.0
    b = list(map(list, zip(*a, strict=True)))
    product = [[sum(x * y for x, y in zip(row, col, strict=True)) for col in a] for row in b]
    for i in range(n):
        pivot = product[i][i]
        for k in range(i + 1, n):
            factor = product[k][i] / pivot
            for j in range(i, n):
                product[k][j] -= factor * product[i][j]
    return product[-1][-1]


@habit
def simulation() -> object:
    """Bodies with attributes that pull at each other: float arithmetic on objects."""

    class Body:
        __slots__ = ("mass", "vx", "vy", "x", "y")

        def __init__(self, x: float, y: float, mass: float) -> None:
            self.x, self.y, self.mass = x, y, mass
            self.vx = self.vy = 0.0

        def move(self, dt: float) -> None:
            self.x += self.vx * dt
            self.y += self.vy * dt

    bodies = [Body(math.cos(n) * 9, math.sin(n) * 9, 1.0 + n) for n in range(6)]
    for _ in range(20):
        for one, other in itertools.combinations(bodies, 2):
            dx, dy = one.x - other.x, one.y - other.y
            force = 0.01 / (dx * dx + dy * dy + 0.1) ** 1.5
            one.vx -= dx * force * other.mass
            one.vy -= dy * force * other.mass
            other.vx += dx * force * one.mass
            other.vy += dy * force * one.mass
        for body in bodies:
            body.move(0.05)
    return bodies[0].x


@habit
def integers() -> object:
    """Sieve, gcds, bits, a linear generator, and numbers of more than one digit."""
    limit = 600
    sieve = bytearray([1]) * limit
    for n in range(2, 25):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, limit, n)))
    state, mixed = 12345, 0
    for _ in range(300):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        mixed ^= (state >> 7) | (state << 3 & 0xFF)
        mixed += state % 97 - state // 1009
    big = math.prod(range(1, 60))
    return (
        sum(sieve),
        mixed,
        big.bit_length(),
        str(big),
        int("9" * 40) % 997,
        pow(3, 200, 10**9 + 7),
    )


@habit
def statistics_of_prices() -> object:
    """Use statistics, fractions and decimal, and round."""
    prices = [event["price"] for event in EVENTS[:80]]
    cents = [decimal.Decimal(str(price)).quantize(decimal.Decimal("0.01")) for price in prices]
    share = sum((fractions.Fraction(n, n + 3) for n in range(1, 12)), fractions.Fraction(0))
    with decimal.localcontext() as context:
        context.prec = 30
        total = sum(cents, decimal.Decimal(0)) * decimal.Decimal("1.19") / 7
    return (
        statistics.fmean(prices),
        statistics.median(prices),
        statistics.pstdev(prices),
        statistics.quantiles(prices, n=10),
        total,
        share,
        round(prices[0], 1),
        divmod(prices[1], 3),
    )


@habit
def long_numbers() -> object:
    """Compute with numbers of hundreds of digits, whole and decimal."""
    top, bottom = 3**400 + 1, 7**90
    digits = 0
    for _ in range(12):
        quotient, top = divmod(top * 10, bottom)
        digits += quotient % 10
        top = top * 3 + bottom - (top >> 5)
    with decimal.localcontext() as context:
        context.prec = 120
        root = decimal.Decimal(2).sqrt() + decimal.Decimal(digits).ln()
        for n in range(1, 25):
            root = (root * root + n) / (root + 1) + decimal.Decimal(n) ** 3 // 7
        text = f"{root:.60f}"
    return digits, math.isqrt(10**120), int(text.replace("-", "").replace(".", "")[:200]), text


@habit
def float_functions() -> object:
    """Use math and complex numbers, infinities and comparisons."""
    out = []
    for n in range(1, 120):
        x = n / 7
        out.append(math.hypot(math.sin(x), math.cos(x)) + math.atan2(x, 2) - math.floor(x) * 0.5)
        out.append(abs(complex(x, -x)) + math.fsum((x, 1e-9, -x)) + x**0.5)
        if not math.isfinite(out[-1]) or out[-1] != out[-1]:
            out.pop()
    out.append(abs(cmath.exp(1j) * cmath.sqrt(-2)))
    return max(out), min(out), sorted(out)[:3], [f"{x:.3g}" for x in out[:20]]


@habit
def typed_arrays() -> object:
    """array, bytearray, memoryview and struct records."""
    values = array("d", (event["price"] for event in EVENTS))
    counts = array("i", [0]) * 32
    for value in values:
        counts[int(value) & 31] += 1
    packed = b"".join(
        struct.pack("<IdH", event["time"], event["price"], event["quantity"])
        for event in EVENTS[:60]
    )
    record = struct.Struct("<IdH")
    total = 0.0
    for _, price, quantity in record.iter_unpack(packed):
        total += price * quantity
    view = memoryview(packed)
    return total, record.unpack_from(view, record.size)[0], view[4:12].hex(), values[3:9].tobytes()


@habit
def sampling() -> object:
    """random: choices, shuffles, distributions."""
    rng = random.Random(99)  # noqa: S311 - no secrets here
    deck = list(range(80))
    rng.shuffle(deck)
    draws = [rng.gauss(0, 1) + rng.uniform(-1, 1) + rng.expovariate(2) for _ in range(60)]
    picks = rng.choices(WORDS, weights=range(1, len(WORDS) + 1), k=30)
    return deck[:5], sum(draws), picks, rng.getrandbits(70), rng.sample(range(10_000), 10)

"""A pipeline of generators, generator expressions and itertools."""

from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, groupby, islice

N = 48_000
CHECK = (100, [35, 7705, 71])


def numbers(count: int) -> Iterator[int]:
    state = 1
    for _ in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state >> 16


def windows(values: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    window: tuple[int, ...] = ()
    for value in values:
        window = (*window, value)[-size:]
        if len(window) == size:
            yield window


def smoothed(values: Iterable[int]) -> Iterator[int]:
    for window in windows(values, 4):
        yield sum(window) // 4


def nested(values: Iterable[int]) -> Iterator[int]:
    yield from (v for v in values if v & 3)
    yield from chain([1, 2], (3,))


def averages() -> Iterator[float]:
    """A coroutine of the old kind: send a value, get the mean so far."""
    total = 0.0
    count = 0
    mean = 0.0
    while True:
        value = yield mean
        total += value  # type: ignore[operator]
        count += 1
        mean = total / count


def run(n: int) -> list[int]:
    """[runs of equal parity, mean, values kept] over n numbers."""
    kept = list(nested(smoothed(numbers(n))))
    runs = sum(1 for _ in groupby(kept, key=lambda v: v % 5 < 2))
    receiver = averages()
    next(receiver)
    mean = 0.0
    for value in islice(kept, n // 2):
        mean = receiver.send(value)  # type: ignore[attr-defined]
    highest = list(accumulate(kept, max))[-1]
    if highest != max(kept):
        raise ValueError("running maximum is not the maximum")
    return [runs, int(mean) % 10_000, len(kept)]

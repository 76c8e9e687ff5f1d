"""Functions, generators, coroutines, containers, errors."""

# Here things are written in all the ways that people write them, neat or not.
# ruff: noqa: PLC3002, C417, RUF005, PYI034, TRY301

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import typing
from typing import TYPE_CHECKING

from habits.material import EVENTS, WORDS, Event
from habits.registry import habit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@habit
def closures() -> object:
    """Closures, decorators, partials, higher-order functions, keyword arguments."""

    def counter(start: int = 0) -> Callable[[], int]:
        value = start

        def step() -> int:
            nonlocal value
            value += 1
            return value

        return step

    def traced(function: Callable[..., float]) -> Callable[..., float]:
        @functools.wraps(function)
        def inner(*args: float, **kwargs: float) -> float:
            calls[function.__name__] = calls.get(function.__name__, 0) + 1
            return function(*args, **kwargs)

        return inner

    @traced
    def weigh(a: float, b: float = 2.0, *rest: float, scale: float = 1.0, **extra: float) -> float:
        return (a * b + sum(rest)) * scale + len(extra)

    calls: dict[str, int] = {}
    step = counter(3)
    out = 0.0
    double = functools.partial(weigh, scale=2.0)
    for n in range(80):
        out += weigh(n) + weigh(n, 3.0, 4.0, scale=0.5) + double(n, b=n, other=1) + step()
        out += (lambda x, y: x - y)(n, 1)
    values = list(filter(None, map(lambda x: x % 3, range(60))))
    steps: list[Callable[[int], int]] = [lambda x: x + 1, lambda x: x * 2]
    compose = functools.reduce(lambda f, g: lambda x: g(f(x)), steps)
    return out, values, compose(4), calls, any(v > 1 for v in values), all(values)


@habit
def generators() -> object:
    """Use generators, delegation, send, expressions, pipelines of itertools."""

    def read() -> Iterator[Event]:
        yield from EVENTS

    def priced(stream: Iterator[Event], floor: float) -> Iterator[tuple[str, float]]:
        for event in stream:
            if event["price"] < floor:
                continue
            yield event["event"], event["price"]

    def mean() -> typing.Generator[float, float, None]:
        total, count, value = 0.0, 0, 0.0
        while True:
            value = yield total / count if count else value
            total += value
            count += 1

    running = mean()
    next(running)
    means = [running.send(price) for _, price in priced(read(), 12.0)]
    running.close()
    grouped = {
        key: len(list(group))
        for key, group in itertools.groupby(sorted(e["event"] for e in EVENTS))
    }
    chained = list(itertools.islice(itertools.chain(range(9), itertools.count(5, 3)), 40))
    product = sum(a * b for a, b in itertools.product(range(12), repeat=2) if a != b)
    return (
        means[-1],
        grouped,
        chained,
        product,
        list(itertools.accumulate(chained)),
        list(zip(*[iter(WORDS)] * 5, strict=True)),
    )


@habit
def comprehensions() -> object:
    """Comprehensions of all kinds, unpacking, slices, chained comparisons."""
    squares = [x * x for x in range(120) if x & 1]
    table = {(i, j): i ^ j for i in range(9) for j in range(9) if i < j}
    letters = {char for word in WORDS for char in word}
    first, *middle, last = squares
    middle[2:5] = [0] * 6
    del middle[::7]
    a, b = first, last
    a, b = b, a
    text_of = "".join(sorted(letters))
    return (
        a,
        b,
        table,
        text_of[2:-2:2],
        [*middle, *letters],
        {**table, (9, 9): 1},
        [n for n in squares if 9 < n <= 99],
        middle[-3:],
    )


@habit
def lists_and_dicts() -> object:
    """Call the methods of containers, in plain loops."""
    stack: list[int] = []
    table: dict[int, int] = {}
    for n in range(300):
        stack.append(n * 3 % 17)
        if len(stack) > 20:
            stack.pop(0)
            stack.insert(3, stack.pop())
        table[n % 50] = table.get(n % 50, 0) + stack[-1]
        if n % 40 == 0:
            table.pop(n % 50, None)
            stack.reverse()
    keys = list(table)
    for key in keys:
        if table[key] % 2 == 0:
            del table[key]
    count = 0
    while stack:
        count += stack.pop() in table
    stack.extend(keys)
    return (
        count,
        stack.index(keys[3]),
        stack.count(4),
        list(table.items())[:3],
        list(zip(keys, table.values(), strict=False)),
        tuple(keys) + (1, 2),
    )


class TaskError(Exception):
    """One of ours."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@habit
def errors() -> object:
    """Raise, catch by kind, chain, clean up."""

    @contextlib.contextmanager
    def scope(log: list[str], name: str) -> Iterator[str]:
        log.append(f"+{name}")
        try:
            yield name
        finally:
            log.append(f"-{name}")

    class Guard:
        def __enter__(self) -> Guard:
            return self

        def __exit__(self, kind: object, error: object, trace: object) -> bool:
            return kind is ZeroDivisionError

    log: list[str] = []
    calls: dict[int, str] = {}
    broken: list[typing.Any] = [1, "x", None, {}, [], 0, "7", 2.5]
    for n in range(40):
        value = broken[n % len(broken)]
        try:
            with scope(log, "s"):
                log.append(str(10 // int(value)))
        except (ValueError, TypeError) as error:
            log.append(type(error).__name__)
        except ZeroDivisionError:
            try:
                raise TaskError(n, "none left") from None
            except TaskError as error:
                log.append(f"{error.code}: {error}")
        else:
            log.append("fine")
        finally:
            log.append(".")
        with Guard():
            log.append(str(n / (n % 3)))
        with contextlib.suppress(KeyError, AttributeError):
            log.append(calls[n] if n % 2 else value.missing)
    return len(log)


async def _fetch(n: int) -> int:
    await _Pause()
    return n * 2


class _Pause:
    def __await__(self) -> typing.Generator[None, None, None]:
        yield


async def _ticks(count: int) -> typing.AsyncIterator[int]:
    for n in range(count):
        yield await _fetch(n)


@habit
def coroutines() -> object:
    """Coroutines and asynchronous generators under a loop of our own."""

    async def work(n: int) -> int:
        total = 0
        async for value in _ticks(n):
            total += value
        return total + sum([await _fetch(k) for k in range(3)])

    results = []
    ready = collections.deque(work(n) for n in range(12))
    while ready:
        task = ready.popleft()
        try:
            task.send(None)
        except StopIteration as stop:
            results.append(stop.value)
        else:
            ready.append(task)
    return results

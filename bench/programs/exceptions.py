"""Errors raised, chained, caught and cleaned up after."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

N = 14_000
CHECK = (100, [34, 17, 0, 100])


class RejectedError(Exception):
    def __init__(self, value: int, reason: str) -> None:
        super().__init__(value, reason)
        self.value = value


class Log:
    def __init__(self) -> None:
        self.left = 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.left += 1


def check(value: int) -> int:
    if value % 3 == 0:
        raise RejectedError(value, "three")
    if value % 4 == 1:
        raise KeyError(value)
    return value


def convert(value: int) -> int:
    try:
        return check(value)
    except KeyError as error:
        raise ValueError("no such key") from error


def deep(level: int, value: int) -> int:
    return deep(level - 1, value) if level else convert(value)


def run(n: int) -> list[int]:
    """[rejected, chained, texts taken for numbers, blocks left] over n values."""
    log = Log()
    rejected = chained = text = 0
    for value in range(n):
        try:
            with log.entered():
                deep(3, value)
        except RejectedError as error:
            rejected += error.value == value
        except ValueError as error:
            chained += isinstance(error.__cause__, KeyError)
        if value % 7 == 0:
            with suppress(ValueError):
                int("x")
                text += 1
    return [rejected, chained, text, log.left]

"""Spectral norm of an infinite matrix by the power method: calls and float sums."""

from math import sqrt

N = 76
CHECK = (100, "1.274219991")


def entry(row: int, column: int) -> float:
    diagonal = row + column
    return 1.0 / (diagonal * (diagonal + 1) // 2 + row + 1)


def times(vector: list[float]) -> list[float]:
    return [
        sum([entry(row, column) * value for column, value in enumerate(vector)])
        for row in range(len(vector))
    ]


def times_transposed(vector: list[float]) -> list[float]:
    return [
        sum([entry(row, column) * value for row, value in enumerate(vector)])
        for column in range(len(vector))
    ]


def run(n: int) -> str:
    """The norm of the top left n x n corner, to nine decimals."""
    u = [1.0] * n
    v = u
    for _ in range(10):
        v = times_transposed(times(u))
        u = times_transposed(times(v))
    across = sum([a * b for a, b in zip(u, v, strict=True)])
    return f"{sqrt(across / sum([b * b for b in v])):.9f}"

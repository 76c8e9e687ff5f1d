"""The arrays that operations take: the same values for either namespace."""

from functools import cached_property
from typing import Any

import numpy as np

ROW = 64
"""Elements in a row of `rows`, at most."""


class Inputs:
    """Arrays of about `size` elements in the namespace `xp`; each is made when it is first used."""

    def __init__(self, xp: Any, size: int) -> None:
        self.xp = xp
        self.size = size
        self.side = max(2, int(size**0.5))

    def _made(self, name: str, values: Any) -> Any:
        return self.xp.asarray(values(np.random.default_rng(sum(name.encode()))), copy=True)

    def _normal(self, name: str, shape: Any, dtype: Any = np.float32) -> Any:
        return self._made(name, lambda rng: rng.standard_normal(shape).astype(dtype))

    @cached_property
    def x(self) -> Any:
        return self._normal("x", self.size)

    @cached_property
    def y(self) -> Any:
        return self._normal("y", self.size)

    @cached_property
    def positive(self) -> Any:
        return self._made("p", lambda rng: rng.uniform(0.1, 9, self.size).astype(np.float32))

    @cached_property
    def doubles(self) -> Any:
        return self._normal("d", self.size, np.float64)

    @cached_property
    def mask(self) -> Any:
        return self._made("m", lambda rng: rng.random(self.size) < 0.5)

    @cached_property
    def other_mask(self) -> Any:
        return self._made("o", lambda rng: rng.random(self.size) < 0.5)

    @cached_property
    def none_true(self) -> Any:
        return self._made("n", lambda _: np.zeros(self.size, bool))

    @cached_property
    def integers(self) -> Any:
        """Whole numbers from 0 to 999, many of them more than once."""
        return self._made("i", lambda rng: rng.integers(0, 1000, self.size))

    @cached_property
    def few(self) -> Any:
        return self._made("f", lambda rng: rng.integers(0, 1000, 100))

    @cached_property
    def places(self) -> Any:
        """Indices into an array of `size` elements."""
        return self._made("j", lambda rng: rng.integers(0, self.size, self.size))

    @cached_property
    def ascending(self) -> Any:
        return self._made("s", lambda rng: np.sort(rng.standard_normal(self.size)))

    @cached_property
    def with_nan(self) -> Any:
        def values(rng: Any) -> Any:
            made = rng.standard_normal(self.size).astype(np.float32)
            made[:: max(2, self.size // 8)] = np.nan
            return made

        return self._made("w", values)

    @cached_property
    def square(self) -> Any:
        return self._normal("q", (self.side, self.side))

    @cached_property
    def vector(self) -> Any:
        return self._normal("v", self.side)

    @cached_property
    def rows(self) -> Any:
        across = min(ROW, self.side)
        return self._normal("r", (self.size // across, across))

    @cached_property
    def narrow(self) -> Any:
        """A matrix that `rows` can be multiplied with."""
        across = min(ROW, self.side)
        return self._normal("a", (across, across))

    @cached_property
    def stacked(self) -> Any:
        """Many small square matrices."""
        return self._normal("k", (max(1, self.size // 64), min(8, self.side), min(8, self.side)))

    @cached_property
    def system(self) -> Any:
        """A square matrix that can be inverted without loss."""
        n = self.side
        return self._made("y", lambda rng: rng.standard_normal((n, n)) + np.eye(n) * n)

    @cached_property
    def right(self) -> Any:
        return self._normal("t", (self.side, 2), np.float64)

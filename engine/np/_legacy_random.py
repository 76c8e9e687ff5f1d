"""NumPy's old random numbers: RandomState, and functions of one that all of a VM's code shares.

The streams are those that NumPy froze: MT19937, bounds by masks, normal numbers in pairs.
"""

from __future__ import annotations

import operator
import os

from polyvm.np import _core as core
from polyvm.np._bits import MT19937
from polyvm.np._distributions import CODES, PLAIN, add_to
from polyvm.np._generator import _BOUNDS, _cumulative, _integer_of, _probabilities, _shape
from polyvm.np._products import dot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WORD = 0xFFFFFFFFFFFFFFFF
_MOST = 2**32 - 1


def _seed_words(seed: Any) -> bytes:
    """Return a number, or a one-dimensional array of them, as words of 4 bytes."""
    if seed is None:
        return os.urandom(4 * 624)
    try:
        number = operator.index(core.squeeze(seed) if isinstance(seed, core.ndarray) else seed)
    except TypeError:
        words = core.asarray(seed)
        if words.size == 0:
            raise ValueError("Seed must be non-empty") from None
        if words.dtype.kind not in "iu":
            raise TypeError("Cannot cast the seed to int64 according to the rule 'safe'") from None
        if words.ndim != 1:
            raise ValueError("Seed array must be 1-d") from None
        if bool(core.any(words > _MOST)) or bool(core.any(words < 0)):
            raise ValueError("Seed must be between 0 and 2**32 - 1") from None
        # one word seeds otherwise than a number does: as an array of it
        data: bytes = words.astype(core.uint32).tobytes()
        return data
    if not 0 <= number <= _MOST:
        raise ValueError("Seed must be between 0 and 2**32 - 1")
    return number.to_bytes(4, "little")


class RandomState:
    """NumPy's old generator of random numbers; `default_rng` makes a better one."""

    def __init__(self, seed: Any = None) -> None:
        self._twister = MT19937(0)
        self._bits = self._twister._bits
        self._fill = self._bits.fill
        self.seed(seed)

    def __repr__(self) -> str:
        return f"RandomState(MT19937) at 0x{id(self):X}"

    def __str__(self) -> str:
        return "RandomState(MT19937)"

    def seed(self, seed: Any = None) -> None:
        """Begin again: from a number below 2**32, an array of them, or the system's entropy."""
        self._bits.seed_legacy(_seed_words(seed))

    def get_state(self, legacy: bool = True) -> Any:
        """Return the state: a tuple, or a dict unless ``legacy``."""
        state = self._twister.state
        has, value = self._bits.legacy_normal()
        if legacy:
            return ("MT19937", state["state"]["key"], state["state"]["pos"], has, value)
        return {**state, "has_gauss": has, "gauss": value}

    def set_state(self, state: Any) -> None:
        """Set what `get_state` returned, in either form."""
        if isinstance(state, dict):
            name, key, place = state["bit_generator"], state["state"]["key"], state["state"]["pos"]
            has, value = state.get("has_gauss", 0), state.get("gauss", 0.0)
        else:
            if not isinstance(state, (tuple, list)):
                raise TypeError("state must be a dict or a tuple.")
            name, key, place, has, value = (*state, 0, 0.0)[:5]
        if name != "MT19937":
            raise ValueError("set_state can only be used with legacy MT19937 state instances.")
        self._twister.state = {"bit_generator": name, "state": {"key": key, "pos": place}}
        self._bits.legacy_normal(bool(has), float(value))

    # ---- Floats, integers, bytes ----

    def random_sample(self, size: Any = None) -> Any:
        """Return floats in [0, 1)."""
        return self._fill(CODES["random"], size, None, None)

    def random(self, size: Any = None) -> Any:
        """Return floats in [0, 1)."""
        return self.random_sample(size)

    def rand(self, *args: int) -> Any:
        """Return floats in [0, 1), of the shape given by numbers."""
        return self.random_sample(args or None)

    def randn(self, *args: int) -> Any:
        """Return standard normal numbers, of the shape given by numbers."""
        return self.standard_normal(args or None)

    def standard_normal(self, size: Any = None) -> Any:
        """Return normal numbers of mean 0 and deviation 1."""
        return self._fill(CODES["standard_normal"], size, None, None)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Return normal numbers."""
        return self._fill(CODES["normal"], size, None, None, loc, scale)

    def standard_exponential(self, size: Any = None) -> Any:
        """Return exponential numbers of scale 1."""
        return self._fill(CODES["standard_exponential"], size, None, None)

    def standard_gamma(self, shape: Any, size: Any = None) -> Any:
        """Return gamma numbers of scale 1."""
        return self._fill(CODES["standard_gamma"], size, None, None, shape)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Return floats in [low, high); high may be less than low."""
        width = core.subtract(core.asarray(high, dtype=float), low)
        if not bool(core.all(core.isfinite(width))):
            raise OverflowError("Range exceeds valid bounds")
        drawn = self.random_sample(size if size is not None else (width + low).shape or None)
        return low + width * drawn if not isinstance(drawn, float) else float(low + width * drawn)

    def randint(self, low: Any, high: Any = None, size: Any = None, dtype: Any = int) -> Any:
        """Return integers in [low, high), or below ``low`` if it is the only bound."""
        if high is None:
            low, high = 0, low
        kind = core.dtype(dtype)
        if kind.name not in _BOUNDS:
            raise TypeError(f"Unsupported dtype dtype('{kind.name}') for randint")
        if size is not None and 0 in _shape(size):
            return core.empty(size, dtype=kind)
        least, most = _BOUNDS[kind.name]
        first, last = _integer_of(low), _integer_of(high)
        if first is None or last is None:
            lows, highs = core.asarray(low), core.asarray(high) - 1
            if bool(core.any(lows > highs)):
                raise ValueError("low >= high")
            whole = core.broadcast_to(highs - lows, (highs - lows).shape if size is None else size)
            return self._bits.integers(lows.astype(core.uint64), whole, size, kind)
        if first < least:
            raise ValueError(f"low is out of bounds for {kind.name}")
        if last - 1 > most:
            raise ValueError(f"high is out of bounds for {kind.name}")
        if first >= last:
            raise ValueError("low >= high")
        drawn = self._bits.integers(first & _WORD, last - 1 - first, size, kind)
        return drawn.item() if size is None and (dtype is int or dtype is bool) else drawn

    def random_integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """Return integers in [low, high], or in [1, low] if it is the only bound."""
        if high is None:
            low, high = 1, low
        return self.randint(low, int(high) + 1, size, core.int64)

    def bytes(self, length: int) -> bytes:
        """Return random bytes."""
        count = (length - 1) // 4 + 1
        data: bytes = self.randint(0, 2**32, count, core.uint32).tobytes()
        return data[:length]

    # ---- Orders and samples ----

    def _order(self, count: int) -> Any:
        order = core.arange(count, dtype=core.int64)
        self._bits.shuffle(order)
        return order

    def shuffle(self, x: Any) -> None:
        """Shuffle an array along its first dimension, or a list, in place."""
        if isinstance(x, core.ndarray):
            if x.ndim == 0:
                raise TypeError("object of type 0-d array has no len()")
            x[...] = core.take(x, self._order(x.shape[0]), axis=0)
            return
        x[:] = [x[i] for i in self._order(len(x)).tolist()]

    def permutation(self, x: Any) -> Any:
        """Return a copy shuffled along its first dimension, or the numbers below an integer."""
        if isinstance(x, int):
            return self._order(x)
        x = core.asarray(x)
        if x.ndim == 0:
            if x.dtype.kind not in "iu":
                raise IndexError("x must be an integer or at least 1-dimensional")
            return self._order(int(x))
        return core.take(x, self._order(x.shape[0]), axis=0)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        """Return elements of ``a``, or numbers below it, by their probabilities ``p``."""
        population = None if isinstance(a, int) else core.asarray(a)
        if population is not None and population.ndim == 0:
            a, population = int(population), None
        if population is not None and population.ndim != 1:
            raise ValueError("a must be 1-dimensional")
        count = int(a) if population is None else population.shape[0]
        shape = _shape(size)
        number = 1
        for one in shape:
            number *= one
        if count <= 0 and number:
            raise ValueError("'a' cannot be empty unless no samples are taken")
        if p is not None:
            p = _probabilities(p, count)
        if replace:
            if p is None:
                index = core.asarray(self.randint(0, count, shape))
            else:
                drawn = core.asarray(self.random_sample(shape))
                index = core.searchsorted(_cumulative(p), drawn, side="right")
        else:
            if number > count:
                raise ValueError("Cannot take a larger sample than population when 'replace=False'")
            index = core.reshape(self._without_replacement(count, number, p), shape)
        if population is not None:
            index = core.take(population, index, axis=0)
        return (index[()] if population is not None else index.item()) if size is None else index

    def _without_replacement(self, count: int, number: int, p: Any) -> Any:
        if p is None:
            return self._order(count)[:number]
        if int(core.count_nonzero(p > 0)) < number:
            raise ValueError("Fewer non-zero entries in p than size")
        found: list[int] = []
        p = p.copy()
        while len(found) < number:
            drawn = self.random_sample(number - len(found))
            if found:
                p[core.asarray(found)] = 0
            new = core.searchsorted(_cumulative(p), drawn, side="right")
            found += dict.fromkeys(new.tolist())
        return core.asarray(found, dtype=core.int64)

    # ---- Of several variables ----

    def multinomial(self, n: int, pvals: Any, size: Any = None) -> Any:
        """Return how ``n`` things fall on kinds of the probabilities ``pvals``."""
        pvals = core.asarray(pvals, dtype=core.float64)
        if bool(core.any(~((pvals >= 0) & (pvals <= 1)))):
            raise ValueError("pvals < 0, pvals > 1 or pvals contains NaNs")
        if float(core.sum(pvals[:-1])) > 1.0 + 1e-12:
            raise ValueError("sum(pvals[:-1]) > 1.0")
        if n < 0:
            raise ValueError("n < 0")
        shape = _shape(size)
        times = core.ravel(core.full(shape, n, dtype=core.int64))
        drawn = self._bits.multinomial(times, pvals)
        return core.reshape(drawn, (*shape, pvals.shape[0]))

    def dirichlet(self, alpha: Any, size: Any = None) -> Any:
        """Return probabilities of kinds, Dirichlet-distributed."""
        alpha = core.asarray(alpha, dtype=core.float64)
        if bool(core.any(alpha <= 0)):
            raise ValueError("alpha <= 0")
        kinds = alpha.shape[0]
        drawn = self.standard_gamma(core.broadcast_to(alpha, (*_shape(size), kinds)))
        # added up one by one, as streams are defined by roundings
        total = drawn[..., 0]
        for i in range(1, kinds):
            total = total + drawn[..., i]
        return drawn * core.expand_dims(1 / total, -1)

    def multivariate_normal(self, mean: Any, cov: Any, size: Any = None) -> Any:
        """Return normal vectors."""
        from polyvm.np import linalg

        mean, cov = core.asarray(mean, dtype=core.float64), core.asarray(cov, dtype=core.float64)
        if mean.ndim != 1:
            raise ValueError("mean must be 1 dimensional")
        if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
            raise ValueError("cov must be 2 dimensional and square")
        if cov.shape[0] != mean.shape[0]:
            raise ValueError("mean and cov must have same length")
        count = mean.shape[0]
        shape = (*_shape(size), count)
        drawn = core.reshape(self.standard_normal(shape), (-1, count))
        _, s, v = linalg.svd(cov)
        return core.reshape(mean + dot(drawn, core.expand_dims(core.sqrt(s), -1) * v), shape)


add_to(RandomState)

# ---- The state that a VM's code shares ------------------------------------------------------

_shared = RandomState()
_METHODS = [
    *("bytes", "choice", "dirichlet", "get_state", "multinomial", "multivariate_normal", "normal"),
    *("permutation", "rand", "randint", "randn", "random", "random_integers", "random_sample"),
    *("seed", "set_state", "shuffle", "standard_exponential", "standard_gamma"),
    *("standard_normal", "uniform"),
    *PLAIN,
]
for _name in _METHODS:
    globals()[_name] = getattr(_shared, _name)
ranf = sample = _shared.random_sample
__all__ = ["RandomState", "ranf", "sample", *_METHODS]  # noqa: PLE0604

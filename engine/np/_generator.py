"""NumPy's Generator: numbers of many distributions, orders and samples."""

from __future__ import annotations

from typing import Any

from polyvm.np import _core as core
from polyvm.np._bits import _KINDS, _WORD, PCG64, BitGenerator
from polyvm.np._distributions import CODES, add_to
from polyvm.np._manipulation import moveaxis
from polyvm.np._products import dot

__all__ = ["Generator", "default_rng"]

_BOUNDS = {
    "bool": (0, 1),
    **{f"int{n}": (-(1 << n - 1), (1 << n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"uint{n}": (0, (1 << n) - 1) for n in (8, 16, 32, 64)},
}


def _range(low: int, high: int, name: str, endpoint: bool) -> tuple[int, int]:
    """Return the least number, and how far above it the largest is."""
    least, most = _BOUNDS[name]
    last = high if endpoint else high - 1
    if low < least:
        raise ValueError(f"low is out of bounds for {name}")
    if last > most:
        raise ValueError(f"high is out of bounds for {name}")
    if low > last:
        raise ValueError("low > high" if endpoint else "low >= high")
    return low, last - low


def _integer_of(value: Any) -> int | None:
    """Return a bound that is one number, cut to an integer; None for arrays."""
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value)
    if getattr(value, "ndim", 1) == 0 and not isinstance(value, (list, tuple)):
        return int(value)
    return None


class Generator:
    """Random numbers of many distributions, from a bit generator."""

    def __init__(self, bit_generator: BitGenerator) -> None:
        self.bit_generator = bit_generator
        self._fill = bit_generator._bits.fill

    def __repr__(self) -> str:
        return f"Generator({_KINDS[self.bit_generator._kind]}) at 0x{id(self):X}"

    def __str__(self) -> str:
        return f"Generator({_KINDS[self.bit_generator._kind]})"

    def spawn(self, n_children: int) -> list[Generator]:
        """Return new generators, independent of this one and of each other."""
        return [Generator(bits) for bits in self.bit_generator.spawn(n_children)]

    # ---- Floats of the unit interval, integers, bytes ----

    def random(self, size: Any = None, dtype: Any = None, out: Any = None) -> Any:
        """Return floats in [0, 1)."""
        return self._fill(CODES["random"], size, dtype, out)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Return floats in [low, high)."""
        width = high - low if isinstance(high, (int, float)) else core.subtract(high, low)
        return self._fill(CODES["uniform"], size, None, None, low, width)

    def integers(
        self,
        low: Any,
        high: Any = None,
        size: Any = None,
        dtype: Any = None,
        endpoint: bool = False,
    ) -> Any:
        """Return integers in [low, high), or [low, high] with ``endpoint``; one bound: from 0."""
        if high is None:
            low, high = 0, low
        kind = core.int64 if dtype is None else core.dtype(dtype)
        if kind.name not in _BOUNDS:
            raise TypeError(f"Unsupported dtype dtype('{kind.name}') for integers")
        if size is not None and 0 in _shape(size):
            return core.empty(size, dtype=kind)
        first, last = _integer_of(low), _integer_of(high)
        if first is not None and last is not None:
            least, span = _range(first, last, kind.name, endpoint)
            if size is None and dtype in (int, bool):
                return self.bit_generator._bits.integers(least, span, None, kind).item()
            return self.bit_generator._bits.integers(least, span, size, kind)
        lows, highs = core.asarray(low), core.asarray(high)
        shape = (lows * 0 + highs * 0).shape
        pairs = [
            _range(int(a), int(b), kind.name, endpoint)
            for a, b in zip(
                core.ravel(core.broadcast_to(lows, shape)).tolist(),
                core.ravel(core.broadcast_to(highs, shape)).tolist(),
                strict=True,
            )
        ]
        ends = [
            core.reshape(core.array([pair[i] & _WORD for pair in pairs], dtype=core.uint64), shape)
            for i in (0, 1)
        ]
        return self.bit_generator._bits.integers(*ends, shape if size is None else size, kind)

    def bytes(self, length: int) -> bytes:
        """Return random bytes."""
        if length < 0:
            raise ValueError("negative dimensions are not allowed")
        count = (length - 1) // 4 + 1 if length else 1  # NumPy draws a word for no bytes, too
        words = self.bit_generator._bits.integers(0, 0xFFFFFFFF, count, core.uint32)
        data: bytes = words.tobytes()
        return data[:length]

    # ---- Normal and exponential ----

    def standard_normal(self, size: Any = None, dtype: Any = None, out: Any = None) -> Any:
        """Return normal numbers of mean 0 and deviation 1."""
        return self._fill(CODES["standard_normal"], size, dtype, out)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Return normal numbers."""
        return self._fill(CODES["normal"], size, None, None, loc, scale)

    def standard_exponential(
        self, size: Any = None, dtype: Any = None, method: str = "zig", out: Any = None
    ) -> Any:
        """Return exponential numbers of scale 1. ``method``: 'zig' or 'inv'."""
        if method not in ("zig", "inv"):
            raise ValueError(f"method must be 'zig' or 'inv', not {method!r}")
        name = "standard_exponential" if method == "zig" else "inverted_exponential"
        return self._fill(CODES[name], size, dtype, out)

    def standard_gamma(
        self, shape: Any, size: Any = None, dtype: Any = None, out: Any = None
    ) -> Any:
        """Return gamma numbers of scale 1."""
        return self._fill(CODES["standard_gamma"], size, dtype, out, shape)

    # ---- Orders and samples ----

    def _order(self, count: int) -> Any:
        order = core.arange(count, dtype=core.int64)
        self.bit_generator._bits.shuffle(order)
        return order

    def shuffle(self, x: Any, axis: int = 0) -> None:
        """Shuffle an array along an axis, or a list, in place."""
        if isinstance(x, core.ndarray):
            if x.ndim == 0:
                raise TypeError("object of type 0-d array has no len()")
            moved = moveaxis(x, axis, 0)
            order = self._order(moved.shape[0])
            moved[...] = core.take(moved, order, axis=0)
            return
        if axis != 0:
            raise NotImplementedError("Axis argument is only supported on ndarray objects")
        items = [x[int(i)] for i in self._order(len(x)).tolist()]
        x[:] = items

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """Return a shuffled copy along an axis, or the numbers below an integer in random order."""
        if isinstance(x, int) or (getattr(x, "ndim", None) == 0 and x.dtype.kind in "iu"):
            return self._order(int(x))
        x = core.asarray(x)
        if x.ndim == 0:
            raise IndexError("a permutation needs an integer or at least one dimension")
        if not -x.ndim <= axis < x.ndim:
            raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {x.ndim}")
        return core.take(x, self._order(x.shape[axis]), axis=axis)

    def permuted(self, x: Any, *, axis: int | None = None, out: Any = None) -> Any:
        """Return a copy, each line along the axis shuffled by itself; all as one if None."""
        x = core.asarray(x)
        if axis is None:
            result = core.reshape(core.take(core.ravel(x), self._order(x.size)), x.shape)
        else:
            last = moveaxis(x, axis, -1)
            count = last.shape[-1]
            lines = 1
            for size in last.shape[:-1]:
                lines *= size
            rows = [self._order(count) for _ in range(lines)]
            order = core.reshape(core.stack(rows), last.shape) if rows else core.empty(last.shape)
            result = last if not rows else core.take_along_axis(last, order, axis=-1)
            result = moveaxis(result, -1, axis)
        if out is None:
            return result
        out[...] = result
        return out

    def choice(
        self,
        a: Any,
        size: Any = None,
        replace: bool = True,
        p: Any = None,
        axis: int = 0,
        shuffle: bool = True,
    ) -> Any:
        """Return elements of ``a``, or numbers below it, by their probabilities ``p``."""
        population = None if isinstance(a, int) else core.asarray(a)
        if population is not None and population.ndim == 0:
            a, population = int(population), None
        count = a if population is None else population.shape[axis]
        shape = _shape(size)
        number = 1
        for one in shape:
            number *= one
        if count <= 0 and number != 0:
            raise ValueError(
                "a must be a positive integer unless no samples are taken"
                if population is None
                else "a cannot be empty unless no samples are taken"
            )
        if p is not None:
            p = _probabilities(p, count)
        if replace:
            if p is None:
                index = self.integers(0, count, size=shape)
            else:
                index = core.searchsorted(_cumulative(p), self.random(shape), side="right")
        else:
            if number > count:
                raise ValueError(
                    "Cannot take a larger sample than population when replace is False"
                )
            index = self._without_replacement(count, number, p, shuffle)
            index = core.reshape(index, shape)
        index = core.asarray(index)
        if population is None:
            return index[()] if size is None else index
        return core.take(population, index[()] if size is None else index, axis=axis)

    def _without_replacement(self, count: int, number: int, p: Any, shuffle: bool) -> Any:
        if p is None:
            return self.bit_generator._bits.sample(count, number, shuffle)
        if int(core.count_nonzero(p > 0)) < number:
            raise ValueError("Fewer non-zero entries in p than size")
        found: list[int] = []
        p = p.copy()
        while len(found) < number:
            draws = self.random(number - len(found))
            if found:
                p[core.asarray(found)] = 0
            new = core.searchsorted(_cumulative(p), draws, side="right")
            found += dict.fromkeys(new.tolist())
        return core.asarray(found, dtype=core.int64)

    # ---- Of several variables ----

    def multinomial(self, n: Any, pvals: Any, size: Any = None) -> Any:
        """Return how ``n`` things fall on kinds of the probabilities ``pvals``."""
        pvals = core.asarray(pvals, dtype=core.float64)
        if pvals.ndim != 1:
            raise ValueError("pvals must be one-dimensional")
        if bool(core.any(~((pvals >= 0) & (pvals <= 1)))):
            raise ValueError("pvals < 0, pvals > 1 or pvals contains NaNs")
        if float(core.sum(pvals[:-1])) > 1.0 + 1e-12:
            raise ValueError("sum(pvals[:-1]) > 1.0")
        n = core.asarray(n, dtype=core.int64)
        if bool(core.any(n < 0)):
            raise ValueError("n < 0")
        shape = n.shape if size is None else (size,) if isinstance(size, int) else tuple(size)
        times = core.ravel(core.broadcast_to(n, shape))
        drawn = self.bit_generator._bits.multinomial(times, pvals)
        return core.reshape(drawn, (*shape, pvals.shape[0]))

    def dirichlet(self, alpha: Any, size: Any = None) -> Any:
        """Return probabilities of kinds, Dirichlet-distributed."""
        alpha = core.asarray(alpha, dtype=core.float64)
        if bool(core.any(alpha < 0)):
            raise ValueError("alpha < 0")
        shape = _shape(size)
        kinds = alpha.shape[0]
        if kinds and float(core.max(alpha)) < 0.1:
            return self._broken_sticks(alpha, shape)
        drawn = self.standard_gamma(core.broadcast_to(alpha, (*shape, kinds)))
        # added up one by one, as streams are defined by roundings
        total = drawn[..., 0]
        for i in range(1, kinds):
            total = total + drawn[..., i]
        return drawn * core.expand_dims(1 / total, -1)

    def _broken_sticks(self, alpha: Any, shape: tuple[int, ...]) -> Any:
        weights = alpha.tolist()
        tails = [0.0] * len(weights)
        running = 0.0
        for i in range(len(weights) - 1, 0, -1):
            running += weights[i]
            tails[i - 1] = running
        result = core.zeros((*shape, len(weights)))
        rows = core.reshape(result, (-1, len(weights)))
        for r in range(rows.shape[0]):
            left = 1.0
            for i in range(len(weights) - 1):
                share = (
                    self._fill(CODES["beta"], None, None, None, weights[i], tails[i])
                    if tails[i] > 0
                    else 1.0
                )
                rows[r, i] = left * share
                left *= 1 - share
                if tails[i] == 0:
                    break
            rows[r, -1] = left
        return result

    def multivariate_normal(
        self,
        mean: Any,
        cov: Any,
        size: Any = None,
        *,
        method: str = "svd",
    ) -> Any:
        """Return normal vectors. ``method``: svd, eigh or cholesky."""
        from polyvm.np import linalg

        mean, cov = core.asarray(mean, dtype=core.float64), core.asarray(cov, dtype=core.float64)
        if mean.ndim != 1:
            raise ValueError("mean must be 1 dimensional")
        if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
            raise ValueError("cov must be 2 dimensional and square")
        if cov.shape[0] != mean.shape[0]:
            raise ValueError("mean and cov must have same length")
        shape = _shape(size)
        drawn = core.reshape(self.standard_normal((*shape, mean.shape[0])), (-1, mean.shape[0]))
        if method == "svd":
            u, s, _ = linalg.svd(cov)
            factor = u * core.sqrt(s)
        elif method == "eigh":
            s, u = linalg.eigh(cov)
            factor = u * core.sqrt(core.maximum(s, 0.0))
        elif method == "cholesky":
            factor = linalg.cholesky(cov)
        else:
            raise ValueError("method must be one of {'eigh', 'svd', 'cholesky'}")
        return core.reshape(mean + dot(drawn, factor.T), (*shape, mean.shape[0]))


add_to(Generator)


def _shape(size: Any) -> tuple[int, ...]:
    return () if size is None else (size,) if isinstance(size, int) else tuple(size)


def _probabilities(p: Any, count: int) -> Any:
    p = core.asarray(p, dtype=core.float64)
    if p.ndim != 1:
        raise ValueError("p must be 1-dimensional")
    if p.shape[0] != count:
        raise ValueError("a and p must have same size")
    if bool(core.any(core.isnan(p))):
        raise ValueError("Probabilities contain NaN")
    if bool(core.any(p < 0)):
        raise ValueError("Probabilities are not non-negative")
    if abs(float(core.sum(p)) - 1.0) > 1.5e-8:
        raise ValueError("Probabilities do not sum to 1. See Notes section of docstring.")
    return p


def _cumulative(p: Any) -> Any:
    total = core.cumsum(p)
    return total / total[-1]


def default_rng(seed: Any = None) -> Generator:
    """Return a Generator over PCG64, or over the bit generator given, or the Generator given."""
    if isinstance(seed, Generator):
        return seed
    return Generator(seed if isinstance(seed, BitGenerator) else PCG64(seed))

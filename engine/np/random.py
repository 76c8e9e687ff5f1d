"""Random numbers, under NumPy's names: the same seed gives the numbers that NumPy 2 gives.

``default_rng(seed)`` makes a Generator. NumPy's old functions of one global state (``rand``,
``seed`` ...) are not here: tasks share nothing, and a Generator says where numbers come from.
"""

from __future__ import annotations

import operator
import os
from typing import Any, ClassVar

from polyvm.np import _core as core
from polyvm.np._manipulation import moveaxis
from polyvm.np._products import dot

__all__ = [
    "PCG64",
    "PCG64DXSM",
    "SFC64",
    "BitGenerator",
    "Generator",
    "Philox",
    "SeedSequence",
    "default_rng",
]

_KINDS = ("PCG64", "PCG64DXSM", "SFC64", "Philox")
_CODE = {name: code for code, name in enumerate(core.tensor._distributions)}
_RANDOM = _CODE["random"]
_NORMAL = _CODE["normal"]
_STANDARD_NORMAL = _CODE["standard_normal"]
_UNIFORM = _CODE["uniform"]
_WORD = 0xFFFFFFFFFFFFFFFF
_POOL_WORDS = 4


def _words(value: Any) -> bytes:
    """Return an integer, or a sequence of them, as words of 4 bytes, low ones first."""
    if isinstance(value, (str, bytes)):
        raise TypeError("seed must be an integer or a sequence of integers")
    if hasattr(value, "__index__") and getattr(value, "ndim", 0) == 0:
        number = operator.index(value)
        if number < 0:
            raise ValueError("expected non-negative integer")
        return number.to_bytes(4 * max(1, (number.bit_length() + 31) // 32), "little")
    if isinstance(value, float):
        raise TypeError("SeedSequence expects int or sequence of ints for entropy")
    return b"".join(_words(one) for one in value)


class SeedSequence:
    """Entropy, mixed so that similar seeds give unlike states."""

    def __init__(
        self,
        entropy: Any = None,
        *,
        spawn_key: Any = (),
        pool_size: int = _POOL_WORDS,
        n_children_spawned: int = 0,
    ) -> None:
        if pool_size != _POOL_WORDS:
            raise ValueError("pool_size must be 4")
        if entropy is None:
            entropy = int.from_bytes(os.urandom(16), "little")
        self.entropy = entropy
        self.spawn_key = tuple(spawn_key)
        self.pool_size = pool_size
        self.n_children_spawned = n_children_spawned
        words = _words(entropy)
        if self.spawn_key:
            words = words.ljust(4 * _POOL_WORDS, b"\0") + _words(self.spawn_key)
        self._pool: bytes = core.tensor._seed_pool(words)

    @property
    def pool(self) -> Any:
        """Return the mixed words."""
        return core.frombuffer(self._pool, dtype=core.uint32)

    @property
    def state(self) -> dict[str, Any]:
        """Return what makes this sequence again."""
        names = ("entropy", "spawn_key", "pool_size", "n_children_spawned")
        return {name: getattr(self, name) for name in names}

    def generate_state(self, n_words: int, dtype: Any = None) -> Any:
        """Return words of state: uint32 or uint64."""
        dtype = core.uint32 if dtype is None else core.dtype(dtype)
        if dtype not in (core.uint32, core.uint64):
            raise ValueError("only support uint32 or uint64")
        count = n_words * (2 if dtype == core.uint64 else 1)
        drawn = core.tensor._seed_draw(self._pool, count)
        return core.array(core.frombuffer(drawn, dtype=dtype))

    def spawn(self, n_children: int) -> list[SeedSequence]:
        """Return new sequences, independent of this one and of each other."""
        first = self.n_children_spawned
        self.n_children_spawned += n_children
        return [
            SeedSequence(self.entropy, spawn_key=(*self.spawn_key, i))
            for i in range(first, first + n_children)
        ]

    def __repr__(self) -> str:
        key = f",\n    spawn_key={self.spawn_key!r}" if self.spawn_key else ""
        return f"SeedSequence(\n    entropy={self.entropy!r}{key},\n)"


class BitGenerator:
    """What the generators of bits share."""

    _kind: ClassVar[int] = -1

    def __init__(self, seed: Any = None) -> None:
        if self._kind < 0:
            raise NotImplementedError("BitGenerator is a base class and cannot be instantized")
        self.seed_seq = seed if isinstance(seed, SeedSequence) else SeedSequence(seed)
        self._bits = core.tensor._Bits(self._kind, self.seed_seq._pool)

    def random_raw(self, size: Any = None, output: bool = True) -> Any:
        """Return the next words of 64 bits."""
        if size is None:
            word = self._bits.raw()
            return word if output else None
        result = core.empty(size, dtype=core.uint64)
        flat = core.reshape(result, (-1,))
        for i in range(flat.shape[0]):
            flat[i] = self._bits.raw()
        return result if output else None

    def spawn(self, n_children: int) -> list[BitGenerator]:
        """Return new generators, independent of this one and of each other."""
        return [type(self)(seed) for seed in self.seed_seq.spawn(n_children)]

    def _copy(self) -> Any:
        other = object.__new__(type(self))
        other.seed_seq = self.seed_seq
        other._bits = core.tensor._Bits(self._kind, self.seed_seq._pool)
        other._bits.set_state(*self._bits.get_state())
        return other

    @property
    def state(self) -> dict[str, Any]:
        """The state, in NumPy's form; may be assigned."""
        words, has_half, half = self._bits.get_state()
        return {
            "bit_generator": _KINDS[self._kind],
            "state": self._named(words),
            "has_uint32": has_half,
            "uinteger": half,
        }

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        if value.get("bit_generator") != _KINDS[self._kind]:
            raise ValueError(f"state must be for a {_KINDS[self._kind]} PRNG")
        words = tuple(self._unnamed(value["state"]))
        words += (0,) * (len(self._bits.get_state()[0]) - len(words))
        self._bits.set_state(words, bool(value["has_uint32"]), value["uinteger"])

    def _named(self, words: tuple[int, ...]) -> dict[str, Any]:
        return {"state": words[1] << 64 | words[0], "inc": words[3] << 64 | words[2]}

    def _unnamed(self, state: dict[str, Any]) -> list[int]:
        pairs = (state["state"], state["inc"])
        return [part for number in pairs for part in (number & _WORD, number >> 64)]


class _Advancing(BitGenerator):
    _jump: ClassVar[int] = 0

    def advance(self, delta: int) -> Any:
        """Move on as if so many numbers had been drawn; backwards if negative."""
        delta &= (1 << 128) - 1
        self._bits.advance(delta & _WORD, delta >> 64)
        return self

    def jumped(self, jumps: int = 1) -> Any:
        """Return a copy, moved on by so many long jumps."""
        return self._copy().advance(self._jump * jumps)


class PCG64(_Advancing):
    """O'Neill's PCG XSL RR 128/64, the default."""

    _kind = 0
    _jump = 0x9E3779B97F4A7C15F39CC0605CEDC835


class PCG64DXSM(_Advancing):
    """PCG with the output function DXSM and a cheap multiplier."""

    _kind = 1
    _jump = 0x9E3779B97F4A7C15F39CC0605CEDC835


class SFC64(BitGenerator):
    """Doty-Humphrey's small fast chaotic generator."""

    _kind = 2

    def _named(self, words: tuple[int, ...]) -> dict[str, Any]:
        return {"state": core.array(list(words[:4]), dtype=core.uint64)}

    def _unnamed(self, state: dict[str, Any]) -> list[int]:
        return [int(word) for word in state["state"]]


class Philox(_Advancing):
    """Salmon's Philox 4x64 of 10 rounds: a counter, enciphered."""

    _kind = 3

    def jumped(self, jumps: int = 1) -> Any:
        """Return a copy whose counter is so many times 2**128 further."""
        other = self._copy()
        words, _, _ = other._bits.get_state()
        counter = (words[3] << 64 | words[2]) + jumps & (1 << 128) - 1
        words = (*words[:2], counter & _WORD, counter >> 64, *words[4:10], 4)
        other._bits.set_state(words, False, 0)
        return other

    @property
    def state(self) -> dict[str, Any]:
        """The state, in NumPy's form; may be assigned."""
        words, has_half, half = self._bits.get_state()
        return {
            "bit_generator": "Philox",
            "state": {
                "counter": core.array(list(words[:4]), dtype=core.uint64),
                "key": core.array(list(words[4:6]), dtype=core.uint64),
            },
            "buffer": core.array(list(words[6:10]), dtype=core.uint64),
            "buffer_pos": words[10],
            "has_uint32": has_half,
            "uinteger": half,
        }

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        if value.get("bit_generator") != "Philox":
            raise ValueError("state must be for a Philox PRNG")
        inner = value["state"]
        parts = (*inner["counter"], *inner["key"], *value["buffer"], value["buffer_pos"])
        words = tuple(int(part) for part in parts)
        self._bits.set_state(words, bool(value["has_uint32"]), value["uinteger"])


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
        return self._fill(_RANDOM, size, dtype, out)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Return floats in [low, high)."""
        width = high - low if isinstance(high, (int, float)) else core.subtract(high, low)
        return self._fill(_UNIFORM, size, None, None, low, width)

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
        return self._fill(_STANDARD_NORMAL, size, dtype, out)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Return normal numbers."""
        return self._fill(_NORMAL, size, None, None, loc, scale)

    def standard_exponential(
        self, size: Any = None, dtype: Any = None, method: str = "zig", out: Any = None
    ) -> Any:
        """Return exponential numbers of scale 1. ``method``: 'zig' or 'inv'."""
        if method not in ("zig", "inv"):
            raise ValueError(f"method must be 'zig' or 'inv', not {method!r}")
        name = "standard_exponential" if method == "zig" else "inverted_exponential"
        return self._fill(_CODE[name], size, dtype, out)

    def standard_gamma(
        self, shape: Any, size: Any = None, dtype: Any = None, out: Any = None
    ) -> Any:
        """Return gamma numbers of scale 1."""
        return self._fill(_CODE["standard_gamma"], size, dtype, out, shape)

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
        shape = () if size is None else (size,) if isinstance(size, int) else tuple(size)
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
            p = self._probabilities(p, count)
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

    @staticmethod
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
        shape = () if size is None else (size,) if isinstance(size, int) else tuple(size)
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
                    self._fill(_CODE["beta"], None, None, None, weights[i], tails[i])
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
        shape = () if size is None else (size,) if isinstance(size, int) else tuple(size)
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


def _cumulative(p: Any) -> Any:
    total = core.cumsum(p)
    return total / total[-1]


# Distributions without more to them: their parameters, with what they are if not given.
_PLAIN: dict[str, tuple[tuple[str, float | None], ...]] = {
    "beta": (("a", None), ("b", None)),
    "binomial": (("n", None), ("p", None)),
    "chisquare": (("df", None),),
    "exponential": (("scale", 1.0),),
    "f": (("dfnum", None), ("dfden", None)),
    "gamma": (("shape", None), ("scale", 1.0)),
    "geometric": (("p", None),),
    "gumbel": (("loc", 0.0), ("scale", 1.0)),
    "hypergeometric": (("ngood", None), ("nbad", None), ("nsample", None)),
    "laplace": (("loc", 0.0), ("scale", 1.0)),
    "logistic": (("loc", 0.0), ("scale", 1.0)),
    "lognormal": (("mean", 0.0), ("sigma", 1.0)),
    "logseries": (("p", None),),
    "negative_binomial": (("n", None), ("p", None)),
    "noncentral_chisquare": (("df", None), ("nonc", None)),
    "noncentral_f": (("dfnum", None), ("dfden", None), ("nonc", None)),
    "pareto": (("a", None),),
    "poisson": (("lam", 1.0),),
    "power": (("a", None),),
    "rayleigh": (("scale", 1.0),),
    "standard_cauchy": (),
    "standard_t": (("df", None),),
    "triangular": (("left", None), ("mode", None), ("right", None)),
    "vonmises": (("mu", None), ("kappa", None)),
    "wald": (("mean", None), ("scale", None)),
    "weibull": (("a", None),),
    "zipf": (("a", None),),
}


def _plain(name: str, parameters: tuple[tuple[str, float | None], ...]) -> Any:
    """Make the method of a distribution: its parameters, then ``size``."""
    code, names = _CODE[name], [one for one, _ in parameters]
    count = len(names)

    def method(self: Generator, *args: Any, **options: Any) -> Any:
        if len(args) > count + 1:
            raise TypeError(f"{name}() takes at most {count + 1} arguments ({len(args)} given)")
        size = args[count] if len(args) > count else options.pop("size", None)
        values = list(args[:count])
        for parameter, default in parameters[len(values) :]:
            value = options.pop(parameter, default) if options else default
            if value is None:
                raise TypeError(f"{name}() missing required argument '{parameter}'")
            values.append(value)
        if options:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(options))}'")
        return self._fill(code, size, None, None, *values)

    method.__name__ = name
    method.__qualname__ = f"Generator.{name}"
    text = ", ".join(one if given is None else f"{one}={given}" for one, given in parameters)
    method.__doc__ = f"{name}({text}{', ' if text else ''}size=None): numbers so distributed."
    return method


for _name, _parameters in _PLAIN.items():
    setattr(Generator, _name, _plain(_name, _parameters))


def default_rng(seed: Any = None) -> Generator:
    """Return a Generator over PCG64, or over the bit generator given, or the Generator given."""
    if isinstance(seed, Generator):
        return seed
    return Generator(seed if isinstance(seed, BitGenerator) else PCG64(seed))


_LEGACY = ("seed", "rand", "randn", "randint", "random_sample", "RandomState", "get_state")


def __getattr__(name: str) -> Any:
    if name in _LEGACY:
        raise AttributeError(
            f"np.random.{name} draws from one global state, which tasks do not have: use "
            "rng = np.random.default_rng(seed)"
        )
    raise AttributeError(f"module 'polyvm.np.random' has no attribute '{name}'")

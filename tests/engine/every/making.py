"""Arguments of calls, from a source of random numbers: hypothesis's, which shrinks, or a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .performing import view_of

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = (*SIGNED, *UNSIGNED)
FLOATS = ("float32", "float64", "float16")
WIDE = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
REAL = (*INTEGERS, *FLOATS)
NUMBERS = (*REAL, *COMPLEX)
EVERY = ("bool", *NUMBERS)
LAYOUTS = ("", "T", "back", "half", "wide", "offset", "swap")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Strided:
    """An array in C order, and the view of it that is the argument."""

    base: Any
    layout: str = ""
    shape: Shape = field(default=(), compare=False)

    @property
    def array(self) -> Any:
        """The argument as NumPy has it."""
        return view_of(np, self.base, self.layout, self.shape)

    @property
    def dtype(self) -> str:
        return str(self.base.dtype.name)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"{self.array!r}<{self.layout}>"


@dataclass(frozen=True)
class Name:
    """Something of the package that is called, by its dotted name: a type, a function."""

    path: str


def as_data(thing: Any) -> Any:
    """An argument as performing.py reads it, which MessagePack can carry."""
    if isinstance(thing, Strided):
        return {"array": thing.base, "layout": thing.layout, "shape": list(thing.shape)}
    if isinstance(thing, Name):
        return {"name": thing.path}
    if isinstance(thing, list):
        return [as_data(one) for one in thing]
    if isinstance(thing, tuple):
        return {"tuple": as_data(list(thing))}
    if isinstance(thing, slice):
        return {"slice": as_data([thing.start, thing.stop, thing.step])}
    if isinstance(thing, complex):
        return {"complex": [thing.real, thing.imag]}
    if isinstance(thing, dict):
        return {"dict": {key: as_data(one) for key, one in thing.items()}}
    if type(thing) is int and not -(2**63) <= thing < 2**64:
        return {"integer": str(thing)}
    return {"ellipsis": True} if thing is ... else thing


class Maker:
    """Draws what calls need. Simple things come first, so that examples shrink towards them."""

    def __init__(self, rand: random.Random) -> None:
        self.rand = rand

    def choose(self, options: Sequence[Any]) -> Any:
        return options[self.rand.randrange(len(options))]

    def chance(self, one_in: int = 2) -> bool:
        return self.rand.randrange(one_in) == one_in - 1

    def number(self, least: int, most: int) -> int:
        return self.rand.randrange(least, most + 1)

    def shape(self, least: int = 0, most: int = 3, side: int = 4, empty: bool = True) -> Shape:
        ndim = self.number(least, most)
        sizes = [self.number(1, side) for _ in range(ndim)]
        if empty and ndim and self.chance(8):
            sizes[self.rand.randrange(ndim)] = 0
        return tuple(sizes)

    def values(self, dtype: str, shape: Shape, special: bool, low: float, high: float) -> Any:
        rng = np.random.default_rng(self.rand.getrandbits(32))
        if dtype == "bool":
            return np.asarray(rng.random(shape) < 0.5)
        kind = np.dtype(dtype)
        if kind.kind == "c":
            parts = [np.asarray(rng.normal(0, 2, shape)).astype(kind) for _ in range(2)]
            return np.asarray(parts[0] + 1j * parts[1]).astype(kind)
        if kind.kind == "f":
            middle, half = (high + low) / 2, (high - low) / 2
            found = np.asarray(middle + half * (2 * rng.random(shape) - 1)).astype(kind)
            if rng.random() < 0.2:
                found = np.round(found)  # so that there are equal ones
            limits = np.finfo(kind)
            odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, limits.max, limits.min, limits.tiny]
            odd += [limits.smallest_subnormal, limits.eps, -1.0]
        else:
            limits = np.iinfo(kind)
            most = int(min(high, limits.max))
            least = max(int(low), limits.min)
            found = np.asarray(rng.integers(least, max(most, least), shape, endpoint=True))
            found = found.astype(kind)
            odd = [limits.max, limits.min, 0, 1, limits.max - 1]
        if special and found.size and rng.random() < 0.5:
            chosen = rng.random(shape) < 0.3
            found = np.where(chosen, rng.choice(np.array(odd, kind), shape), found).astype(kind)
        return np.asarray(found)

    def array(
        self,
        dtypes: Sequence[str] = EVERY,
        shape: Shape | None = None,
        *,
        special: bool = True,
        low: float = -20,
        high: float = 20,
        layout: str | None = None,
    ) -> Strided:
        """Elements between low and high, with special ones strewn in, in any layout."""
        dtype = self.choose(dtypes)
        shape = self.shape() if shape is None else shape
        if layout is None:
            layout = self.choose(LAYOUTS) if shape and self.chance() else ""
        made = shape
        if layout in ("T", "swap"):
            made = shape[::-1] if layout == "T" else (shape[-1], *shape[1:-1], shape[0])
            made = shape if layout == "swap" and len(shape) < 2 else made
        elif layout == "half":
            made = (*shape[:-1], 2 * shape[-1])
        elif layout == "wide":
            made = (*shape[:-1], 1)
        elif layout == "offset":
            made = (shape[0] + 1, *shape[1:])
        return Strided(self.values(dtype, made, special, low, high), layout, shape)

    def axis(self, x: Strided, none: bool = True) -> int | None:
        """An axis; None; now and then one that is not there."""
        ndim = x.ndim
        if none and (not ndim or self.chance(3)):
            return None
        if not ndim or self.chance(12):
            return ndim + self.number(0, 2)
        return self.number(-ndim, ndim - 1)

    def axes(self, x: Strided) -> Any:
        if x.ndim >= 2 and self.chance(3):
            first = self.number(0, x.ndim - 1)
            return (first, (first + 1) % x.ndim)
        return self.axis(x)

    def partner(self, shape: Shape) -> Shape:
        """A shape that broadcasts against this one; now and then one that does not."""
        if self.chance(15):
            return (*shape, 7)
        kept = shape[self.number(0, len(shape)) :] if self.chance() else shape
        return tuple(1 if self.chance(4) else n for n in kept)

    def options(self, **each: Any) -> dict[str, Any]:
        """Some of these keywords."""
        return {name: value for name, value in each.items() if self.chance()}

"""Where random numbers come from: entropy, and the generators of bits."""

from __future__ import annotations

import operator
import os
from typing import Any, ClassVar

from polyvm.np import _core as core

__all__ = ["MT19937", "PCG64", "PCG64DXSM", "SFC64", "BitGenerator", "Philox", "SeedSequence"]

_KINDS = ("PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937")
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


class MT19937(BitGenerator):
    """Matsumoto and Nishimura's twister of 624 words, which RandomState draws from."""

    _kind = 4

    def random_raw(self, size: Any = None, output: bool = True) -> Any:
        """Return the next words of 32 bits."""
        drawn = self._bits.integers(0, 0xFFFFFFFF, 1 if size is None else size, core.uint32)
        if not output:
            return None
        return drawn.astype(core.uint64) if size is not None else int(drawn[0])

    @property
    def state(self) -> dict[str, Any]:
        """The state, in NumPy's form; may be assigned."""
        words = self._bits.get_state()[0]
        pairs = core.array(words[:-1], dtype=core.uint64)
        return {
            "bit_generator": "MT19937",
            "state": {"key": pairs.view(core.uint32), "pos": words[-1]},
        }

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        if value.get("bit_generator") != "MT19937":
            raise ValueError("state must be for a MT19937 PRNG")
        key = core.array(value["state"]["key"], dtype=core.uint32)
        if key.shape != (624,):
            raise ValueError("state must have 624 words")
        words = key.view(core.uint64).tolist()
        self._bits.set_state((*words, int(value["state"]["pos"])), False, 0)

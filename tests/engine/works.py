"""Works of the backends (backend.h), run way by way on NumPy arrays and compared with float64.

    work = Convolution(in_channels=3, out=8, size=(9, 7), kernel=(3, 3), activation="RELU")
    for way in ways(work):
        check(way, work, rand)

A `Work` makes its own inputs; `check` runs one way of it and compares with the sums in float64.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from polyvm.engine import blas, onednn
from tests.engine.direct import ENGINE, EngineError, declarations, describe, ffi, lib

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK = 16
HEADER = (ENGINE / "backends" / "backend.h").read_text()
for constant in re.findall(r"#define (PVB_\w+ \d+)", HEADER):
    ffi.cdef(f"#define {constant}")
ffi.cdef(declarations(HEADER))
ffi.cdef("int pvg_onednn_use(const char *path);")

# The libraries of backends, as `polyvm.np` and the host load them.
if (found := blas.find()) is not None:
    lib.pvt_blas_open(str(found).encode())
if (found := onednn.find()) is not None:
    lib.pvg_onednn_use(str(found).encode())

ACTIVATIONS = ("NONE", "RELU", "CLIP", "LEAKY_RELU", "SIGMOID", "TANH", "GELU", "GELU_TANH")
ACTIVATIONS += ("SILU", "HARD_SIGMOID", "HARD_SWISH")
_erf = np.vectorize(math.erf, otypes=[np.float64])


def activate(name: str, x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Apply an activation of backend.h to float64."""
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    tanh_gelu = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    results = {
        "NONE": lambda: x,
        "RELU": lambda: np.maximum(x, 0),
        "CLIP": lambda: np.clip(x, alpha, beta),
        "LEAKY_RELU": lambda: np.where(x < 0, alpha * x, x),
        "SIGMOID": lambda: sigmoid(x),
        "TANH": lambda: np.tanh(x),
        "GELU": lambda: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
        "GELU_TANH": lambda: tanh_gelu,
        "SILU": lambda: x * sigmoid(x),
        "HARD_SIGMOID": lambda: np.clip(alpha * x + beta, 0, 1),
        "HARD_SWISH": lambda: x * np.clip(x / 6 + 0.5, 0, 1),
    }
    return results[name]()


def to_blocked(x: np.ndarray) -> np.ndarray:
    """Lay [n, c, ...] as [n, blocks, ..., 16], zeros behind the last channel."""
    n, c, *sizes = x.shape
    blocks = -(-c // BLOCK)
    padded = np.zeros((n, blocks * BLOCK, *sizes), x.dtype)
    padded[:, :c] = x
    return np.ascontiguousarray(np.moveaxis(padded.reshape(n, blocks, BLOCK, *sizes), 2, -1))


def from_blocked(x: np.ndarray, channels: int) -> tuple[np.ndarray, bool]:
    """Return the channels, and whether those behind the last are zero."""
    plain = np.moveaxis(x, -1, 2).reshape(x.shape[0], -1, *x.shape[2:-1])
    return plain[:, :channels], not plain[:, channels:].any()


@dataclass
class Inputs:
    """What a work is given, as float32 arrays."""

    x: np.ndarray
    weights: np.ndarray
    bias: np.ndarray | None
    residual: np.ndarray | None


@dataclass(kw_only=True)
class Work:
    """What all works have. alpha and beta are the activation's."""

    precision: str = "EXACT"
    bias: bool = True
    residual: bool = False
    activation: str = "NONE"
    alpha: float = 0.2
    beta: float = 0.5
    threads: int = 1
    kind: ClassVar[str] = ""

    def _fill(self, work: Any, inputs: Inputs | None, keep: list[Any]) -> Any:
        work.kind = getattr(lib, f"PVB_{self.kind}")
        work.precision = getattr(lib, f"PVB_{self.precision}")
        work.epilogue.residual = self.residual
        work.epilogue.activation = getattr(lib, f"PVB_{self.activation}")
        work.epilogue.alpha, work.epilogue.beta = self.alpha, self.beta
        work.threads = self.threads
        if inputs is not None and inputs.bias is not None:
            keep.append(describe(inputs.bias))
            work.bias = keep[-1]
        return work

    def _finish(self, y: np.ndarray, inputs: Inputs) -> np.ndarray:
        if inputs.residual is not None:
            y = y + inputs.residual
        return activate(self.activation, y, self.alpha, self.beta)


def _random(rand: Any, shape: Sequence[int], scale: float = 1) -> np.ndarray:
    generator = np.random.default_rng(rand.getrandbits(32))
    return (scale * generator.standard_normal(shape)).astype(np.float32)


@dataclass(kw_only=True)
class Convolution(Work):
    """A convolution by sizes; `transposed` ones have their own class."""

    n: int = 1
    in_channels: int
    out: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    groups: int = 1
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    kind: ClassVar[str] = "CONV"
    out_size: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        rank = len(self.size)
        self.stride = self.stride or (1,) * rank
        self.dilation = self.dilation or (1,) * rank
        self.before = self.before or (0,) * rank
        self.after = self.after or self.before
        self.out_size = tuple(map(self._out_size, range(rank)))

    def _out_size(self, d: int) -> int:
        reach = (self.kernel[d] - 1) * self.dilation[d] + 1
        return (self.size[d] + self.before[d] + self.after[d] - reach) // self.stride[d] + 1

    def shape(self) -> tuple[int, ...]:
        return (self.n, self.out, *self.out_size)

    def weights_shape(self) -> tuple[int, ...]:
        return (self.out, self.in_channels // self.groups, *self.kernel)

    def inputs(self, rand: Any) -> Inputs:
        taps = math.prod(self.kernel) * self.in_channels / self.groups
        return Inputs(
            _random(rand, (self.n, self.in_channels, *self.size)),
            _random(rand, self.weights_shape(), taps**-0.5),
            _random(rand, (self.out,)) if self.bias else None,
            _random(rand, self.shape()) if self.residual else None,
        )

    def describe(self, inputs: Inputs | None, keep: list[Any]) -> Any:
        """Make a pvb_work; `keep` holds what it points to."""
        work = self._fill(ffi.new("pvb_work *"), inputs, keep)
        conv = work.conv
        conv.spatial, conv.groups = len(self.size), self.groups
        conv.n, conv.out = self.n, self.out
        setattr(conv, "in", self.in_channels)
        for d in range(len(self.size)):
            conv.size[d], conv.out_size[d] = self.size[d], self.out_size[d]
            conv.kernel[d], conv.stride[d] = self.kernel[d], self.stride[d]
            conv.dilation[d] = self.dilation[d]
            conv.before[d], conv.after[d] = self.before[d], self.after[d]
        if inputs is not None:
            keep.append(describe(inputs.weights))
            work.weights = keep[-1]
        return work

    def _places(self, d: int, tap: int, many: int, other: int) -> tuple[slice, slice] | None:
        """Which of `many` strided places fall within `other` ones for a tap."""
        offset = tap * self.dilation[d] - self.before[d]
        stride = self.stride[d]
        first = max(0, -(offset // stride))
        last = min(many - 1, (other - 1 - offset) // stride)
        if last < first:
            return None
        start = first * stride + offset
        return slice(first, last + 1), slice(start, last * stride + offset + 1, stride)

    def expected(self, inputs: Inputs) -> np.ndarray:
        """Return the result in float64."""
        x, w = inputs.x.astype(np.float64), inputs.weights.astype(np.float64)
        y = np.zeros((self.n, self.out, *self.out_size))
        per_in, per_out = self.in_channels // self.groups, self.out // self.groups
        for taps in itertools.product(*map(range, self.kernel)):
            places = [
                self._places(d, tap, self.out_size[d], self.size[d]) for d, tap in enumerate(taps)
            ]
            if any(place is None for place in places):
                continue
            to = tuple(place[0] for place in places if place)
            of = tuple(place[1] for place in places if place)
            for g in range(self.groups):
                source = x[(slice(None), slice(g * per_in, (g + 1) * per_in), *of)]
                tap_weights = w[(slice(g * per_out, (g + 1) * per_out), slice(None), *taps)]
                at = (slice(None), slice(g * per_out, (g + 1) * per_out), *to)
                y[at] += np.moveaxis(np.tensordot(tap_weights, source, (1, 1)), 0, 1)
        if inputs.bias is not None:
            y += inputs.bias.reshape(-1, *(1,) * len(self.size))
        return self._finish(y, inputs)


@dataclass(kw_only=True)
class TransposedConvolution(Convolution):
    """A ConvTranspose; `after` may be less than `before`."""

    kind: ClassVar[str] = "CONV_TRANSPOSED"

    def _out_size(self, d: int) -> int:
        reach = (self.kernel[d] - 1) * self.dilation[d] + 1
        return (self.size[d] - 1) * self.stride[d] + reach - self.before[d] - self.after[d]

    def weights_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out // self.groups, *self.kernel)

    def expected(self, inputs: Inputs) -> np.ndarray:
        x, w = inputs.x.astype(np.float64), inputs.weights.astype(np.float64)
        y = np.zeros((self.n, self.out, *self.out_size))
        per_in, per_out = self.in_channels // self.groups, self.out // self.groups
        for taps in itertools.product(*map(range, self.kernel)):
            places = [
                self._places(d, tap, self.size[d], self.out_size[d]) for d, tap in enumerate(taps)
            ]
            if any(place is None for place in places):
                continue
            of = tuple(place[0] for place in places if place)
            to = tuple(place[1] for place in places if place)
            for g in range(self.groups):
                source = x[(slice(None), slice(g * per_in, (g + 1) * per_in), *of)]
                tap_weights = w[(slice(g * per_in, (g + 1) * per_in), slice(None), *taps)]
                at = (slice(None), slice(g * per_out, (g + 1) * per_out), *to)
                y[at] += np.moveaxis(np.tensordot(tap_weights, source, (0, 1)), 0, 1)
        if inputs.bias is not None:
            y += inputs.bias.reshape(-1, *(1,) * len(self.size))
        return self._finish(y, inputs)


@dataclass(kw_only=True)
class Product(Work):
    """a [batch..., m, k] times b, constant [k, n] or given [b_batch..., k, n]."""

    batch: tuple[int, ...] = ()
    b_batch: tuple[int, ...] = ()
    m: int
    n: int
    k: int
    scale: float = 1
    constant: bool = True
    a_transposed: bool = False
    b_transposed: bool = False
    kind: ClassVar[str] = "PRODUCT"

    def _matrix(self, rand: Any, shape: tuple[int, ...], *, flip: bool, scale: float) -> np.ndarray:
        *stack, rows, columns = shape
        if flip:
            return np.swapaxes(_random(rand, (*stack, columns, rows), scale), -1, -2)
        return _random(rand, shape, scale)

    def _stack(self) -> tuple[int, ...]:
        return self.batch if self.constant else np.broadcast_shapes(self.batch, self.b_batch)

    def shape(self) -> tuple[int, ...]:
        return (*self._stack(), self.m, self.n)

    def inputs(self, rand: Any) -> Inputs:
        b_stack = () if self.constant else self.b_batch
        return Inputs(
            self._matrix(rand, (*self.batch, self.m, self.k), flip=self.a_transposed, scale=1),
            self._matrix(
                rand, (*b_stack, self.k, self.n), flip=self.b_transposed, scale=self.k**-0.5
            ),
            _random(rand, (self.n,)) if self.bias else None,
            _random(rand, self.shape()) if self.residual else None,
        )

    def describe(self, inputs: Inputs | None, keep: list[Any]) -> Any:
        work = self._fill(ffi.new("pvb_work *"), inputs, keep)
        product = work.product
        product.batch = math.prod(self._stack())
        product.m, product.n, product.k = self.m, self.n, self.k
        product.scale, product.constant = self.scale, self.constant
        product.a_transposed, product.b_transposed = self.a_transposed, self.b_transposed
        if self.constant and inputs is not None:
            keep.append(describe(inputs.weights))
            work.weights = keep[-1]
        return work

    def expected(self, inputs: Inputs) -> np.ndarray:
        y = self.scale * (inputs.x.astype(np.float64) @ inputs.weights.astype(np.float64))
        if inputs.bias is not None:
            y = y + inputs.bias
        return self._finish(y, inputs)


@dataclass
class Way:
    """One of pvb_way, with its names."""

    item: Any
    backend: str
    algorithm: str

    def __str__(self) -> str:
        layouts = f"{int(self.item.reads)}>{int(self.item.writes)}"
        return f"{self.backend} {self.algorithm} {layouts}"


def backends() -> list[str]:
    """Return the names of those that can be used here."""
    found: list[str] = []
    for i in itertools.count():
        backend = lib.pvb_backend_at(i)
        if backend == ffi.NULL:
            return found
        if backend.available():
            found.append(ffi.string(backend.name).decode())
    return found


def ways(work: Work, only: str | None = None) -> list[Way]:
    """Return the ways in which the backends do a work."""
    found: list[Way] = []
    described = work.describe(None, [])
    for name in backends():
        if only is not None and name != only:
            continue
        array = ffi.new("pvb_way[16]")
        backend = lib.pvb_backend_named(name.encode())
        for i in range(backend.ways(described, array)):
            item = ffi.new("pvb_way *", array[i])
            assert item.seconds > 0
            found.append(Way(item, name, ffi.string(item.algorithm).decode()))
    assert len({str(way) for way in found}) == len(found), "ways of one name"
    return found


class Kernel:
    """A prepared way. `run` may be called from many threads."""

    def __init__(self, way: Way, work: Work, inputs: Inputs) -> None:
        self.way, self.work, self._keep = way, work, [inputs]
        described = work.describe(inputs, self._keep)
        made = ffi.new("pvb_kernel **")
        status = way.item.backend.prepare(described, way.item, made)
        if status < 0:
            raise EngineError(status, ffi.string(lib.pvt_error()).decode())
        self.item = ffi.gc(made[0], lib.pvb_release)

    def run(self, inputs: Inputs, *, team: Any = None, over_residual: bool = False) -> np.ndarray:
        """Return y, plain; checks that channels behind the last are zero."""
        blocked_in = self.way.item.reads == lib.PVB_BLOCKED
        blocked_out = self.way.item.writes == lib.PVB_BLOCKED
        x = to_blocked(inputs.x) if blocked_in else inputs.x
        shape = self.work.shape()
        y = np.full(shape, np.nan, np.float32)
        residual = inputs.residual
        if blocked_out:
            y = np.full(to_blocked(y).shape, np.nan, np.float32)
            residual = None if residual is None else to_blocked(residual)
        if over_residual and residual is not None:
            y[...] = residual
            residual = y
        run = ffi.new("pvb_run *")
        keep = [describe(x), describe(y)]
        run.x, run.y = keep
        if not (isinstance(self.work, Convolution) or self.work.constant):
            keep.append(describe(inputs.weights))
            run.b = keep[-1]
        if residual is not None:
            keep.append(describe(residual))
            run.residual = keep[-1]
        scratch = np.zeros(self.item.scratch + 64, np.uint8)
        address = scratch.__array_interface__["data"][0]
        run.scratch = ffi.cast("void *", (address + 63) // 64 * 64)
        run.team = ffi.NULL if team is None else team
        status = self.item.run(self.item, run)
        if status < 0:
            raise EngineError(status, ffi.string(lib.pvt_error()).decode())
        if blocked_out:
            y, clean = from_blocked(y, shape[1])
            assert clean, f"{self.way}: channels behind the last are not zero"
        return y


def check(way: Way, work: Work, rand: Any, tolerance: float = 2e-5) -> bool:
    """Compare one way with float64; False where the way says that it cannot after all."""
    inputs = work.inputs(rand)
    try:
        kernel = Kernel(way, work, inputs)
    except EngineError as error:
        if error.status == lib.PVT_E_UNSUPPORTED:
            return False
        raise
    expected = work.expected(inputs)
    runs = [kernel.run(inputs)]
    if work.residual:
        runs.append(kernel.run(inputs, over_residual=True))
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    for y in runs:
        worst = float(np.abs(y - expected).max(initial=0))
        assert worst <= tolerance * scale, f"{way} of {work}: off by {worst}"
    return True

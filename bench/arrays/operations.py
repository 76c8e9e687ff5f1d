"""Operations on arrays that programs do: one line for each, the same for NumPy and `polyvm.np`."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

from bench.arrays.inputs import Inputs

CUBIC = 1 << 16
"""Elements at most where the work grows with their number to the power of 1.5, or more."""


@dataclass(frozen=True)
class Operation:
    """`prepare` takes the namespace `xp` and inputs by their names, and gives the call to be timed.

    The call returns what it computed.
    """

    family: str
    prepare: Callable[..., Callable[[], Any]]
    largest: int | None = None
    random: bool = False
    """Values need not agree, only their number."""

    def call(self, xp: Any, size: int) -> Callable[[], Any]:
        """Make the inputs, of about `size` elements, and the call."""
        inputs = Inputs(xp, size)
        return self.prepare(*(getattr(inputs, name) for name in signature(self.prepare).parameters))


def _filled(xp: Any, x: Any, mask: Any) -> Callable[[], Any]:
    target = xp.asarray(x, copy=True)

    def call() -> Any:
        target[mask] = 0.0
        return target

    return call


def _set_every_second(xp: Any, x: Any, size: int) -> Callable[[], Any]:
    target = xp.zeros(size, dtype=xp.float32)
    half = x[: target[::2].shape[0]]

    def call() -> Any:
        target[::2] = half
        return target

    return call


def _softmax(xp: Any, rows: Any) -> Callable[[], Any]:
    def call() -> Any:
        e = xp.exp(rows - xp.max(rows, axis=1, keepdims=True))
        return e / xp.sum(e, axis=1, keepdims=True)

    return call


def _layer_norm(xp: Any, rows: Any) -> Callable[[], Any]:
    def call() -> Any:
        mean = xp.mean(rows, axis=1, keepdims=True)
        variance = xp.var(rows, axis=1, keepdims=True)
        return (rows - mean) / xp.sqrt(variance + 1e-5)

    return call


def _standardised(xp: Any, rows: Any) -> Callable[[], Any]:
    return lambda: (rows - xp.mean(rows, axis=0)) / (xp.std(rows, axis=0) + 1e-6)


def _normal(xp: Any, size: int) -> Callable[[], Any]:
    generator = xp.random.default_rng(1)
    return lambda: generator.standard_normal(size)


def _one(family: str, prepare: Any, **settings: Any) -> Operation:
    return Operation(family, prepare, **settings)


OPERATIONS: dict[str, Operation] = {
    # making
    "zeros": _one("creation", lambda xp, size: lambda: xp.zeros(size, dtype=xp.float32)),
    "full": _one("creation", lambda xp, size: lambda: xp.full(size, 1.5, dtype=xp.float32)),
    "arange": _one("creation", lambda xp, size: lambda: xp.arange(size)),
    "linspace": _one("creation", lambda xp, size: lambda: xp.linspace(0.0, 1.0, size)),
    "copy": _one("creation", lambda x: x.copy),
    "astype": _one("creation", lambda xp, x: lambda: x.astype(xp.float64)),
    # element by element
    "add": _one("elementwise", lambda x, y: lambda: x + y),
    "multiply by a scalar": _one("elementwise", lambda x: lambda: x * 2.5),
    "add a row to each": _one("elementwise", lambda rows, narrow: lambda: rows + narrow[0]),
    "power": _one("elementwise", lambda positive: lambda: positive**1.7),
    "exp": _one("elementwise", lambda xp, x: lambda: xp.exp(x)),
    "log": _one("elementwise", lambda xp, positive: lambda: xp.log(positive)),
    "sin": _one("elementwise", lambda xp, x: lambda: xp.sin(x)),
    "tanh": _one("elementwise", lambda xp, x: lambda: xp.tanh(x)),
    "exp, float64": _one("elementwise", lambda xp, doubles: lambda: xp.exp(doubles)),
    "sqrt": _one("elementwise", lambda xp, positive: lambda: xp.sqrt(positive)),
    "less": _one("elementwise", lambda x, y: lambda: x < y),
    "logical_and": _one(
        "elementwise", lambda xp, mask, other_mask: lambda: xp.logical_and(mask, other_mask)
    ),
    "clip": _one("elementwise", lambda xp, x: lambda: xp.clip(x, -1.0, 1.0)),
    "where": _one("selection", lambda xp, mask, x, y: lambda: xp.where(mask, x, y)),
    # reductions and running totals
    "sum": _one("reduction", lambda xp, x: lambda: xp.sum(x)),
    "sum of columns": _one("reduction", lambda xp, square: lambda: xp.sum(square, axis=0)),
    "sum of rows": _one("reduction", lambda xp, square: lambda: xp.sum(square, axis=1)),
    "mean": _one("reduction", lambda xp, x: lambda: xp.mean(x)),
    "max": _one("reduction", lambda xp, x: lambda: xp.max(x)),
    "max of rows": _one("reduction", lambda xp, rows: lambda: xp.max(rows, axis=1)),
    "argmax": _one("reduction", lambda xp, x: lambda: xp.argmax(x)),
    "any": _one("reduction", lambda xp, none_true: lambda: xp.any(none_true)),
    "var": _one("reduction", lambda xp, x: lambda: xp.var(x)),
    "nanmean": _one("reduction", lambda xp, with_nan: lambda: xp.nanmean(with_nan)),
    "cumsum": _one("reduction", lambda xp, x: lambda: xp.cumsum(x)),
    "cumsum of rows": _one("reduction", lambda xp, square: lambda: xp.cumsum(square, axis=1)),
    # order, search, sets
    "sort": _one("order", lambda xp, x: lambda: xp.sort(x)),
    "argsort": _one("order", lambda xp, x: lambda: xp.argsort(x, stable=True)),
    "searchsorted": _one(
        "order", lambda xp, ascending, doubles: lambda: xp.searchsorted(ascending, doubles)
    ),
    "unique": _one("order", lambda xp, integers: lambda: xp.unique(integers)),
    "isin": _one("order", lambda xp, integers, few: lambda: xp.isin(integers, few)),
    "histogram": _one("order", lambda xp, doubles: lambda: xp.histogram(doubles, bins=50)[0]),
    "bincount": _one("order", lambda xp, integers: lambda: xp.bincount(integers, minlength=1000)),
    "percentile": _one("order", lambda xp, doubles: lambda: xp.percentile(doubles, 90)),
    # picking and placing
    "slice": _one("selection", lambda x: lambda: x[1:-1]),
    "take": _one("selection", lambda xp, x, places: lambda: xp.take(x, places)),
    "index by an array": _one("selection", lambda x, places: lambda: x[places]),
    "index by a mask": _one("selection", lambda x, mask: lambda: x[mask]),
    "assign by a mask": _one("selection", _filled),
    "assign to every second": _one("selection", _set_every_second),
    # moving
    "concat": _one("movement", lambda xp, x, y: lambda: xp.concat([x, y])),
    "stack": _one("movement", lambda xp, x, y: lambda: xp.stack([x, y], axis=1)),
    "copy transposed": _one("movement", lambda square: square.T.copy),
    "reshape": _one("movement", lambda xp, rows: lambda: xp.reshape(rows, (-1,))),
    "pad": _one("movement", lambda xp, square: lambda: xp.pad(square, 1)),
    "roll": _one("movement", lambda xp, x: lambda: xp.roll(x, 3)),
    "tile": _one("movement", lambda xp, x: lambda: xp.tile(x, 2)),
    "repeat": _one("movement", lambda xp, x: lambda: xp.repeat(x, 2)),
    # products and linear algebra
    "matmul, square": _one("products", lambda square: lambda: square @ square, largest=1 << 20),
    "matmul, tall": _one("products", lambda rows, narrow: lambda: rows @ narrow),
    "matmul, many 8 x 8": _one("products", lambda stacked: lambda: stacked @ stacked),
    "matrix by vector": _one("products", lambda square, vector: lambda: square @ vector),
    "dot": _one("products", lambda xp, x, y: lambda: xp.dot(x, y)),
    "einsum": _one("products", lambda xp, rows: lambda: xp.einsum("ij,ij->i", rows, rows)),
    "solve": _one(
        "products",
        lambda xp, system, right: lambda: xp.linalg.solve(system, right),
        largest=1 << 18,
    ),
    "svdvals": _one(
        "products",
        lambda xp, square: lambda: xp.linalg.svd(square, compute_uv=False),
        largest=CUBIC,
    ),
    "fft": _one("products", lambda xp, doubles: lambda: xp.fft.fft(doubles)),
    # more than one
    "random normal": _one("expressions", _normal, random=True),
    "softmax": _one("expressions", _softmax),
    "layer norm": _one("expressions", _layer_norm),
    "standardise": _one("expressions", _standardised),
}

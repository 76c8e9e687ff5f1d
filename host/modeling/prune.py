"""Weights that hardly count become 0."""

from __future__ import annotations

from typing import Any

from polyvm import np
from polyvm.host.modeling import convert, files


def prune(proto: Any, fraction: float, *, channels: bool) -> tuple[int, int]:
    """Set the smallest weights of each convolution and product to 0: by magnitude, one by one.

    Or, with channels, whole output channels by their norm. The fraction is of each weight array's
    elements or channels. Changes the ModelProto; returns how many elements are 0, and of how many.
    Zeros make a file small when it is compressed; they do not make it faster.
    """
    zeros, total = 0, 0
    for tensor, axis in files.weights(proto.graph).values():
        weights = convert.array_of(tensor)
        pruned = _channels(weights, axis, fraction) if channels else _single(weights, fraction)
        zeros += int(np.sum(pruned == 0))
        total += int(pruned.size)
        tensor.CopyFrom(convert.make_tensor(tensor.name, pruned))
    return zeros, total


def _single(weights: Any, fraction: float) -> Any:
    sizes = np.abs(weights).reshape(-1)
    count = int(fraction * sizes.size)
    if count == 0:
        return weights
    order = np.argsort(sizes, stable=True)[:count]
    keep = np.ones(sizes.shape, dtype="bool")
    keep[order] = False
    return np.where(keep.reshape(weights.shape), weights, np.float32(0))


def _channels(weights: Any, axis: int, fraction: float) -> Any:
    others = tuple(d for d in range(weights.ndim) if d != axis)
    norms = np.sum(weights.astype("float64") ** 2, axis=others)
    count = int(fraction * norms.size)
    if count == 0:
        return weights
    keep = np.ones(norms.shape, dtype="bool")
    keep[np.argsort(norms, stable=True)[:count]] = False
    wide = keep.reshape(*[-1 if d == axis else 1 for d in range(weights.ndim)])
    return np.where(wide, weights, np.float32(0))

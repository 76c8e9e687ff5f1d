"""ShuffleNetV2 x1.0 (Ma and others, 2018): channels are shuffled by reshape and transpose."""

from typing import Any

from bench.models import layers
from bench.models.graph import Graph

STAGES = ((4, 116), (8, 232), (4, 464))
"""Units, and channels out, of each stage."""
LAST = 1024


def build(seed: int) -> Any:
    """The ONNX model."""
    g = Graph("shufflenet_v2_x1_0", 17, seed)
    x = g.add("Relu", layers.convolution(g, layers.image(g), (3, 24), 3, stride=2))
    x = layers.max_pool(g, x, 3, 2, 1)
    into, size = 24, 56
    for count, out in STAGES:
        size //= 2
        x = _down(g, x, into, out, size)
        for _ in range(count - 1):
            x = _unit(g, x, out, size)
        into = out
    x = g.add("Relu", layers.convolution(g, x, (into, LAST), 1))
    layers.classes(g, x, LAST)
    return g.model()


def _branch(g: Graph, x: str, into: int, out: int, stride: int) -> str:
    x = g.add("Relu", layers.convolution(g, x, (into, out), 1))
    x = layers.convolution(g, x, (out, out), 3, stride=stride, groups=out, gain=1.0)
    return g.add("Relu", layers.convolution(g, x, (out, out), 1))


def _down(g: Graph, x: str, into: int, out: int, size: int) -> str:
    half = out // 2
    left = layers.convolution(g, x, (into, into), 3, stride=2, groups=into, gain=1.0)
    left = g.add("Relu", layers.convolution(g, left, (into, half), 1))
    return _shuffled(g, [left, _branch(g, x, into, half, 2)], out, size)


def _unit(g: Graph, x: str, channels: int, size: int) -> str:
    half = channels // 2
    halves = layers.shape_constant(g, half, half)
    left, right = g.add_many("Split", 2, x, halves, axis=1)
    return _shuffled(g, [left, _branch(g, right, half, half, 1)], channels, size)


def _shuffled(g: Graph, parts: list[str], channels: int, size: int) -> str:
    x = g.add("Concat", *parts, axis=1)
    x = g.add("Reshape", x, layers.shape_constant(g, -1, 2, channels // 2, size, size))
    x = g.add("Transpose", x, perm=[0, 2, 1, 3, 4])
    return g.add("Reshape", x, layers.shape_constant(g, -1, channels, size, size))

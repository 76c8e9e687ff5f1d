"""ResNet-18 and ResNet-50 (He and others, 2015), batch norms folded as PyTorch's exporter does."""

from typing import Any

from bench.models import layers
from bench.models.graph import Graph

STAGES = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
QUIET = 0.2
"""Gain of a block's last convolution: sums of many blocks stay in range."""


def build(depth: int, seed: int) -> Any:
    """The ONNX model. depth: 18 or 50."""
    g = Graph(f"resnet{depth}", 17, seed)
    x = layers.convolution(g, layers.image(g), (3, 64), 7, stride=2)
    x = layers.max_pool(g, g.add("Relu", x), 3, 2, 1)
    block = _basic if depth == 18 else _bottleneck
    channels = 64
    for stage, count in enumerate(STAGES[depth]):
        for number in range(count):
            stride = 2 if stage and not number else 1
            x, channels = block(g, x, channels, 64 << stage, stride)
    layers.classes(g, x, channels)
    return g.model()


def _basic(g: Graph, x: str, into: int, width: int, stride: int) -> tuple[str, int]:
    y = g.add("Relu", layers.convolution(g, x, (into, width), 3, stride=stride))
    y = layers.convolution(g, y, (width, width), 3, gain=QUIET)
    return _joined(g, x, y, (into, width), stride), width


def _bottleneck(g: Graph, x: str, into: int, width: int, stride: int) -> tuple[str, int]:
    out = 4 * width
    y = g.add("Relu", layers.convolution(g, x, (into, width), 1))
    y = g.add("Relu", layers.convolution(g, y, (width, width), 3, stride=stride))
    y = layers.convolution(g, y, (width, out), 1, gain=QUIET)
    return _joined(g, x, y, (into, out), stride), out


def _joined(g: Graph, x: str, y: str, channels: tuple[int, int], stride: int) -> str:
    if stride != 1 or channels[0] != channels[1]:
        x = layers.convolution(g, x, channels, 1, stride=stride, gain=1.0)
    return g.add("Relu", g.add("Add", y, x))

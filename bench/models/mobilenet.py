"""MobileNetV2 (Sandler and others, 2018), batch norms not folded, ReLU6 as `Clip`."""

from typing import Any

import numpy as np

from bench.models import layers
from bench.models.graph import Graph

BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels out, how many, stride of the first."""
LAST = 1280


def build(seed: int) -> Any:
    """The ONNX model."""
    g = Graph("mobilenet_v2", 17, seed)
    limits = (g.constant(0, np.float32), g.constant(6, np.float32))

    def unit(x: str, channels: tuple[int, int], kernel: int, stride: int, groups: int) -> str:
        x = layers.convolution(
            g, x, channels, kernel, stride=stride, groups=groups, gain=2.0, bias=False
        )
        return g.add("Clip", layers.batch_norm(g, x, channels[1]), *limits)

    x = unit(layers.image(g), (3, 32), 3, 2, 1)
    into = 32
    for expansion, out, count, first in BLOCKS:
        for number in range(count):
            stride = 1 if number else first
            wide = into * expansion
            y = unit(x, (into, wide), 1, 1, 1) if expansion != 1 else x
            y = unit(y, (wide, wide), 3, stride, wide)
            y = layers.convolution(g, y, (wide, out), 1, gain=1.0, bias=False)
            y = layers.batch_norm(g, y, out)
            x = g.add("Add", x, y) if stride == 1 and into == out else y
            into = out
    x = unit(x, (into, LAST), 1, 1, 1)
    layers.classes(g, x, LAST)
    return g.model()

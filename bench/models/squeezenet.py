"""SqueezeNet 1.1 (Iandola and others, 2016)."""

from typing import Any

import numpy as np

from bench.models import layers
from bench.models.graph import Graph

FIRES = ((64, 16, 64), (128, 16, 64), None, (128, 32, 128), (256, 32, 128), None)
FIRES += ((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256))
"""Channels in, squeezed, and of each half of what comes out; None is a pooling."""


def build(seed: int) -> Any:
    """The ONNX model."""
    g = Graph("squeezenet1_1", 17, seed)
    x = g.add("Relu", _unpadded(g, layers.image(g)))
    x = layers.max_pool(g, x, 3, 2, 0, ceil=True)
    for fire in FIRES:
        if fire is None:
            x = layers.max_pool(g, x, 3, 2, 0, ceil=True)
            continue
        into, squeezed, out = fire
        x = g.add("Relu", layers.convolution(g, x, (into, squeezed), 1))
        narrow = g.add("Relu", layers.convolution(g, x, (squeezed, out), 1))
        wide = g.add("Relu", layers.convolution(g, x, (squeezed, out), 3))
        x = g.add("Concat", narrow, wide, axis=1)
    x = g.add("Relu", layers.convolution(g, x, (512, layers.CLASSES), 1))
    flat = g.add("Flatten", g.add("GlobalAveragePool", x), axis=1)
    g.output("output", flat, np.float32, ["batch", layers.CLASSES])
    return g.model()


def _unpadded(g: Graph, x: str) -> str:
    weight = g.normal((64, 3, 3, 3), (2 / 27) ** 0.5)
    bias = g.normal((64,), 0.05)
    sizes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0] * 4, "group": 1}
    return g.add("Conv", x, weight, bias, **sizes)

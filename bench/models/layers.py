"""Groups of nodes that several networks have. Activations keep about their size throughout."""

import math

import numpy as np

from bench.models.graph import Graph

CLASSES = 1000


def convolution(
    g: Graph,
    x: str,
    channels: tuple[int, int],
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    gain: float = 2.0,
    bias: bool = True,
) -> str:
    """Convolution that keeps the size at stride 1; with the weights of a batch norm folded in."""
    into, out = channels
    fan = into // groups * kernel * kernel
    weight = g.normal((out, into // groups, kernel, kernel), math.sqrt(gain / fan))
    pad = kernel // 2
    return g.add(
        "Conv",
        *(x, weight, *([g.normal((out,), 0.05)] if bias else [])),
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[pad, pad, pad, pad],
        dilations=[1, 1],
        group=groups,
    )


def batch_norm(g: Graph, x: str, channels: int) -> str:
    """Batch normalisation, as exporters leave it that do not fold."""
    return g.add(
        "BatchNormalization",
        x,
        g.uniform((channels,), 0.8, 1.2),
        g.normal((channels,), 0.05),
        g.normal((channels,), 0.05),
        g.uniform((channels,), 0.7, 1.3),
        epsilon=1e-5,
        momentum=0.9,
    )


def max_pool(g: Graph, x: str, kernel: int, stride: int, pad: int, *, ceil: bool = False) -> str:
    """Greatest of each square."""
    return g.add(
        "MaxPool",
        x,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[pad] * 4,
        ceil_mode=int(ceil),
    )


def dense(g: Graph, x: str, into: int, out: int, gain: float = 1.0) -> str:
    """Rows times a matrix, plus a bias, as `Gemm` with the weights transposed."""
    weight = g.normal((out, into), math.sqrt(gain / into))
    return g.add("Gemm", x, weight, g.normal((out,), 0.02), alpha=1.0, beta=1.0, transB=1)


def shape_constant(g: Graph, *sizes: int) -> str:
    """The second input of `Reshape` and its like."""
    return g.constant(sizes, np.int64)


def image(g: Graph) -> str:
    """The input of all image networks."""
    return g.input("input", np.float32, ["batch", 3, 224, 224])


def classes(g: Graph, x: str, channels: int) -> None:
    """Mean over the picture, scores of the classes, the output."""
    pooled = g.add("GlobalAveragePool", x)
    flat = g.add("Flatten", pooled, axis=1)
    scores = dense(g, flat, channels, CLASSES)
    g.output("output", scores, np.float32, ["batch", CLASSES])

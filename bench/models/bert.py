"""BERT-base with a head for questions (Devlin and others, 2018), written as opset 17 exporters do.

`LayerNormalization` is one node and GELU is five around `Erf`; heads are split and joined by
reshapes whose sizes are computed in the graph, for batch and length are open.
"""

import math
from typing import Any

import numpy as np

from bench.models import layers
from bench.models.graph import Graph

WIDTH, HEADS, LAYERS, INNER = 768, 12, 12, 3072
WORDS, POSITIONS, TYPES = 30522, 512, 2
QUIET = 0.1
"""Gain of what attention adds: random heads mix all tokens, which must not become one."""


def build(seed: int) -> Any:
    """The ONNX model."""
    g = Graph("bert_base", 17, seed)
    ids, mask, types = (
        g.input(name, np.int64, ["batch", "length"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    )
    x = _embedded(g, ids, types)
    hidden = _hidden_tokens(g, mask)
    for _ in range(LAYERS):
        x = _normal(g, g.add("Add", _attention(g, x, hidden), x))
        inner = _gelu(g, _linear(g, x, WIDTH, INNER))
        x = _normal(g, g.add("Add", _linear(g, inner, INNER, WIDTH), x))
    scores = _linear(g, x, WIDTH, 2)
    starts, ends = g.add_many("Split", 2, scores, layers.shape_constant(g, 1, 1), axis=-1)
    last = layers.shape_constant(g, -1)
    for name, part in (("start_logits", starts), ("end_logits", ends)):
        g.output(name, g.add("Squeeze", part, last), np.float32, ["batch", "length"])
    return g.model()


def _linear(g: Graph, x: str, into: int, out: int, gain: float = 1.0) -> str:
    product = g.add("MatMul", x, g.normal((into, out), math.sqrt(gain / into)))
    return g.add("Add", g.normal((out,), 0.02), product)


def _normal(g: Graph, x: str) -> str:
    scale, shift = g.uniform((WIDTH,), 0.8, 1.2), g.normal((WIDTH,), 0.05)
    return g.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)


def _gelu(g: Graph, x: str) -> str:
    root, one = g.constant(math.sqrt(2), np.float32), g.constant(1, np.float32)
    curve = g.add("Add", g.add("Erf", g.add("Div", x, root)), one)
    return g.add("Mul", g.add("Mul", x, curve), g.constant(0.5, np.float32))


def _size(g: Graph, x: str, axis: int) -> str:
    """The length of an axis, as an array of one element."""
    size = g.add("Gather", g.add("Shape", x), g.constant(axis, np.int64), axis=0)
    return g.add("Unsqueeze", size, layers.shape_constant(g, 0))


def _embedded(g: Graph, ids: str, types: str) -> str:
    words = g.add("Gather", g.normal((WORDS, WIDTH), 0.5), ids)
    kinds = g.add("Gather", g.normal((TYPES, WIDTH), 0.5), types)
    places = g.constant(np.arange(POSITIONS)[None], np.int64)
    start, axis = layers.shape_constant(g, 0), layers.shape_constant(g, 1)
    used = g.add("Slice", places, start, _size(g, ids, 1), axis, layers.shape_constant(g, 1))
    positions = g.add("Gather", g.normal((POSITIONS, WIDTH), 0.5), used)
    return _normal(g, g.add("Add", g.add("Add", words, kinds), positions))


def _hidden_tokens(g: Graph, mask: str) -> str:
    """What is added to attention scores: 0, and a large negative number where the mask is 0."""
    wide = g.add("Unsqueeze", mask, layers.shape_constant(g, 1, 2))
    shown = g.add("Cast", wide, to=1)
    absent = g.add("Sub", g.constant(1, np.float32), shown)
    return g.add("Mul", absent, g.constant(np.finfo(np.float32).min, np.float32))


def _heads(g: Graph, x: str, order: list[int]) -> str:
    sizes = g.add(
        "Concat",
        *(_size(g, x, 0), _size(g, x, 1)),
        layers.shape_constant(g, HEADS),
        layers.shape_constant(g, WIDTH // HEADS),
        axis=0,
    )
    return g.add("Transpose", g.add("Reshape", x, sizes), perm=order)


def _attention(g: Graph, x: str, hidden: str) -> str:
    query = _heads(g, _linear(g, x, WIDTH, WIDTH), [0, 2, 1, 3])
    key = _heads(g, _linear(g, x, WIDTH, WIDTH), [0, 2, 3, 1])
    value = _heads(g, _linear(g, x, WIDTH, WIDTH), [0, 2, 1, 3])
    scores = g.add(
        "Div", g.add("MatMul", query, key), g.constant(math.sqrt(WIDTH // HEADS), np.float32)
    )
    shares = g.add("Softmax", g.add("Add", scores, hidden), axis=-1)
    mixed = g.add("Transpose", g.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    width = layers.shape_constant(g, WIDTH)
    sizes = g.add("Concat", _size(g, mixed, 0), _size(g, mixed, 1), width, axis=0)
    return _linear(g, g.add("Reshape", mixed, sizes), WIDTH, WIDTH, QUIET)

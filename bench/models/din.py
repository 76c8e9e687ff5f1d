"""DIN, the deep interest network (Zhou and others, 2018), with its sizes for the Amazon data.

A candidate item is scored by what a user did before: each past item is weighted by a small network
that sees it beside the candidate.
"""

import math
from typing import Any

import numpy as np

from bench.models import layers
from bench.models.graph import Graph

ITEMS, CATEGORIES, WIDTH, HISTORY = 63001, 801, 64, 100
ATTENTION = (80, 40)
HIDDEN = (80, 40)


def build(seed: int) -> Any:
    """The ONNX model."""
    g = Graph("din", 17, seed)
    item = g.input("item", np.int64, ["batch"])
    category = g.input("category", np.int64, ["batch"])
    past_items = g.input("past_items", np.int64, ["batch", HISTORY])
    past_categories = g.input("past_categories", np.int64, ["batch", HISTORY])
    length = g.input("length", np.int64, ["batch"])

    items = g.normal((ITEMS, WIDTH), 0.3)
    categories = g.normal((CATEGORIES, WIDTH), 0.3)

    def embedded(of_item: str, of_category: str) -> str:
        parts = (g.add("Gather", items, of_item), g.add("Gather", categories, of_category))
        return g.add("Concat", *parts, axis=-1)

    candidate = embedded(item, category)
    past = embedded(past_items, past_categories)
    interest = _interest(g, candidate, past, length)
    crossed = g.add("Mul", interest, candidate)
    x = g.add("Concat", interest, candidate, crossed, axis=-1)
    x = layers.batch_norm(g, x, 6 * WIDTH)
    into = 6 * WIDTH
    for out in HIDDEN:
        x = g.add("PRelu", layers.dense(g, x, into, out, 2.0), g.uniform((out,), 0.1, 0.3))
        into = out
    chance = g.add("Sigmoid", layers.dense(g, x, into, 1))
    g.output("chance", chance, np.float32, ["batch", 1])
    return g.model()


def _interest(g: Graph, candidate: str, past: str, length: str) -> str:
    """What the user did before, each thing weighted by how it goes with the candidate."""
    one = layers.shape_constant(g, 1)
    beside = g.add("Expand", g.add("Unsqueeze", candidate, one), g.add("Shape", past))
    difference = g.add("Sub", beside, past)
    product = g.add("Mul", beside, past)
    x = g.add("Concat", beside, past, difference, product, axis=-1)
    into = 8 * WIDTH
    for out in ATTENTION:
        x = g.add("Sigmoid", _linear(g, x, into, out))
        into = out
    scores = g.add("Squeeze", _linear(g, x, into, 1), layers.shape_constant(g, -1))
    places = g.constant(np.arange(HISTORY)[None], np.int64)
    there = g.add("Less", places, g.add("Unsqueeze", length, one))
    never = g.constant(-(2.0**31), np.float32)
    scores = g.add("Where", there, scores, never)
    root = g.constant(math.sqrt(2 * WIDTH), np.float32)
    shares = g.add("Softmax", g.add("Div", scores, root), axis=-1)
    mixed = g.add("MatMul", g.add("Unsqueeze", shares, one), past)
    return g.add("Squeeze", mixed, one)


def _linear(g: Graph, x: str, into: int, out: int) -> str:
    product = g.add("MatMul", x, g.normal((into, out), math.sqrt(1 / into)))
    return g.add("Add", product, g.normal((out,), 0.02))

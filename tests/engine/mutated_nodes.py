"""Nodes with wrong inputs and attributes: `python -m tests.engine.mutated_nodes SEED COUNT`.

Whatever they are, running them gives results or raises an error; it never ends the process. Sizes
may be anything, so memory is limited to what there is and MORE bytes.
"""

from __future__ import annotations

import random
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .one_node import Ways, bfloat16, run

MORE = 256 << 20
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
SQUARE = np.eye(3, dtype=np.float32)[None]
PLACES = np.array([[0, 1], [1, 0]])


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


Spec = tuple[str, list[Any], dict[str, Any]]
SPECS: list[Spec] = [
    ("Add", [X, X[0]], {"axis": 1}),
    ("Pow", [X, ints(2)], {}),
    ("Div", [ints(1, 2, 3), ints(2)], {}),
    ("Mod", [ints(5, 6), ints(3)], {"fmod": 1}),
    ("Clip", [X, np.float32(0), np.float32(6)], {}),
    ("Where", [X > 3, X, X], {}),
    ("PRelu", [X, X[0, 0]], {}),
    ("Gelu", [X], {"approximate": "none"}),
    ("Cast", [X], {"to": 7}),
    ("Dropout", [X, np.float32(0.5), np.array(True)], {"seed": 3}),
    ("Reshape", [X, ints(4, -1)], {"allowzero": 0}),
    ("Transpose", [X], {"perm": [2, 0, 1]}),
    ("Squeeze", [X[:1], ints(0)], {}),
    ("Unsqueeze", [X, ints(0)], {}),
    ("Flatten", [X], {"axis": 1}),
    ("Expand", [X, ints(2, 1, 1, 1)], {}),
    ("Slice", [X, ints(0), ints(2), ints(1), ints(1)], {}),
    ("Split", [X, ints(1, 2)], {"axis": 1}),
    ("Concat", [X, X], {"axis": 1}),
    ("Tile", [X, ints(1, 2, 1)], {}),
    ("Pad", [X, ints(0, 1, 0, 0, 1, 2), np.float32(1), ints(0, 1, 2)], {"mode": "reflect"}),
    ("CenterCropPad", [X, ints(3, 2)], {"axes": [0, 2]}),
    ("DepthToSpace", [np.zeros((1, 8, 2, 2), np.float32)], {"blocksize": 2}),
    ("ReverseSequence", [X, ints(1, 2, 0)], {"batch_axis": 1, "time_axis": 0}),
    ("Trilu", [X, np.array(1)], {"upper": 1}),
    ("ConstantOfShape", [ints(2, 3)], {}),
    ("Range", [np.array(0), np.array(9), np.array(2)], {}),
    ("Shape", [X], {"start": 0, "end": 2}),
    ("EyeLike", [X[0]], {"k": 1, "dtype": 1}),
    ("RandomNormal", [], {"shape": [2, 3], "dtype": 1}),
    ("Multinomial", [X[0]], {"sample_size": 3}),
    ("ReduceSum", [X, ints(1)], {"keepdims": 1}),
    ("ReduceLogSumExp", [X, ints(-1)], {"keepdims": 0}),
    ("ArgMax", [X], {"axis": 1, "select_last_index": 1}),
    ("CumSum", [X, np.array(1)], {"exclusive": 1, "reverse": 1}),
    ("Gather", [X, ints(0, 1)], {"axis": 1}),
    ("GatherElements", [X[0], PLACES], {"axis": 1}),
    ("GatherND", [X, PLACES], {"batch_dims": 0}),
    ("ScatterElements", [X[0], PLACES, X[0, :2, :2]], {"axis": 1, "reduction": "add"}),
    ("ScatterND", [X, PLACES, X[:, 0]], {"reduction": "max"}),
    ("TopK", [X, ints(2)], {"axis": 1, "largest": 0}),
    ("NonZero", [X], {}),
    ("Unique", [X], {"axis": 1, "sorted": 0}),
    ("Compress", [X, np.array([True, False, True])], {"axis": 1}),
    ("OneHot", [PLACES, np.array(3), X[0, 0, :2]], {"axis": 1}),
    ("NonMaxSuppression", [X[:1, :, :4], X[:1, :2, :3], np.array([2])], {"center_point_box": 1}),
    (
        "TfIdfVectorizer",
        [ints(1, 2, 3)],
        {"min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 1, "mode": "TF",
         "ngram_counts": [0, 2], "ngram_indexes": [0, 1, 2], "pool_int64s": [1, 2, 2, 3]},
    ),
    ("MatMul", [X, X[0].T], {}),
    ("Gemm", [X[0], X[1], X[0, :, :1]], {"transB": 1, "alpha": 0.5}),
    ("Einsum", [X, X], {"equation": "bij,bkj->bik"}),
    ("Det", [SQUARE], {}),
    ("Softmax", [X], {"axis": 1}),
    ("Hardmax", [X], {"axis": 0}),
    ("SoftmaxCrossEntropyLoss", [X, PLACES.repeat(2, 1)], {"ignore_index": 1}),
]  # fmt: skip
NUMBERS = (-(2**63), -(2**31), -33, -3, -1, 0, 1, 2, 3, 5, 32, 64, 2**31, 2**62, 2**63 - 1)
WORDS = ("", "max", "none", "wrap", "edge", "tanh", "ij->j", "...ij,...jk->...", "LEFT")
TYPES = (np.float32, np.float64, np.float16, bfloat16, np.int8, np.int64, np.uint8, np.bool_)


def mutate_array(draw: random.Random, x: np.ndarray) -> np.ndarray | None:
    how = draw.randrange(6)
    if how == 0:
        return None
    if how == 1:
        shape = [draw.choice((0, 1, 2, 3)) for _ in range(draw.randint(0, 5))]
        return np.resize(x, shape).astype(x.dtype) if x.size else np.zeros(shape, x.dtype)
    if how == 2:
        return x.astype(draw.choice(TYPES))
    if x.size == 0:
        return x
    x = np.array(x)
    value = draw.choice((*NUMBERS, np.nan, np.inf)) if x.dtype.kind == "f" else draw.choice(NUMBERS)
    x.flat[draw.randrange(x.size)] = np.asarray(value).astype(x.dtype)
    return x


def mutate(draw: random.Random, spec: Spec) -> Spec:
    op, inputs, attributes = spec[0], list(spec[1]), dict(spec[2])
    for _ in range(draw.randint(1, 3)):
        name = draw.choice([*attributes, None])
        if name is None:
            if inputs:
                i = draw.randrange(len(inputs))
                if inputs[i] is not None:
                    inputs[i] = mutate_array(draw, inputs[i])
        elif isinstance(attributes[name], list):
            values = attributes[name]
            values = [*values, draw.choice(NUMBERS)] if draw.random() < 0.3 else list(values)
            values[draw.randrange(len(values))] = draw.choice(NUMBERS)
            attributes[name] = values
        elif isinstance(attributes[name], str):
            attributes[name] = draw.choice(WORDS)
        elif isinstance(attributes[name], float):
            attributes[name] = draw.choice((np.nan, np.inf, -1.0, 0.0))
        else:
            attributes[name] = draw.choice(NUMBERS)
    return op, inputs, attributes


def main(seed: int, count: int) -> None:
    np.seterr(all="ignore")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MORE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    done = refused = 0
    for number in range(count):
        draw = random.Random(f"{seed} {number}")
        op, inputs, attributes = mutate(draw, draw.choice(SPECS))
        print(f"{number}: {op} {attributes}", file=sys.stderr, flush=True)
        try:
            opset = draw.choice((7, 9, 11, 13, 18, 22, 22, 22))
            run(op, *inputs, outputs=draw.choice((1, 1, 2)), opset=opset,
                ways=Ways(seed + number, plain=False), **attributes)  # fmt: skip
            done += 1
        except Exception:  # noqa: BLE001 - any error is an answer
            refused += 1
    print(done, refused)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

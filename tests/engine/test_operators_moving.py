"""Operators of models that move or make elements, against NumPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, bfloat16, helper, one, onnx_type, run, run_graph, tensor

if TYPE_CHECKING:
    from tests.conftest import Seeded

TYPES = (np.bool_, np.int8, np.uint16, bfloat16, np.float16, np.float32, np.int64, np.complex128)


def counted(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def ways(rand: Seeded) -> Ways:
    return Ways(rand.getrandbits(32), plain=False)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def random_shape(rand: Seeded, ndim: int) -> tuple[int, ...]:
    return tuple(rand.choice((0, 1, 2, 3, 4)) for _ in range(ndim))


# ---- Shapes -------------------------------------------------------------------


def test_other_shapes(rand: Seeded) -> None:
    for dtype in TYPES:
        x = counted((2, 3, 4), dtype)
        for shape in ((24,), (4, 6), (2, -1), (0, 0, 4), (0, -1), (1, 2, 1, 3, 4), (-1,)):
            full = [x.shape[i] if size == 0 else size for i, size in enumerate(shape)]
            agree(one("Reshape", x, ints(*shape), ways=ways(rand)), x.reshape(full))
    agree(one("Reshape", counted((0, 3)), ints(3, 0), allowzero=1), counted((3, 0)))
    agree(one("Reshape", counted((1, 1)), np.zeros(0, np.int64)), counted(()))
    agree(one("Reshape", counted((2, 3)), opset=4, shape=[3, -1]), counted((3, 2)))
    for shape, sentence in (((5,), "reshape|elements"), ((-1, -1), "twice"), ((-2, 3), "-2")):
        with pytest.raises(ValueError, match=sentence):
            one("Reshape", counted((2, 3)), ints(*shape))


def test_dimensions_of_one(rand: Seeded) -> None:
    x = counted((1, 3, 1, 2))
    agree(one("Squeeze", x, ways=ways(rand)), x.squeeze())
    agree(one("Squeeze", x, ints(-2), ways=ways(rand)), x.squeeze(2))
    agree(one("Squeeze", x, opset=11, axes=[0, 2]), x.squeeze())
    agree(one("Unsqueeze", x, ints(0, -1), ways=ways(rand)), x[None, ..., None])
    agree(one("Unsqueeze", x, opset=11, axes=[1]), x[:, None])
    agree(one("Unsqueeze", counted(()), ints(0)), counted((1,)))
    for axis in range(-4, 5):
        rows = math.prod(x.shape[:axis]) if axis else 1
        agree(one("Flatten", x, axis=axis, ways=ways(rand)), x.reshape(rows, -1))
    with pytest.raises(ValueError, match="size 3"):
        one("Squeeze", x, ints(1))
    with pytest.raises((ValueError, IndexError), match="twice"):
        one("Unsqueeze", x, ints(1, 1))


def test_shape_and_size(rand: Seeded) -> None:
    x = counted((2, 3, 4))
    agree(one("Shape", x, ways=ways(rand)), ints(2, 3, 4))
    for start in (-5, -2, 0, 1, 3, 7):
        agree(one("Shape", x, start=start), ints(*x.shape[start:]))
        agree(one("Shape", x, start=start, end=-1), ints(*x.shape[start:-1]))
    agree(one("Size", x, ways=ways(rand)), np.array(24))
    agree(one("Size", counted((0, 3))), np.array(0))


def test_shapes_that_are_data() -> None:
    """Sizes that are computed from elements are found in the run."""
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Shape", ["places"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["filled"], value=tensor(np.float32([2]))),
        helper.make_node("Expand", ["one", "shape"], ["wide"]),
        helper.make_node("Add", ["filled", "wide"], ["y"]),
    ]
    ports = [
        helper.make_tensor_value_info("x", onnx_type(np.float32), ["n", "m"]),
        helper.make_tensor_value_info("one", onnx_type(np.float32), [1]),
    ]
    ends = [helper.make_empty_tensor_value_info("y")]
    graph = helper.make_graph(nodes, "g", ports, ends)
    for count in (0, 1, 5):
        x = np.zeros((3, 4), np.float32)
        x.flat[:count] = 1
        (got,) = run_graph(graph, x, np.ones(1, np.float32))
        agree(got, np.full((2, count), 3, np.float32))


# ---- Views and copies -----------------------------------------------------------


def test_orders(rand: Seeded) -> None:
    for dtype in TYPES:
        for ndim in (0, 1, 2, 4, 6):
            x = counted(random_shape(rand, ndim), dtype)
            agree(one("Transpose", x, ways=ways(rand)), x.T)
            order = rand.sample(range(ndim), ndim)
            if ndim:
                agree(one("Transpose", x, perm=order, ways=ways(rand)), x.transpose(order))
    with pytest.raises((ValueError, IndexError)):
        one("Transpose", counted((2, 3)), perm=[0, 0])
    with pytest.raises(ValueError, match="perm"):
        one("Transpose", counted((2, 3)), perm=[0])


def chosen(size: int, start: int, stop: int, step: int) -> np.ndarray:
    """The indices of a slice, by the standard: unlike Python's, a start before the first element is
    that element, also if the steps go back."""
    start += size if start < 0 else 0
    stop += size if stop < 0 else 0
    if step > 0:
        places = range(min(max(start, 0), size), min(max(stop, 0), size), step)
    else:
        places = range(max(min(start, size - 1), 0), max(min(stop, size - 1), -1), step)
    return np.array(places if size else [], np.int64)


def test_slices(rand: Seeded) -> None:
    for _ in range(60):
        x = counted(random_shape(rand, rand.choice((1, 2, 4))), rand.choice(TYPES))
        axes = rand.sample(range(x.ndim), rand.randint(1, x.ndim))
        ends = (-(2**63), -7, -2, -1, 0, 1, 2, 3, 9, 2**31 - 1, 2**63 - 1)
        starts = [rand.choice(ends) for _ in axes]
        stops = [rand.choice(ends) for _ in axes]
        steps = [rand.choice((-3, -1, 1, 2, 5)) for _ in axes]
        index = [np.arange(size) for size in x.shape]
        for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
            index[axis] = chosen(x.shape[axis], start, stop, step)
        named = [axis - x.ndim if rand.random() < 0.5 else axis for axis in axes]
        got = one("Slice", x, ints(*starts), ints(*stops), ints(*named), ints(*steps),
                  ways=ways(rand))  # fmt: skip
        agree(got, x[np.ix_(*index)])
    x = counted((4, 5))
    agree(one("Slice", x, opset=9, starts=[1], ends=[-1], axes=[1]), x[:, 1:-1])
    agree(one("Slice", x, ints(1, 2), ints(3, 4)), x[1:3, 2:4])
    with pytest.raises(ValueError, match="step"):
        one("Slice", x, ints(0), ints(1), ints(0), ints(0))
    with pytest.raises((ValueError, IndexError), match="axis 2"):
        one("Slice", x, ints(0), ints(1), ints(2))


def test_parts(rand: Seeded) -> None:
    x = counted((4, 6))
    for axis in (0, 1, -1):
        size = x.shape[axis]
        sizes = ints(1, 0, size - 1)
        got = run("Split", x, sizes, outputs=3, axis=axis, ways=ways(rand))
        for part, wanted in zip(got, np.split(x, [1, 1], axis), strict=True):
            agree(part, wanted)
        got = run("Split", x, outputs=2, axis=axis, num_outputs=2, ways=ways(rand))
        for part, wanted in zip(got, np.split(x, 2, axis), strict=True):
            agree(part, wanted)
    uneven = run("Split", x, outputs=4, axis=1, num_outputs=4)
    assert [part.shape[1] for part in uneven] == [2, 2, 2, 0]
    agree(run("Split", x, outputs=2, opset=11, axis=1, split=[4, 2])[1], x[:, 4:])
    agree(run("Split", x, outputs=2, opset=13)[1], x[2:])
    with pytest.raises(ValueError, match="parts"):
        run("Split", x, ints(1, 1), outputs=2)


def test_arrays_are_joined(rand: Seeded) -> None:
    for dtype in TYPES:
        for axis in (0, 1, 2, -1):
            parts = []
            for size in (2, 0, 1, 3):
                shape = [2, 3, 4]
                shape[axis] = size
                parts.append(counted(tuple(shape), dtype))
            got = one("Concat", *parts, axis=axis, ways=ways(rand))
            agree(got, np.concatenate(parts, axis))
    with pytest.raises(ValueError, match="differ"):
        one("Concat", counted((2, 3)), counted((3, 2)), axis=0)


def test_copies_of_elements(rand: Seeded) -> None:
    for dtype in TYPES:
        x = counted((2, 1, 3), dtype)
        for repeats in ((1, 1, 1), (2, 3, 1), (1, 4, 1), (3, 1, 2), (0, 1, 1)):
            agree(one("Tile", x, ints(*repeats), ways=ways(rand)), np.tile(x, repeats))
        for shape in ((2, 4, 3), (5, 2, 1, 3), (1,), (1, 0, 1)):
            wanted = x * np.ones(shape, dtype) if dtype is not np.bool_ else None
            got = one("Expand", x, ints(*shape), ways=ways(rand))
            if wanted is not None:
                agree(got, wanted.astype(dtype))
    with pytest.raises(ValueError, match="repeats"):
        one("Tile", counted((2, 2)), ints(1))


def test_pads(rand: Seeded) -> None:
    for mode in ("constant", "edge", "reflect", "wrap"):
        for dtype in (np.int8, np.float16, np.float32, np.int64, bfloat16):
            x = counted((3, 4, 2), dtype)
            before, after = [1, 0, 1], [2, 3, 0]
            pairs = list(zip(before, after, strict=True))
            value = np.array(7, dtype) if mode == "constant" else None
            filled = {"constant_values": 7} if mode == "constant" else {}
            wanted = np.pad(x, pairs, mode=mode, **filled)  # type: ignore[call-overload]
            got = one("Pad", x, ints(*before, *after), value, mode=mode, ways=ways(rand))
            agree(got, wanted)
    x = counted((3, 4))
    agree(one("Pad", x, ints(-1, 2, 0, -3)), np.pad(x[1:, :1], ((0, 0), (2, 0))))
    edges = one("Pad", x, ints(1, 1), None, ints(-1), mode="edge")
    agree(edges, np.pad(x, ((0, 0), (1, 1)), "edge"))
    above = one("Pad", x, opset=10, pads=[1, 0, 0, 0], value=2.0)
    agree(above, np.pad(x, ((1, 0), (0, 0)), constant_values=2))
    agree(one("Pad", x, ints(-5, 0, 4, 0)), np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="pads"):
        one("Pad", x, ints(1, 1))
    with pytest.raises(ValueError, match="mode"):
        one("Pad", x, ints(1, 1, 1, 1), mode="mirror")


def test_crops_and_triangles(rand: Seeded) -> None:
    x = counted((4, 5, 3))
    agree(one("CenterCropPad", x, ints(2, 7), axes=[0, 1], ways=ways(rand)),
          np.pad(x[1:3], ((0, 0), (1, 1), (0, 0))))  # fmt: skip
    for dtype in TYPES:
        x = counted((2, 4, 3), dtype)
        for k in (-9, -2, 0, 1, 2, 9):
            place = np.array(k)
            agree(one("Trilu", x, place, ways=ways(rand)), np.triu(x, k))
            agree(one("Trilu", x, place, upper=0, ways=ways(rand)), np.tril(x, k))


def test_blocks(rand: Seeded) -> None:
    x = counted((2, 12, 2, 3), np.int32)
    deep = x.reshape(2, 2, 2, 3, 2, 3)
    wanted = deep.transpose(0, 3, 4, 1, 5, 2).reshape(2, 3, 4, 6)
    agree(one("DepthToSpace", x, blocksize=2, ways=ways(rand)), wanted)
    agree(one("SpaceToDepth", wanted, blocksize=2, ways=ways(rand)), x)
    other = x.reshape(2, 3, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 3, 4, 6)
    agree(one("DepthToSpace", x, blocksize=2, mode="CRD", ways=ways(rand)), other)
    with pytest.raises(ValueError, match="multiple"):
        one("DepthToSpace", x, blocksize=5)


def test_sequences_are_reversed(rand: Seeded) -> None:
    x = counted((4, 3, 2))
    lengths = ints(0, 2, 4)
    wanted = x.copy()
    for i, length in enumerate(lengths):
        wanted[:length, i] = x[:length, i][::-1]
    agree(one("ReverseSequence", x, lengths, ways=ways(rand)), wanted)
    turned = one("ReverseSequence", np.swapaxes(x, 0, 1), lengths, batch_axis=0, time_axis=1)
    agree(turned, np.swapaxes(wanted, 0, 1))
    with pytest.raises(ValueError, match="length"):
        one("ReverseSequence", x, ints(0, 2, 5))


# ---- Made -----------------------------------------------------------------------


def test_ranges_and_fillings(rand: Seeded) -> None:
    for dtype in (np.int16, np.int32, np.int64, np.float32, np.float64):
        for start, limit, step in ((0, 5, 1), (5, 0, -2), (3, 3, 1), (1, 10, 4), (4, 1, 1)):
            parts = [np.array(part, dtype) for part in (start, limit, step)]
            agree(one("Range", *parts, ways=ways(rand)), np.arange(*parts, dtype=dtype))
    with pytest.raises(ValueError, match="0"):
        one("Range", *(np.array(part) for part in (0, 5, 0)))
    agree(one("ConstantOfShape", ints(2, 3)), np.zeros((2, 3), np.float32))
    for dtype in TYPES:
        value = np.array([1], dtype)
        got = one("ConstantOfShape", ints(2, 0, 3), value=tensor(value), ways=ways(rand))
        agree(got, np.full((2, 0, 3), value[0]))
    agree(one("ConstantOfShape", np.zeros(0, np.int64)), np.zeros((), np.float32))
    with pytest.raises(ValueError, match="-1"):
        one("ConstantOfShape", ints(2, -1))
    for k in (-4, -1, 0, 2, 5):
        agree(one("EyeLike", counted((3, 4)), k=k), np.eye(3, 4, k, np.float32))
        agree(one("EyeLike", counted((3, 4)), k=k, dtype=7), np.eye(3, 4, k, np.int64))


def test_constants() -> None:
    agree(one("Constant", value_float=1.5), np.float32(1.5))
    agree(one("Constant", value_ints=[1, 2]), ints(1, 2))
    agree(one("Constant", value_int=3), np.array(3))
    agree(one("Constant", value_floats=[1.0, 2.0]), np.array([1, 2], np.float32))
    for dtype in TYPES:
        agree(one("Constant", value=tensor(counted((2, 3), dtype))), counted((2, 3), dtype))


def test_random_numbers() -> None:
    shape = [200, 100]
    normal = one("RandomNormal", shape=shape, mean=3.0, scale=2.0)
    assert normal.dtype == np.float32
    assert abs(float(normal.mean()) - 3) < 0.1
    assert abs(float(normal.std()) - 2) < 0.1
    uniform = one("RandomUniform", shape=shape, low=-1.0, high=3.0, dtype=11)
    assert uniform.dtype == np.float64
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert abs(float(uniform.mean()) - 1) < 0.1
    other = one("RandomUniform", shape=shape, low=-1.0, high=3.0, dtype=11)
    assert not np.array_equal(uniform, other)
    first, second = (one("RandomUniformLike", counted((5, 5)), seed=4.0) for _ in range(2))
    agree(first, second)
    drawn = one("Bernoulli", np.full((100, 100), 0.3))
    assert drawn.dtype == np.float64
    assert set(np.unique(drawn)) == {0, 1}
    assert 2600 < drawn.sum() < 3400
    logits = np.log(np.array([[0.5, 0.25, 0.25, 0], [0, 0, 1, 0]], np.float32) + 1e-30)
    classes = one("Multinomial", logits, sample_size=4000)
    assert classes.shape == (2, 4000)
    assert classes.dtype == np.int32
    assert (classes[1] == 2).all()
    assert 1800 < (classes[0] == 0).sum() < 2200
    assert (classes[0] < 3).all()

"""Operators on images against the standard's own evaluator, and by what must hold."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from .one_node import OPSET, Ways, agree, helper, one, onnx_type
from .windows_reference import Window, draw

if TYPE_CHECKING:
    from tests.conftest import Seeded


def reference(op: str, *inputs: np.ndarray | None, opset: int = OPSET, **more: Any) -> np.ndarray:
    """What the package `onnx` computes for one node."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    given = {n: np.asarray(x) for n, x in zip(names, inputs, strict=True) if x is not None}
    ports = [
        helper.make_tensor_value_info(n, onnx_type(x.dtype), x.shape) for n, x in given.items()
    ]
    node = helper.make_node(op, names, ["y"], **more)
    ends = [helper.make_empty_tensor_value_info("y")]
    graph = helper.make_graph([node], "one", ports, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(ReferenceEvaluator(model).run(None, given)[0])


def some(rand: Seeded, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    generator = np.random.default_rng(rand.randrange(2**32))
    return generator.uniform(-2, 2, shape).astype(dtype)


def ways(rand: Seeded) -> Ways:
    return Ways(rand.randrange(2**32), plain=False)


COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners"]
COORDINATES += ["asymmetric", "tf_crop_and_resize"]


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize(rand: Seeded, mode: str, coordinates: str) -> None:
    for dtype in (np.float32, np.float64, np.float32):
        shape = (rand.randint(1, 2), rand.randint(1, 2), rand.randint(2, 6), rand.randint(2, 6))
        more: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": coordinates}
        roi = scales = sizes = None
        axes = [0, 1, 2, 3]
        if rand.random() < 0.5:
            axes = rand.choice([[2, 3], [3], [3, 2]])
            more["axes"] = axes
        if coordinates == "tf_crop_and_resize":
            corners = [rand.choice([0.0, 0.125, -0.25]) if a > 1 else 0.0 for a in axes]
            ends = [rand.choice([1.0, 0.75, 1.25]) if a > 1 else 1.0 for a in axes]
            roi = np.array([*corners, *ends], dtype)
            more["extrapolation_value"] = 7.5
        if rand.random() < 0.5:
            drawn = [rand.choice([0.5, 0.75, 1.0, 1.5, 2.0, 2.5]) if a > 1 else 1.0 for a in axes]
            scales = np.array(drawn, np.float32)
        else:
            sizes = np.array([rand.randint(2, 9) if a > 1 else shape[a] for a in axes])
            if len(axes) < 4:
                policies = ["stretch", "not_larger", "not_smaller"]
                more["keep_aspect_ratio_policy"] = rand.choice(policies)
        if mode == "nearest":
            modes = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
            more["nearest_mode"] = rand.choice(modes)
        else:
            more["antialias"] = rand.choice([0, 1])
            more["exclude_outside"] = rand.choice([0, 1]) if mode == "cubic" else 0
        if coordinates == "half_pixel_symmetric":
            # There the evaluator reads before the first element now and then, by a rounding of its
            # own; ONNX Runtime gives what we do.
            more.pop("keep_aspect_ratio_policy", None)
        x = some(rand, shape, dtype)
        wanted = reference("Resize", x, roi, scales, sizes, **more)
        got = one("Resize", x, roi, scales, sizes, ways=ways(rand), **more)
        # The evaluator keeps scales and coordinates in float32.
        agree(got, wanted, 1e-4)


def test_resize_of_other_types(rand: Seeded) -> None:
    generator = np.random.default_rng(rand.randrange(2**32))
    for dtype in (np.uint8, np.int8, np.int16, np.int32, np.int64):
        x = generator.integers(0, 100, (1, 2, 4, 5)).astype(dtype)
        scales = np.array([1, 1, 2, 1.5], np.float32)
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        picked = x[:, :, np.arange(8) // 2][..., [0, 0, 1, 2, 2, 3, 4]]
        agree(one("Resize", x, None, scales, mode="nearest", **how), picked)
        got = one("Resize", x, None, scales, mode="linear")
        exact = reference("Resize", x.astype(np.float64), None, scales, mode="linear")
        assert abs(got - exact).max() <= 0.51
    flags = generator.random((1, 1, 2, 3)) < 0.5
    twice = one("Resize", flags, None, np.array([1, 1, 2, 2], np.float32), mode="nearest")
    agree(twice, flags.repeat(2, 2).repeat(2, 3))


def test_old_resizing(rand: Seeded) -> None:
    x, scales = some(rand, (1, 2, 3, 4)), np.array([1, 1, 2, 3], np.float32)
    doubled = x.repeat(2, 2).repeat(3, 3)
    agree(one("Upsample", x, scales, opset=9), doubled)
    agree(one("Upsample", x, opset=7, scales=[1.0, 1.0, 2.0, 3.0]), doubled)
    agree(one("Resize", x, scales, opset=10), doubled)
    linear = one("Resize", x, scales, opset=10, mode="linear")
    agree(linear[:, :, ::2, ::3], x)
    agree(linear[:, :, 1, 0], (x[:, :, 0, 0] + x[:, :, 1, 0]) / 2)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample(rand: Seeded, mode: str, padding: str) -> None:
    for spatial, align in ((2, 0), (2, 1), (1, 0), (3, 1)):
        if spatial != 2 and mode == "cubic":
            continue
        size = tuple(rand.randint(2, 5) for _ in range(spatial))
        places = tuple(rand.randint(1, 4) for _ in range(spatial))
        x = some(rand, (2, 2, *size))
        # Multiples of 1/8 would lie between elements, which roundings decide; these do not.
        grid = (some(rand, (2, *places, spatial)) * 0.7).astype(np.float32)
        more = {"mode": mode, "padding_mode": padding, "align_corners": align}
        wanted = reference("GridSample", x, grid, **more)
        agree(one("GridSample", x, grid, ways=ways(rand), **more), wanted, 1e-4)


@pytest.mark.parametrize("align", [0, 1])
def test_a_grid_at_rest_gives_the_image(rand: Seeded, align: int) -> None:
    for size in ((3, 4), (2, 3, 4)):
        d = len(size)
        x = some(rand, (2, 2, *size), np.float64)
        theta = np.repeat(np.eye(d, d + 1)[None], 2, 0)
        grid = one("AffineGrid", theta, np.array([2, 2, *size]), align_corners=align)
        agree(one("GridSample", x, grid, align_corners=align), x, 1e-9)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("half", ["half_pixel", "output_half_pixel"])
def test_roi_align(rand: Seeded, mode: str, half: str) -> None:
    generator = np.random.default_rng(rand.randrange(2**32))
    for sampling in (0, 2):
        x = generator.uniform(0, 2, (2, 3, 7, 8)).astype(np.float32)
        corners = generator.uniform(0, 8, (4, 2))
        rois = np.hstack([corners, corners + generator.uniform(1, 9, (4, 2))]).astype(np.float32)
        batch = generator.integers(0, 2, 4)
        more = {"mode": mode, "coordinate_transformation_mode": half, "sampling_ratio": sampling,
                "output_height": 3, "output_width": 2, "spatial_scale": 0.75}  # fmt: skip
        agree(
            one("RoiAlign", x, rois, batch, **more),
            reference("RoiAlign", x, rois, batch, **more),
            1e-4,
        )


def test_max_roi_pool(rand: Seeded) -> None:
    x = some(rand, (2, 2, 6, 6))
    rois = np.array([[0, 0, 0, 5, 5], [1, 2, 1, 3, 4]], np.float32)
    got = one("MaxRoiPool", x, rois, pooled_shape=[2, 2])
    agree(got[0], x[0].reshape(2, 2, 3, 2, 3).max((2, 4)))
    agree(got[1], x[1, :, 1:5, 2:4].reshape(2, 2, 2, 2, 1).max((2, 4)))


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_col2im_is_the_transposed_of_windows(rand: Seeded, spatial: int) -> None:
    window: Window = draw(rand, spatial)
    x = some(rand, (2, 3, *window.size), np.float64)
    seen = np.stack([window.seen(x, begin, 0.0) for _, begin in window.places()], 2)
    columns = some(rand, (2, 3 * seen.shape[2], int(np.prod(window.out()))), np.float64)
    got = one(
        "Col2Im", columns, np.array(window.size), np.array(window.kernel), strides=window.strides,
        dilations=window.dilations, pads=window.pads,
    )  # fmt: skip
    assert got.shape == x.shape
    agree(np.vdot(got, x), np.vdot(columns.reshape(seen.shape), seen), 1e-9)


@pytest.mark.parametrize(
    ("op", "inputs", "more", "words"),
    [
        ("Resize", ((1, 1, 2, 2), None, np.ones(3, np.float32)), {}, "given for 4 dimensions"),
        ("Resize", ((1, 1, 2, 2), None, -np.ones(4, np.float32)), {}, "scale -1 is out of range"),
        ("Resize", ((1, 1, 2, 2), None, np.ones(4, np.float32)), {"mode": "best"}, "'best'"),
        ("GridSample", ((1, 1, 2, 2), np.zeros((1, 2, 2, 3), np.float32)), {}, "do not fit"),
        ("Col2Im", ((1, 4, 3), np.array([4]), np.array([2])), {"strides": [9]}, "blocks"),
    ],
)
def test_what_does_not_fit_is_said(
    op: str, inputs: tuple[Any, ...], more: dict[str, Any], words: str
) -> None:
    with pytest.raises((ValueError, RuntimeError), match=words):
        one(op, np.zeros(inputs[0], np.float32), *inputs[1:], **more)

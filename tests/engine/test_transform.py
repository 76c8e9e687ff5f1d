"""Operators that are lists of regions, and two lists made one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Seeded
from tests.engine import direct
from tests.engine.direct import call, ffi, lib
from tests.engine.test_reduce import views

Step = Callable[[Any, Any, Any], None]  # appends to regions: from a described array, to another


class Regions:
    """A pvt_regions that is released at the end."""

    def __init__(self) -> None:
        self.list = ffi.gc(ffi.new("pvt_regions *"), lib.pvt_regions_release)
        self.kept: list[object] = []

    def run(self, dtype: np.dtype) -> None:
        call("regions_run", self.list, direct.DTYPES.index(dtype.name))


def numbers(values: object) -> Any:
    return ffi.new("int64_t[]", list(values))  # type: ignore[call-overload]


def array_of(arrays: list[Any]) -> tuple[Any, list[Any]]:
    described = [direct.convert(array) for array in arrays]
    return ffi.new("pvt_array *[]", described), described


def transform(name: str, shape: tuple[int, ...], dtype: np.dtype, *arguments: Any) -> np.ndarray:
    """Run one transform into a new array."""
    out = np.full(shape, 99).astype(dtype)
    regions = Regions()
    call(f"transform_{name}", regions.list, *arguments, out)
    regions.run(out.dtype)
    return out


def check(name: str, wanted: np.ndarray, *arguments: Any) -> None:
    np.testing.assert_array_equal(transform(name, wanted.shape, wanted.dtype, *arguments), wanted)


ANY_VIEW = settings(max_examples=60, deadline=None, print_blob=True)
VIEWS = views()


@ANY_VIEW
@given(VIEWS, st.data())
def test_one_view(view: tuple[np.ndarray, tuple[int, ...]], data: st.DataObject) -> None:
    x = view[0]
    if x.ndim == 0:
        return
    order = data.draw(st.permutations(range(x.ndim)))
    check("permute", x.transpose(order), x, ffi.new("int[]", list(order)))
    check("reshape", x.reshape(-1), x)
    if x.ndim > 1:
        check("reshape", x.reshape(x.shape[0], -1), x)
    axes = view[1]
    check("flip", np.flip(x, axes), x, sum(1 << axis for axis in axes))
    shifts = [data.draw(st.integers(-50, 50)) for _ in range(x.ndim)]
    check("roll", np.roll(x, shifts, range(x.ndim)), x, numbers(shifts))
    repeats = [data.draw(st.integers(0, 3)) for _ in range(x.ndim + 1)]
    check("tile", np.tile(x, repeats), x, numbers(repeats))
    axis = data.draw(st.integers(0, x.ndim - 1))
    times = data.draw(st.integers(0, 3))
    check("repeat", np.repeat(x, times, axis), x, axis, times)
    each = [data.draw(st.integers(0, 3)) for _ in range(x.shape[axis])]
    check("repeat_each", np.repeat(x, each, axis), x, axis, numbers(each))
    size = data.draw(st.integers(1, x.shape[axis]))
    step = data.draw(st.integers(1, 3))
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis)
    cut = tuple(slice(None, None, step if i == axis else 1) for i in range(x.ndim))
    check("windows", windows[cut], x, axis, size, step)
    if x.ndim > 1:
        k = data.draw(st.integers(-5, 5))
        nothing = np.zeros(1, x.dtype)
        zero = direct.describe(nothing).data
        check("triangle", np.tril(x, k), x, True, k, zero)
        check("triangle", np.triu(x, k), x, False, k, zero)
        other = (axis + 1) % x.ndim
        check("diagonal", np.diagonal(x, k, axis, other), x, k, axis, other)


@ANY_VIEW
@given(VIEWS, st.data())
def test_pad(view: tuple[np.ndarray, tuple[int, ...]], data: st.DataObject) -> None:
    x = view[0]
    if x.ndim == 0:
        return
    widths = [(data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))) for _ in range(x.ndim)]
    before, after = (numbers(w[i] for w in widths) for i in (0, 1))
    value = np.ones(1, x.dtype)
    element = ffi.from_buffer(value)
    for mode in ("constant", "edge", "reflect", "symmetric", "wrap"):
        options = {"constant_values": value[0]} if mode == "constant" else {}
        wanted = np.pad(x, widths, mode, **options)  # type: ignore[call-overload]
        check("pad", wanted, x, before, after, f"PVT_PAD_{mode.upper()}", element)


@ANY_VIEW
@given(VIEWS, st.data())
def test_several(view: tuple[np.ndarray, tuple[int, ...]], data: st.DataObject) -> None:
    x = view[0]
    count = data.draw(st.integers(1, 4))
    inputs, _kept = array_of([x] * count)
    axis = data.draw(st.integers(0, x.ndim))
    check("stack", np.stack([x] * count, axis), inputs, count, axis)
    if x.ndim == 0:
        return
    axis = min(axis, x.ndim - 1)
    check("concat", np.concatenate([x] * count, axis), inputs, count, axis)
    wanted = np.array_split(x, count, axis)
    outs = [np.zeros(part.shape, x.dtype) for part in wanted]
    parts, _kept = array_of(outs)
    regions = Regions()
    call("transform_split", regions.list, x, axis, parts, count)
    regions.run(x.dtype)
    for out, part in zip(outs, wanted, strict=True):
        np.testing.assert_array_equal(out, part)


def im2col(x: np.ndarray, window: Any) -> np.ndarray:
    top, left, bottom, right = window.padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    spans = [window.dilation[i] * (window.kernel[i] - 1) + 1 for i in (0, 1)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, (2, 3))
    view = view[:, :, :: window.stride[0], :: window.stride[1]]
    view = view[..., :: window.dilation[0], :: window.dilation[1]]
    return view.transpose(0, 1, 4, 5, 2, 3)


def test_pictures(rand: Seeded) -> None:
    x = np.arange(2 * 3 * 7 * 9, dtype=np.float32).reshape(2, 3, 7, 9)
    zero = ffi.new("float *", 0)
    for _ in range(40):
        window = ffi.new("pvt_window2d *")
        for i in (0, 1):
            window.kernel[i], window.stride[i] = rand.randint(1, 3), rand.randint(1, 3)
            window.dilation[i] = rand.randint(1, 2)
        for i in range(4):
            window.padding[i] = rand.randint(0, 9)
        check("im2col", im2col(x, window), x, window, zero)
        check("im2col", im2col(x[..., ::-1, :], window), x[..., ::-1, :], window, zero)
    deep = np.arange(2 * 12 * 3 * 5).reshape(2, 12, 3, 5)
    wanted = deep.reshape(2, 2, 2, 3, 3, 5).transpose(0, 3, 4, 1, 5, 2).reshape(2, 3, 6, 10)
    check("depth_to_space", wanted, deep, 2, False)
    check("space_to_depth", deep, wanted, 2)
    wanted = deep.reshape(2, 3, 2, 2, 3, 5).transpose(0, 1, 4, 2, 5, 3).reshape(2, 3, 6, 10)
    check("depth_to_space", wanted, deep, 2, True)


def test_many_dimensions() -> None:
    x = np.arange(3**9).reshape((3,) * 9)
    check("permute", x.transpose(range(8, -1, -1)), x, ffi.new("int[]", list(range(8, -1, -1))))


def test_refusals() -> None:
    x = np.zeros((2, 3))
    pair, _kept = array_of([x, x])
    for name, arguments, out in (
        ("copy", (x,), np.zeros((3, 2))),
        ("copy", (x,), np.zeros((2, 3), np.float32)),
        ("tile", (x, numbers([2, -1])), np.zeros((4, 3))),
        ("repeat_each", (x, 0, numbers([1, -1])), np.zeros((0, 3))),
        ("concat", (pair, 2, 0), np.zeros((5, 3))),
        ("windows", (x, 1, 4, 1), np.zeros((2, 0, 4))),
        ("diagonal", (x, 0, 1, 1), np.zeros(2)),
        ("roll", (x, numbers([0, 0])), np.zeros((2, 4))),
    ):
        with pytest.raises(direct.EngineError):
            call(f"transform_{name}", Regions().list, *arguments, out)
    one = numbers([1])
    with pytest.raises(direct.EngineError, match="can't extend empty axis 0"):
        call("transform_pad", Regions().list, np.zeros(0), one, one, 1, None, np.zeros(2))
    with pytest.raises(direct.EngineError, match="3 bytes"):
        call("raster", ffi.NULL, 0, 3)


# ---- Two lists made one -----------------------------------------------------


def random_step(shape: tuple[int, ...], rand: Seeded) -> tuple[tuple[int, ...], Any, str]:
    """A transform of an array of that shape: the result's shape, how to add it, its name."""
    ndim = len(shape)
    kind = rand.choice(("permute", "flip", "slice", "reshape", "concat", "tile", "roll", "pad"))
    if kind == "permute":
        order = rand.sample(range(ndim), ndim)
        axes = ffi.new("int[]", order)
        return (
            tuple(shape[i] for i in order),
            lambda r, x, to: call("transform_permute", r, x, axes, to),
            kind,
        )
    if kind == "flip":
        axes = rand.getrandbits(ndim)
        return shape, lambda r, x, to: call("transform_flip", r, x, axes, to), kind
    if kind == "slice":
        starts = [rand.randrange(n) for n in shape]
        steps = [rand.choice((1, 1, 2)) for _ in shape]
        counts = [
            rand.randint(1, (n - a - 1) // s + 1)
            for n, a, s in zip(shape, starts, steps, strict=True)
        ]

        def add_slice(r: Any, x: Any, to: Any) -> None:
            view = ffi.new("pvt_array *")
            ffi.memmove(view, x, ffi.sizeof("pvt_array"))
            for i in range(ndim):
                call("view_slice", view, i, starts[i], counts[i], steps[i])
            call("transform_copy", r, view, to)

        return tuple(counts), add_slice, kind
    if kind == "reshape":
        flat = int(np.prod(shape))
        new = (
            (flat,) if rand.random() < 0.5 else (*shape[:-2], shape[-1], int(np.prod(shape[-2:-1])))
        )
        return new, lambda r, x, to: call("transform_reshape", r, x, to), kind
    axis = rand.randrange(ndim)
    if kind == "concat":
        count = rand.randint(1, 3)
        wide = tuple(n * count if i == axis else n for i, n in enumerate(shape))

        def add_concat(r: Any, x: Any, to: Any) -> None:
            call("transform_concat", r, ffi.new("pvt_array *[]", [x] * count), count, axis, to)

        return wide, add_concat, kind
    if kind == "tile":
        repeats = [rand.choice((1, 1, 2)) for _ in shape]
        wide = tuple(n * k for n, k in zip(shape, repeats, strict=True))
        return wide, lambda r, x, to: call("transform_tile", r, x, numbers(repeats), to), kind
    if kind == "roll":
        shifts = [rand.choice((0, 0, rand.randint(-9, 9))) for _ in shape]
        return shape, lambda r, x, to: call("transform_roll", r, x, numbers(shifts), to), kind
    before = [rand.choice((0, rand.randint(0, 3))) for _ in shape]
    wide = tuple(n + 2 * k for n, k in zip(shape, before, strict=True))
    mode = rand.choice(("PVT_PAD_CONSTANT", "PVT_PAD_EDGE", "PVT_PAD_REFLECT"))
    widths = numbers(before)
    return (
        wide,
        lambda r, x, to: call("transform_pad", r, x, widths, widths, mode, MINUS_ONE, to),
        kind,
    )


MINUS_ONE = ffi.new("int32_t *", -1)


def test_compose(rand: Seeded) -> None:
    """Any two steps that compose give what they give one after the other; most do."""
    composed: dict[tuple[str, str], list[bool]] = {}
    for _ in range(3000):
        shape = tuple(rand.randint(1, 6) for _ in range(rand.randint(1, 4)))
        x = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        middle, first_step, first_name = random_step(shape, rand)
        last, second_step, second_name = random_step(middle, rand)
        between, wanted = np.empty(middle, np.int32), np.empty(last, np.int32)
        for step, source, target in ((first_step, x, between), (second_step, between, wanted)):
            regions = Regions()
            step(regions.list, direct.describe(source), direct.describe(target))
            regions.run(x.dtype)
        unreal = ffi.new("pvt_array *")
        call(
            "array_placeholder", unreal, direct.DTYPES.index("int32"), len(middle), numbers(middle)
        )
        out = np.full(last, -7, np.int32)
        first, second, both = Regions(), Regions(), Regions()
        first_step(first.list, direct.describe(x), unreal)
        second_step(second.list, unreal, direct.describe(out))
        possible = ffi.new("bool *")
        call("regions_compose", first.list, unreal, second.list, both.list, possible)
        composed.setdefault((first_name, second_name), []).append(bool(possible[0]))
        if possible[0]:
            both.run(x.dtype)
            np.testing.assert_array_equal(out, wanted)
        else:
            assert both.list.count == 0
    done = [one for many in composed.values() for one in many]
    assert sum(done) > 0.9 * len(done)
    assert all(composed["permute", "permute"])
    assert all(composed["reshape", "permute"])
    assert all(composed["permute", "reshape"])


@pytest.mark.parametrize("seed", [1000027, 2000215])
def test_compose_where_a_dimension_cannot_be_split(seed: int) -> None:
    """Splitting it would leave places that do not divide each other, and cutting would not end."""
    test_compose(Seeded(seed))


def test_compose_refuses_what_is_not_written() -> None:
    """A list that leaves holes cannot take the place of the array in between."""
    x, out = np.arange(6.0), np.zeros(6)
    unreal = ffi.new("pvt_array *")
    call("array_placeholder", unreal, direct.DTYPES.index("float64"), 1, numbers([6]))
    part = ffi.new("pvt_array *")
    ffi.memmove(part, unreal, ffi.sizeof("pvt_array"))
    call("view_slice", part, 0, 1, 5, 1)
    first, second, both = Regions(), Regions(), Regions()
    call("transform_copy", first.list, x[:5], part)
    call("transform_copy", second.list, unreal, out)
    possible = ffi.new("bool *")
    call("regions_compose", first.list, unreal, second.list, both.list, possible)
    assert not possible[0]
    assert both.list.count == 0


def test_catalogue() -> None:
    names = []
    for kind in ("PVT_ATOMIC", "PVT_TRANSFORM", "PVT_COMPOSITE"):
        count = lib.pvt_operator_count(getattr(lib, kind))
        own = [
            ffi.string(lib.pvt_operator_name(getattr(lib, kind), i)).decode() for i in range(count)
        ]
        assert lib.pvt_operator_name(getattr(lib, kind), count) == ffi.NULL
        assert lib.pvt_operator_name(getattr(lib, kind), -1) == ffi.NULL
        names += own
    assert len(names) == len(set(names))
    assert {"add", "sum", "cumsum", "sort", "concat", "im2col"} <= set(names)

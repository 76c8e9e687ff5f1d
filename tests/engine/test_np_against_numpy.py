"""polyvm.np beside NumPy: the same calls on the same arrays, whatever their types and strides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from polyvm import np

if TYPE_CHECKING:
    from collections.abc import Callable

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
EVERY = ["bool", *INTEGERS, *FLOATS, *COMPLEX]


@st.composite
def arrays(
    draw: st.DrawFn, dtypes: list[str] = EVERY, *, least: int = 0, most: int = 3, side: int = 0
) -> Any:
    """NumPy arrays: contiguous, transposed, reversed or with gaps; special values among them."""
    dtype = numpy.dtype(draw(st.sampled_from(dtypes)))
    shape = draw(hnp.array_shapes(min_dims=least, max_dims=most, min_side=side, max_side=6))
    x = draw(hnp.arrays(dtype, shape))
    if draw(st.booleans()):
        x = x.T
    if x.ndim and draw(st.booleans()):
        wide = numpy.repeat(x, 2, axis=-1)
        x = wide[..., ::2]
    if x.ndim and draw(st.booleans()):
        x = x[::-1]
    return x


def check(ours: Any, theirs: Any, *, rtol: float = 0.0) -> None:
    """Equal in type, shape and elements; NaNs are equal to NaNs, zeros to zeros."""
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            check(mine, other, rtol=rtol)
        return
    theirs = numpy.asarray(theirs)
    assert isinstance(ours, np.ndarray), ours
    assert ours.shape == theirs.shape
    assert str(ours.dtype) == str(theirs.dtype)
    found = numpy.asarray(ours)
    if rtol == 0.0:
        numpy.testing.assert_array_equal(found, theirs)
    else:
        numpy.testing.assert_allclose(found, theirs, rtol=rtol, atol=rtol)


def both(name: str, *inputs: Any, rtol: float = 0.0, **options: Any) -> None:
    """Call np.NAME and numpy.NAME; if NumPy refuses, so must we, with the same kind of error."""
    wrapped = [np.asarray(x) if isinstance(x, numpy.ndarray) else x for x in inputs]
    with numpy.errstate(all="ignore"):
        try:
            theirs = getattr(numpy, name)(*inputs, **options)
        except (TypeError, ValueError, IndexError) as error:
            with pytest.raises((TypeError, ValueError, IndexError)) as caught:
                getattr(np, name)(*wrapped, **options)
            assert isinstance(caught.value, type(error)) or isinstance(error, type(caught.value))
            return
    check(getattr(np, name)(*wrapped, **options), theirs, rtol=rtol)


EXACT_UNARY = [
    *("negative", "positive", "absolute", "square", "floor", "ceil", "trunc", "rint"),
    *(
        "isnan",
        "isinf",
        "isfinite",
        "signbit",
        "logical_not",
        "invert",
        "conjugate",
        "real",
        "imag",
    ),
]


@pytest.mark.parametrize("name", EXACT_UNARY)
@given(data=st.data())
@quick
def test_unary(name: str, data: st.DataObject) -> None:
    x = data.draw(arrays())
    assume(not (name == "square" and x.dtype.kind == "c"))  # rounded otherwise at the very end
    assume(not (name == "absolute" and x.dtype.kind == "c"))
    if name in ("real", "imag"):
        check(getattr(np.asarray(x), name), getattr(x, name))
    else:
        both(name, x)


EXACT_BINARY = [
    *("add", "subtract", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal"),
    *("less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor"),
    *(
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "left_shift",
        "right_shift",
        "copysign",
        "divide",
    ),
    *("floor_divide", "remainder", "gcd", "lcm", "nextafter"),
]


@pytest.mark.parametrize("name", EXACT_BINARY)
@given(data=st.data())
@quick
def test_binary(name: str, data: st.DataObject) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=5))
    types = [numpy.dtype(data.draw(st.sampled_from(EVERY))) for _ in range(2)]
    if name in ("multiply", "divide"):
        assume(all(t.kind != "c" for t in types))  # products of infinities are not settled
    if name in ("floor_divide", "remainder", "gcd", "lcm", "left_shift", "right_shift"):
        assume(all(t.kind in "iub" for t in types))
    x, y = (
        data.draw(hnp.arrays(t, shape)) for t, shape in zip(types, shapes.input_shapes, strict=True)
    )
    both(name, x, y)


@pytest.mark.parametrize(
    "name",
    [
        *("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "arctan", "log1p", "expm1", "cbrt"),
        *("sinh", "cosh", "arcsinh", "log2", "log10", "exp2", "arcsin", "arccos", "arctanh"),
    ],
)
@given(x=arrays(FLOATS))
@quick
def test_transcendental(name: str, x: Any) -> None:
    both(name, x, rtol=1e-5 if x.dtype == numpy.float32 else 1e-13)


@pytest.mark.parametrize("name", ["max", "min", "any", "all", "count_nonzero", "argmax", "argmin"])
@given(data=st.data())
@quick
def test_exact_reductions(name: str, data: st.DataObject) -> None:
    x = data.draw(arrays())
    assume(not (x.dtype.kind == "c" and name not in ("any", "all", "count_nonzero")))
    axes = [None, *range(-x.ndim, x.ndim)]
    axis = data.draw(st.sampled_from(axes))
    keepdims = data.draw(st.booleans())
    theirs_are_plain = name == "count_nonzero" and axis is None and not keepdims
    if theirs_are_plain:
        assert int(np.count_nonzero(np.asarray(x))) == numpy.count_nonzero(x)
    else:
        both(name, x, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "cumsum", "cumprod"])
@given(data=st.data())
@quick
def test_integer_sums(name: str, data: st.DataObject) -> None:
    x = data.draw(arrays(["bool", *INTEGERS], least=1, side=1))
    axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    if name != "mean":
        both(name, x, axis=axis)
        return
    # of numbers that cancel out, what rounding leaves is as large as they are, not as their mean
    got = numpy.asarray(np.mean(np.asarray(x), axis=axis))
    wanted = numpy.asarray(numpy.mean(x, axis=axis))
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    scale = numpy.abs(x.astype(numpy.float64)).mean(axis=axis)
    assert (numpy.abs(got - wanted) <= 1e-12 * scale).all(), (got, wanted)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "cumsum"])
@given(data=st.data())
@quick
def test_float_sums(name: str, data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=6))
    values = st.floats(-1e3, 1e3, width=32)
    x = data.draw(hnp.arrays(numpy.float64, shape, elements=values))
    axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    both(name, x, axis=axis, rtol=1e-9)


# ---- Shapes --------------------------------------------------------------------------------

MOVES: list[tuple[str, Callable[[Any], dict[str, Any]]]] = [
    ("flip", lambda x: {"axis": x.ndim - 1}),
    ("roll", lambda _: {"shift": 2, "axis": 0}),
    ("moveaxis", lambda _: {"source": 0, "destination": -1}),
    ("repeat", lambda _: {"repeats": 3, "axis": 0}),
    ("tile", lambda x: {"reps": (2,) * x.ndim}),
    ("ravel", lambda _: {}),
    ("expand_dims", lambda _: {"axis": 0}),
    ("squeeze", lambda _: {}),
    ("transpose", lambda _: {}),
    ("atleast_2d", lambda _: {}),
    ("unique", lambda _: {}),
    ("tril", lambda _: {"k": 1}),
    ("triu", lambda _: {"k": -1}),
    ("pad", lambda _: {"pad_width": 2}),
    ("nonzero", lambda _: {}),
    ("sort", lambda _: {"axis": 0}),
    ("diff", lambda _: {"axis": 0}),
]


@pytest.mark.parametrize(("name", "options"), MOVES, ids=[name for name, _ in MOVES])
@given(x=arrays(["bool", *INTEGERS, *FLOATS], least=1))
@quick
def test_moves(name: str, options: Callable[[Any], dict[str, Any]], x: Any) -> None:
    named = options(x)
    # the standard's names of these are positional only
    given_by_place = [named.pop(key) for key in ("shift", "repeats", "reps") if key in named]
    wrapped = np.asarray(x)
    assume(not (name == "diff" and x.dtype.kind == "f"))  # inf - inf is a NaN either way
    with numpy.errstate(all="ignore"):
        theirs = getattr(numpy, name)(x, *given_by_place, **named)
    check(getattr(np, name)(wrapped, *given_by_place, **named), theirs)


@given(data=st.data())
@quick
def test_joins(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    parts = [
        data.draw(hnp.arrays(numpy.dtype(data.draw(st.sampled_from(EVERY))), shape))
        for _ in range(data.draw(st.integers(1, 4)))
    ]
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check(np.concat([np.asarray(p) for p in parts], axis=axis), numpy.concatenate(parts, axis=axis))
    check(np.stack([np.asarray(p) for p in parts], axis=axis), numpy.stack(parts, axis=axis))


# ---- Indexing ------------------------------------------------------------------------------


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    kind = draw(st.sampled_from(["basic", "integers", "mask", "mixed"]))
    if kind == "basic":
        return draw(hnp.basic_indices(shape, allow_newaxis=True))
    if kind == "mask":
        return draw(hnp.arrays(numpy.bool_, shape))
    if kind == "integers":
        assume(0 not in shape)
        return draw(hnp.integer_array_indices(shape))
    assume(len(shape) >= 2 and shape[0] > 0)
    rows = draw(hnp.arrays(numpy.int64, st.integers(0, 4), elements=st.integers(0, shape[0] - 1)))
    rest = draw(hnp.basic_indices(shape[1:], allow_ellipsis=False))
    rest = rest if isinstance(rest, tuple) else (rest,)
    return (rows, *rest)


def wrapped_key(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(wrapped_key(part) for part in key)
    return np.asarray(key) if isinstance(key, numpy.ndarray) else key


@given(data=st.data())
@settings(quick, max_examples=300)
def test_indexing(data: st.DataObject) -> None:
    x = data.draw(arrays(["int32", "float64", "complex64"], least=1))
    key = data.draw(keys(x.shape))
    check(np.asarray(x)[wrapped_key(key)], x[key])


@given(data=st.data())
@settings(quick, max_examples=300)
def test_assignment(data: st.DataObject) -> None:
    x = data.draw(arrays(["int32", "float64"], least=1)).copy()
    key = data.draw(keys(x.shape))
    value = data.draw(st.one_of(st.integers(-9, 9), st.just(None)))
    mine = np.array(x)
    if value is None:  # an array of the place's shape, whose duplicates are all alike
        value = numpy.full(x[key].shape, 7, x.dtype)
        mine[wrapped_key(key)] = np.asarray(value)
    else:
        mine[wrapped_key(key)] = value
    x[key] = value
    check(mine, x)


# ---- Conversion ----------------------------------------------------------------------------


@given(x=arrays(), to=st.sampled_from(EVERY))
@settings(quick, max_examples=200)
def test_astype(x: Any, to: str) -> None:
    if x.dtype.kind in "fc" and numpy.dtype(to).kind in "iu":
        assume(bool(numpy.all(numpy.abs(x.real) < 100)))  # beyond, it is the processor's choice
        assume(to.startswith("int") or bool(numpy.all(x.real >= 0)))
    real = x.real if x.dtype.kind == "c" and numpy.dtype(to).kind not in "cb" else x
    with numpy.errstate(all="ignore"):
        wanted = real.astype(to)
    check(np.asarray(x).astype(to), wanted)


@given(x=arrays())
@quick
def test_lists_and_back(x: Any) -> None:
    mine = np.asarray(x)
    numpy.testing.assert_array_equal(numpy.array(mine.tolist(), x.dtype).reshape(x.shape), x)
    check(np.array(mine.tolist(), dtype=str(x.dtype)).reshape(x.shape), x)
    assert mine.tobytes() == x.tobytes()


@given(x=arrays())
@quick
def test_dlpack_both_ways(x: Any) -> None:
    check(np.from_dlpack(x), x)
    numpy.testing.assert_array_equal(numpy.from_dlpack(np.asarray(x)), x)

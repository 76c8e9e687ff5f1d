"""polyvm.np: arrays and scalars as text, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polyvm import np as xp

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64", "complex64", "complex128"]

SPECIAL = [0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 1e-5, 1e-4, 123.456, 9999.5, 1e5, 1e6, 1e7, 1e8]
SPECIAL += [1e16, 1.5e300, 5e-324, float("nan"), float("inf"), -float("inf"), 65504.0, 1e-300]


def ours(array: np.ndarray) -> xp.ndarray:
    return xp.asarray(array)


def both(array: np.ndarray) -> None:
    assert repr(ours(array)) == repr(array)
    assert str(ours(array)) == str(array)


def elements(dtype: str) -> st.SearchStrategy:
    """Any value, and often ones that lie close together, as real data do."""
    some = arrays.from_dtype(np.dtype(dtype))
    kind = np.dtype(dtype).kind
    if kind in "iu":
        return some | st.integers(0, 100)
    if kind == "f":
        close = st.integers(-5000, 5000).map(lambda n: float(np.dtype(dtype).type(n / 100)))
        return some | close | st.sampled_from([0.0, 1.0, float("nan"), float("inf")])
    return some


@pytest.mark.parametrize("dtype", DTYPES + FLOATS)
@settings(max_examples=150, deadline=None, print_blob=True)
@given(data=st.data())
def test_arrays_print_as_numpy_prints_them(dtype: str, data: st.DataObject) -> None:
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    both(data.draw(arrays.arrays(dtype, shape, elements=elements(dtype))))


@pytest.mark.parametrize("dtype", DTYPES + FLOATS)
@settings(max_examples=200, deadline=None, print_blob=True)
@given(data=st.data())
def test_scalars_print_as_numpy_prints_them(dtype: str, data: st.DataObject) -> None:
    value = np.array([data.draw(elements(dtype))], dtype=dtype)
    assert repr(ours(value)[0]) == repr(value[0])
    assert str(ours(value)[0]) == str(value[0])
    assert f"{ours(value)[0]}" == f"{value[0]}"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_special_values(dtype: str) -> None:
    with np.errstate(all="ignore"):
        values = np.array(SPECIAL).astype(dtype)
    for i in range(len(values)):
        both(values[i : i + 1])
        both(values[i : i + 3])
        assert repr(ours(values)[i]) == repr(values[i])
    both(values)
    both(values + 1j)


@pytest.mark.parametrize("shape", [(1001,), (1000,), (50, 50), (3, 400), (400, 3), (7, 8, 40)])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "float64", "complex128", "bool"])
def test_long_arrays_are_summarised(shape: tuple[int, ...], dtype: str) -> None:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    both(values)
    both(values.T)
    if dtype == "float64":
        both(values / 7)


def test_empty_arrays() -> None:
    for shape in [(0,), (0, 3), (3, 0), (2, 0, 4)]:
        for dtype in ["float64", "int32", "bool"]:
            both(np.zeros(shape, dtype))


OPTIONS = [
    {"precision": 3},
    {"precision": 0},
    {"suppress": True},
    {"precision": 4, "floatmode": "fixed"},
    {"floatmode": "unique"},
    {"floatmode": "maxprec_equal"},
    {"sign": "+"},
    {"sign": " "},
    {"linewidth": 30},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 2},
    {"nanstr": "missing", "infstr": "endless"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
def test_options(options: dict[str, object], dtype: str) -> None:
    rng = np.random.default_rng(7)
    samples = [rng.normal(0, scale, shape).astype(dtype) for scale in (1, 100, 1e-3, 1e6)
               for shape in ((3,), (2, 9), ())]  # fmt: skip
    if dtype != "int64":
        samples += [np.array([1.0, np.nan, -np.inf], dtype=dtype)]
    before = xp.get_printoptions()
    with xp.printoptions(**options), np.printoptions(**options):
        for values in samples:
            both(values)
    assert xp.get_printoptions() == before


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="floatmode"):
        xp.set_printoptions(floatmode="round")
    with pytest.raises(ValueError, match="sign"):
        xp.set_printoptions(sign="x")
    with pytest.raises(TypeError, match="precision"):
        xp.set_printoptions(precision=1.5)
    with pytest.raises(ValueError, match="NAN"):
        xp.set_printoptions(threshold=float("nan"))
    with pytest.raises(TypeError, match="colour"):
        xp.set_printoptions(colour=1)


def test_array2string() -> None:
    values = np.linspace(0, 1, 12).reshape(3, 4)
    for options in (
        {"precision": 2},
        {"separator": ","},
        {"separator": ", ", "prefix": "name = "},
        {"max_line_width": 20},
        {"suppress_small": True},
        {"formatter": {"float": lambda x: f"<{float(x):.1f}>"}},
        {"formatter": {"float_kind": lambda x: f"{float(x):.3e}"}},
        {"formatter": {"int": str}},
        {"threshold": 4, "edgeitems": 1},
        {"floatmode": "fixed", "precision": 1},
    ):
        assert xp.array2string(ours(values), **options) == np.array2string(values, **options)
    assert xp.array_repr(ours(values), precision=2) == np.array_repr(values, precision=2)
    assert xp.array_str(ours(values), precision=2) == np.array_str(values, precision=2)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(
    value=st.floats() | st.integers(-10000, 10000).map(lambda n: n / 64),
    precision=st.none() | st.integers(0, 12),
    unique=st.booleans(),
    trim=st.sampled_from("k.0-"),
    sign=st.booleans(),
    left=st.none() | st.integers(1, 8),
)
def test_format_float(
    value: float,
    precision: int | None,
    *,
    unique: bool,
    trim: str,
    sign: bool,
    left: int | None,
) -> None:
    options = {"precision": precision, "unique": unique, "trim": trim, "sign": sign}
    if precision is None and not unique:
        with pytest.raises(TypeError, match="precision"):
            xp.format_float_positional(value, **options)
        return
    if left is not None:
        options["pad_left"] = left
    for name in ("format_float_positional", "format_float_scientific"):
        wanted = getattr(np, name)(value, **options)
        if trim == "-":
            wanted = wanted.replace(".e", "e")  # NumPy leaves a point that it says it takes away
        assert getattr(xp, name)(value, **options) == wanted


def test_bfloat16_prints_by_its_own_digits() -> None:
    values = xp.asarray([1.0, 0.1, 3.140625, -0.0, float("nan")], dtype=xp.bfloat16)
    assert repr(values) == "array([ 1.  ,  0.1 ,  3.14, -0.  ,   nan], dtype=bfloat16)"
    assert repr(values[1]) == "np.bfloat16(0.1)"
    assert str(xp.asarray([1e30], dtype="bfloat16")) == "[1.e+30]"

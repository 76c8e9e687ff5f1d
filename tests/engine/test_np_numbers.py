"""polyvm.np: parts of numbers, bits, windows, indices written as slices, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polyvm import np as xp

from .against_numpy import compare, same


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@settings(max_examples=200, deadline=None, print_blob=True)
@given(data=st.data())
def test_parts(dtype: str, data: st.DataObject) -> None:
    x = data.draw(arrays.arrays(dtype, st.integers(0, 5)))
    compare("modf", x)
    compare("frexp", x)
    compare("spacing", x)
    powers = data.draw(arrays.arrays("int32", x.shape, elements=st.integers(-60, 60)))
    compare("ldexp", np.clip(np.nan_to_num(x), -1e9, 1e9), powers)


def test_powers_and_parts() -> None:
    compare("float_power", [1, 2, -3], 2)
    compare("float_power", np.float32(2), 0.5)
    compare("float_power", [1j, 2], 2)
    compare("real_if_close", np.array([1 + 1e-14j, 2]))
    compare("real_if_close", np.array([1 + 1e-3j, 2]))
    compare("real_if_close", np.array([1.0]))
    compare("frexp", 8.0)
    compare("ldexp", 1.0, 2.5)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64", "uint64"])
@settings(max_examples=50, deadline=None, print_blob=True)
@given(data=st.data())
def test_bits(dtype: str, data: st.DataObject) -> None:
    x = data.draw(arrays.arrays(dtype, arrays.array_shapes(max_dims=2, max_side=20)))
    compare("bitwise_count", x)
    for order in ("big", "little"):
        compare("packbits", x, bitorder=order)
        compare("packbits", x, axis=-1, bitorder=order)
        compare("unpackbits", x, axis=0, bitorder=order)
        for count in (None, 3, -1, 400):
            compare("unpackbits", x, count=count, bitorder=order)


@given(n=st.integers(-300, 300), width=st.none() | st.integers(1, 12), base=st.integers(1, 37))
def test_numbers_as_digits(n: int, width: int | None, base: int) -> None:
    compare("binary_repr", n, width)
    compare("base_repr", n, base)
    compare("base_repr", n, base, 3)


def test_windows() -> None:
    for m in (0, 1, 2, 5, 12):
        for name in ("bartlett", "blackman", "hamming", "hanning"):
            compare(name, m)
        compare("kaiser", m, 8.6)
        compare("kaiser", m, 0)
    compare("i0", np.array([0.0, 0.5, -3.0, 20.0, 29.9, 31.0, 100.0]), rtol=1e-12)


def test_indices_written_as_slices() -> None:
    for name in ("mgrid", "ogrid"):
        mine, theirs = getattr(xp, name), getattr(np, name)
        same(mine[0:3, 1:5:2], theirs[0:3, 1:5:2])
        same(mine[0:1:3j, 0:2], theirs[0:1:3j, 0:2])
        same(mine[2:9:3], theirs[2:9:3])
    same(xp.r_[1:4, 0, [5, 6]], np.r_[1:4, 0, [5, 6]])
    same(xp.c_[[1, 2], [3, 4]], np.c_[[1, 2], [3, 4]])
    assert xp.s_[1:2, ::3] == np.s_[1:2, ::3]
    assert xp.index_exp[1] == np.index_exp[1]
    compare("diag_indices", 3)
    compare("diag_indices_from", np.zeros((2, 2, 2)))
    compare("tril_indices_from", np.zeros((3, 4)), 1)
    compare("triu_indices_from", np.zeros((3, 4)))


def test_types_have_numpys_names() -> None:
    names = ["bool_", "byte", "ubyte", "short", "ushort", "intc", "uintc", "int_", "uint", "intp"]
    names += ["uintp", "long", "ulong", "longlong", "ulonglong", "half", "single", "double"]
    for name in [*names, "csingle", "cdouble"]:
        assert xp.dtype(getattr(xp, name)).name == np.dtype(getattr(np, name)).name

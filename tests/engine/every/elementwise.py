"""Calls of elementwise functions, of what compares values, and of scalars' types."""

from __future__ import annotations

from typing import Any

from .making import (
    COMPLEX,
    EVERY,
    FLOATS,
    INTEGERS,
    NUMBERS,
    REAL,
    WIDE,
    Maker,
    Name,
)
from .table import EXACT, SUMS, ULPS, UNSIGNED_ZEROS, Arguments, Check, entry

BITS = ("bool", *INTEGERS)
PLAIN = ("bool", *REAL)
# Products and quotients of complex infinities are not settled.
TAME = Check(ulps=5, zeros=False)


@entry("negative positive sign square absolute abs")
def _(m: Maker) -> Arguments:
    return [m.array(PLAIN)], {}


@entry("floor ceil trunc rint fix isnan isinf isfinite signbit logical_not")
def _(m: Maker) -> Arguments:
    return [m.array(PLAIN)], {}


@entry("invert bitwise_not bitwise_invert bitwise_count", examples=6)
def _(m: Maker) -> Arguments:
    return [m.array((*BITS, "float32"))], {}


@entry("conj conjugate real imag angle isreal iscomplex isrealobj iscomplexobj", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(NUMBERS)], {}


@entry("spacing", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(WIDE)], {}


@entry("fabs deg2rad rad2deg radians degrees isposinf isneginf sqrt", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(FLOATS)], {}


@entry("reciprocal", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(FLOATS)], {}


@entry("exp exp2 expm1 sin cos tan tanh sinh cosh arctan atan cbrt arcsinh asinh", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(PLAIN)], {}


@entry("log log2 log10 log1p arccosh acosh", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(PLAIN, low=-1, high=50)], {}


@entry("arcsin asin arccos acos arctanh atanh", check=ULPS)
def _(m: Maker) -> Arguments:
    return [m.array(FLOATS, low=-1.1, high=1.1)], {}


@entry("sinc i0", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, special=False)], {}


@entry("add subtract multiply maximum minimum fmax fmin", check=UNSIGNED_ZEROS, examples=25)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    if m.chance(8):  # into an array, which may be too narrow, or of another shape
        out = m.choose([m.array(PLAIN, x.shape, layout=""), m.array(("float64",), (3, *x.shape))])
        return [x, m.array(PLAIN, x.shape)], {"out": out}
    y = m.array(PLAIN, m.partner(x.shape))
    return [x, m.choose([y, y, y, 3, -2, 2.5, True, 300])], {}


@entry("equal not_equal less less_equal greater greater_equal", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    y = m.array(PLAIN, m.partner(x.shape))
    return [x, m.choose([y, y, y, 3, -2, 2.5, True, 300])], {}


@entry("logical_and logical_or logical_xor copysign")
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x, m.array(PLAIN, m.partner(x.shape))], {}


@entry("divide true_divide", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x, m.array(PLAIN, m.partner(x.shape))], {}


@entry("floor_divide remainder mod fmod divmod", check=UNSIGNED_ZEROS, examples=20)
def _(m: Maker) -> Arguments:
    dtypes = m.choose([INTEGERS, WIDE])  # of infinities the standard says what NumPy does not
    x = m.array(dtypes, special=dtypes is INTEGERS)
    return [x, m.array(dtypes, m.partner(x.shape), special=dtypes is INTEGERS)], {}


@entry("bitwise_and bitwise_or bitwise_xor gcd lcm", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(BITS)
    return [x, m.array(BITS, m.partner(x.shape))], {}


@entry("left_shift right_shift bitwise_left_shift bitwise_right_shift")
def _(m: Maker) -> Arguments:
    x = m.array(INTEGERS)
    return [x, m.array(INTEGERS, m.partner(x.shape), low=0, high=70, special=False)], {}


@entry("power pow", check=ULPS, examples=20)
def _(m: Maker) -> Arguments:
    if m.chance(4):  # of -inf NumPy gives a square root's NaN, the standard says inf
        return [m.array(WIDE, special=False), 0.5], {}
    x = m.array(REAL)
    y = m.array(REAL, m.partner(x.shape), low=-3, high=8, special=False)
    return [x, m.choose([y, y, 2, 3, -1])], {}


@entry("float_power", check=ULPS)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, special=False)
    return [x, m.array(REAL, m.partner(x.shape), low=-3, high=8, special=False)], {}


@entry("arctan2 atan2 hypot logaddexp logaddexp2 nextafter heaviside", check=ULPS)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE, low=0, high=9)
    return [x, m.array(WIDE, m.partner(x.shape), low=0, high=9)], {}


@entry("ldexp")
def _(m: Maker) -> Arguments:
    x = m.array(WIDE)
    return [x, m.array(("int32", "int64"), m.partner(x.shape), special=False)], {}


@entry("frexp modf")
def _(m: Maker) -> Arguments:
    return [m.array(FLOATS)], {}


@entry("nan_to_num")
def _(m: Maker) -> Arguments:
    return [m.array(EVERY)], m.options(nan=3.0, posinf=7.0, neginf=-7.0)


@entry("real_if_close")
def _(m: Maker) -> Arguments:
    return [m.array(COMPLEX)], {}


@entry("round around", check=UNSIGNED_ZEROS)
def _(m: Maker) -> Arguments:
    return [m.array(REAL, special=False), m.number(-2, 3)], {}


@entry("clip", check=UNSIGNED_ZEROS, examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(REAL)
    low, high = (m.array((x.dtype,), m.partner(x.shape)) for _ in range(2))
    return [x, m.choose([low, 1, None]), m.choose([high, 5, None])], {}


@entry("isclose allclose", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE)
    y = m.choose([m.array(WIDE, m.partner(x.shape)), x])
    return [x, y], m.options(rtol=0.5, atol=3.0, equal_nan=True)


@entry("array_equal array_equiv", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x, m.choose([x, m.array(PLAIN, m.partner(x.shape))])], {}


@entry("where", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(EVERY)
    condition = m.array(("bool", "int8", "float32"), m.partner(x.shape))
    if m.chance(8):
        return [condition], {}
    return [condition, x, m.choose([m.array(EVERY, m.partner(x.shape)), 3, 2.5])], {}


@entry("unwrap", check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE, m.shape(1), special=False)
    return [x], {"axis": m.number(-x.ndim, x.ndim - 1)}


@entry("isscalar ndim shape size")
def _(m: Maker) -> Arguments:
    return [m.choose([m.array(), 3, 2.5, 1j, [1, 2], [[1, 2], [3, 4]]])], {}


# ---- The engine's own, beside what they are made of in NumPy ---------------------------------


@entry("erf sigmoid", check=Check(by=lambda mine, _: bounded(mine)))
def _(m: Maker) -> Arguments:
    return [m.array(WIDE)], {}


def bounded(mine: Any) -> None:
    """NumPy has no such functions; test_elementwise_functions.py holds their values to bounds."""
    assert bool(((abs(mine) <= 1) | (mine != mine)).all())  # noqa: PLR0124 - NaNs


# ---- Types, called as functions ---------------------------------------------------------------

SCALARS = """bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64
    complex64 complex128 byte short intc int_ intp long longlong ubyte ushort uintc uint uintp
    ulong ulonglong half single double csingle cdouble"""


@entry("bool", SCALARS, examples=5)
def _(m: Maker) -> Arguments:
    return [
        m.choose(
            [
                0,
                1,
                3.75,
                True,
                [1, 0, 2],
                [[0.5, 1], [2, 3]],
                m.array(REAL, (2, 3), low=0, special=False),
            ]
        )
    ], {}


@entry("dtype", examples=20)
def _(m: Maker) -> Arguments:
    return [
        m.choose([*EVERY, Name("float32"), "<f4", "f8", "i4", "?", "nonsense", "u1", "c16"])
    ], {}


@entry("bfloat16", check=Check(by=lambda mine, _: halved(mine)))
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, special=False)], {}


def halved(mine: Any) -> None:
    """NumPy has no such type: eight bits of the fraction, the implied one among them."""
    assert mine.dtype.name == "bfloat16"
    wide = mine.astype("float32")
    assert bool((wide.astype("bfloat16") == mine).all())


def limits(mine: Any, other: Any) -> None:
    if isinstance(other, Exception):
        assert isinstance(mine, type(other))
        return
    for name in ["bits", "max", "min", "eps", "smallest_normal", "tiny", "smallest_subnormal"]:
        if hasattr(other, name):
            assert float(getattr(mine, name)) == float(getattr(other, name)), name


@entry("finfo", check=Check(by=limits))
def _(m: Maker) -> Arguments:
    return [m.choose([*FLOATS, *COMPLEX, "int8"])], {}


@entry("iinfo", check=Check(by=limits))
def _(m: Maker) -> Arguments:
    return [m.choose([*INTEGERS, "float32"])], {}


@entry("can_cast", examples=30)
def _(m: Maker) -> Arguments:
    rules = ["no", "equiv", "safe", "same_kind", "unsafe"]
    return [m.choose(EVERY), m.choose(EVERY)], m.options(casting=m.choose(rules))


@entry("promote_types", examples=40)
def _(m: Maker) -> Arguments:
    return [m.choose(EVERY), m.choose(EVERY)], {}


@entry("result_type common_type", examples=25)
def _(m: Maker) -> Arguments:
    return [m.array(NUMBERS) for _ in range(m.number(1, 3))], {}


@entry("min_scalar_type", examples=20)
def _(m: Maker) -> Arguments:
    return [
        m.choose([0, 1, 255, 256, -1, -129, 70000, 2**40, 2**63, True, m.array(EVERY, (2,))])
    ], {}


@entry("isdtype", examples=20)
def _(m: Maker) -> Arguments:
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "numeric"]
    kind = m.choose([*kinds, "complex floating", "nonsense"])
    return [Name(m.choose(["int8", "float32", "uint16", "complex64"])), kind], {}


@entry("issubdtype", examples=25)
def _(m: Maker) -> Arguments:
    families = "generic number integer signedinteger unsignedinteger inexact floating"
    family = m.choose([*families.split(), "complexfloating", "int8", "float64"])
    return [m.choose(EVERY), Name(family)], {}


@entry("astype", check=EXACT, examples=25)
def _(m: Maker) -> Arguments:
    return [m.array(NUMBERS, special=False, low=0), m.choose(EVERY)], {}

"""Calls of arrays' methods and properties."""

from __future__ import annotations

from typing import Any

from .making import EVERY, INTEGERS, NUMBERS, REAL, WIDE, Maker, Strided
from .table import SUMS, ULPS, UNSIGNED_ZEROS, Arguments, Check, entry

PLAIN = ("bool", *REAL)
BITS = ("bool", *INTEGERS)


def method(names: str) -> str:
    return " ".join(f"ndarray.{name}" for name in names.split())


@entry(
    method("T shape ndim size itemsize nbytes dtype device real imag tolist tobytes"), examples=6
)
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry(method("strides"))
def _(m: Maker) -> Arguments:
    shape = m.shape(1, empty=False)
    return [m.array(REAL, shape, layout=m.choose(["", "T"]))], {}


@entry(
    method("mT copy __copy__ conj conjugate nonzero flatten ravel squeeze __len__ __pos__"),
    examples=8,
)
def _(m: Maker) -> Arguments:
    return [m.array(NUMBERS)], {}


@entry(method("__neg__ __abs__ __bool__"), check=ULPS, examples=8)
def _(m: Maker) -> Arguments:
    return [m.array(PLAIN, m.shape(side=2))], {}


@entry(method("__int__ __float__ __index__ __complex__ item"), examples=10)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY, m.choose([(), (1,), (1, 1), (2,), (0,)]), special=False)], {}


def refused(mine: Any, other: Any) -> None:
    assert isinstance(mine, TypeError)
    assert other is None  # NumPy's method


@entry(method("__hash__"), check=Check(by=refused))
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry(method("__repr__ __str__"), examples=25)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY)], {}


@entry(method("__format__"))
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, m.choose([(), (2,)]), special=False), m.choose(["", ".3f", "8.2e"])], {}


def rounded(mine: Any, other: Any) -> None:
    """NumPy's scalars have the method, its arrays have not."""
    assert isinstance(other, AttributeError)
    assert isinstance(mine, float)


@entry(method("__round__"), check=Check(by=rounded))
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, (), special=False), 1], {}


@entry(method("data flags flat base"))
def _(m: Maker) -> Arguments:
    return [m.array(REAL, m.shape(1, empty=False), layout="")], {}


@entry(method("all any"), examples=8)
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


@entry(method("max min"), check=UNSIGNED_ZEROS)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


@entry(method("argmax argmin"))
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x], {"axis": m.axis(x)}


@entry(method("sum prod mean var std"), check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN, special=False, low=-2, high=2)
    return [x], {"axis": m.axes(x), **m.options(keepdims=True)}


@entry(method("cumsum cumprod"), check=SUMS)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN, special=False, low=-2, high=2)
    return [x], {"axis": m.axis(x)}


def spread(mine: Any, other: Any) -> None:
    """NumPy 2 has the function only."""
    assert isinstance(other, AttributeError)
    assert float(mine) >= 0


@entry(method("ptp"), check=Check(by=spread))
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, m.shape(1, empty=False), special=False)], {}


@entry(method("sort"), check=UNSIGNED_ZEROS)
def _(m: Maker) -> Arguments:
    x = m.array(layout="")
    return [x], m.options(axis=m.axis(x, none=False))


@entry(method("argsort"))
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x], {"axis": m.axis(x), "stable": True}


def sized(mine: Any, other: Any) -> None:
    if isinstance(other, Exception):
        assert isinstance(mine, type(other))
        return
    assert mine.shape == other.shape


@entry(method("partition argpartition"), check=Check(by=sized))
def _(m: Maker) -> Arguments:
    return [m.array(REAL, (m.number(1, 6),), layout=""), m.choose([0, -1, 99])], {}


@entry(method("searchsorted"))
def _(m: Maker) -> Arguments:
    x = m.array(("int64",), (m.number(0, 6),), layout="", special=False)
    x.base.sort()
    return [x, m.array(("int64",), special=False)], m.options(side="right")


@entry(method("astype"), examples=25)
def _(m: Maker) -> Arguments:
    return [m.array(NUMBERS, special=False, low=0), m.choose(EVERY)], m.options(
        copy=False, casting=m.choose(["safe", "unsafe", "same_kind"])
    )


@entry(method("reshape"), examples=16)
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, *m.choose([[-1], [x.shape[::-1]], [1, -1], list(x.shape), [7]])], {}


@entry(method("resize"))
def _(m: Maker) -> Arguments:
    # more dimensions than there are only NumPy gives in place
    x = m.array(REAL, m.shape(2, 2), layout="")
    return [x, m.choose([(2, 3), 4, 0, (1, 5)])], {"refcheck": False}


@entry(method("transpose"))
def _(m: Maker) -> Arguments:
    x = m.array()
    axes = list(range(x.ndim))
    m.rand.shuffle(axes)
    return [x, *m.choose([axes, [], [tuple(axes)]])], {}


@entry(method("swapaxes"))
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1))
    return [x, m.axis(x, none=False), m.axis(x, none=False)], {}


@entry(method("diagonal trace"))
def _(m: Maker) -> Arguments:
    return [m.array(INTEGERS, m.shape(1))], m.options(offset=m.number(-2, 2))


@entry(method("repeat"))
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.number(0, 3)], {"axis": m.axis(x)}


@entry(method("take"))
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1, empty=False))
    return [x, m.choose([0, [0, -1], 9])], {"axis": m.axis(x)}


@entry(method("put"))
def _(m: Maker) -> Arguments:
    return [m.array(layout=""), m.choose([[0], [1, 2], 9]), m.choose([1, [2, 3]])], {}


@entry(method("choose"))
def _(m: Maker) -> Arguments:
    shape = m.shape()
    index = m.array(("int64",), shape, special=False, low=0, high=1)
    return [index, [m.array(REAL, shape), m.array(REAL, ())]], {}


@entry(method("compress"))
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.array(("bool",), (x.size,))], {}


@entry(method("clip"), check=UNSIGNED_ZEROS)
def _(m: Maker) -> Arguments:
    return [m.array(REAL, special=False)], m.options(min=1, max=5)


@entry(method("round"), check=UNSIGNED_ZEROS)
def _(m: Maker) -> Arguments:
    return [m.array(REAL, special=False)], m.options(decimals=m.number(-1, 2))


@entry(method("fill"))
def _(m: Maker) -> Arguments:
    return [m.array(layout=""), m.choose([1, 0, True])], {}


@entry(method("dot"), check=SUMS)
def _(m: Maker) -> Arguments:
    n = m.number(1, 4)
    return [m.array(WIDE, (2, n), special=False), m.array(WIDE, (n,), special=False)], {}


@entry(method("view"), examples=20)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY), *m.choose([[], [m.choose(EVERY)]])], {}


@entry(method("setflags"))
def _(m: Maker) -> Arguments:
    return [m.array(layout="")], m.options(write=m.chance())


@entry(method("to_device"))
def _(m: Maker) -> Arguments:
    return [m.array(), m.choose(["cpu", "gpu"])], {}


# ---- Operators ----------------------------------------------------------------------------------


@entry(
    method("__add__ __sub__ __mul__ __radd__ __rsub__ __rmul__"), check=UNSIGNED_ZEROS, examples=16
)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x, m.choose([m.array(PLAIN, m.partner(x.shape)), 2, 0.5, True])], {}


@entry(method("__truediv__ __rtruediv__"), examples=10)
def _(m: Maker) -> Arguments:
    x = m.array(REAL)
    return [x, m.choose([m.array(REAL, m.partner(x.shape)), 2, 0.5])], {}


@entry(
    method("__floordiv__ __mod__ __rfloordiv__ __rmod__ __divmod__ __rdivmod__"),
    check=UNSIGNED_ZEROS,
)
def _(m: Maker) -> Arguments:
    x = m.array(INTEGERS)
    return [x, m.choose([m.array(INTEGERS, m.partner(x.shape)), 3])], {}


@entry(method("__pow__ __rpow__"), check=ULPS)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE, special=False, low=0.5, high=3)
    return [x, m.choose([m.array(WIDE, m.partner(x.shape), special=False), 2, 0.5, 3])], {}


@entry(method("__and__ __or__ __xor__ __rand__ __ror__ __rxor__"))
def _(m: Maker) -> Arguments:
    x = m.array(BITS)
    return [x, m.choose([m.array(BITS, m.partner(x.shape)), 3, True])], {}


@entry(method("__lshift__ __rshift__ __rlshift__ __rrshift__"))
def _(m: Maker) -> Arguments:
    x = m.array(INTEGERS, special=False, low=0, high=6)
    return [x, 3], {}


@entry(method("__invert__"))
def _(m: Maker) -> Arguments:
    return [m.array((*BITS, "float64"))], {}


@entry(method("__eq__ __ne__ __lt__ __le__ __gt__ __ge__"), examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(PLAIN)
    return [x, m.choose([m.array(PLAIN, m.partner(x.shape)), 2, 0.5])], {}


@entry(method("__iadd__ __isub__ __imul__"), check=UNSIGNED_ZEROS, examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, layout="")
    others = [m.array((x.dtype,), m.partner(x.shape)), m.array(REAL, x.shape), 2]
    return [x, m.choose(others)], {}


@entry(method("__itruediv__ __ifloordiv__ __imod__ __ipow__"), check=ULPS)
def _(m: Maker) -> Arguments:
    x = m.array(WIDE, layout="", special=False, low=1, high=9)
    return [x, m.choose([m.array((x.dtype,), x.shape, special=False, low=1, high=9), 2])], {}


@entry(method("__iand__ __ior__ __ixor__ __ilshift__ __irshift__"))
def _(m: Maker) -> Arguments:
    x = m.array(INTEGERS, layout="", special=False, low=0)
    return [x, m.choose([m.array((x.dtype,), x.shape, special=False, low=0, high=5), 2])], {}


@entry(method("__matmul__ __rmatmul__ __imatmul__"), check=SUMS)
def _(m: Maker) -> Arguments:
    n = m.number(1, 3)
    return [
        m.array(WIDE, (n, n), layout="", special=False),
        m.array(("float32",), (n, n), special=False),
    ], {}


@entry(method("__contains__"))
def _(m: Maker) -> Arguments:
    return [m.array(REAL), m.choose([1, 0, 99.5])], {}


def key_for(m: Maker, x: Strided) -> Any:
    """An index of some kind."""
    n = x.shape[0] if x.ndim else 1

    def one() -> Any:
        step = m.choose([None, 1, 2, -1])
        plain = [
            0,
            -1,
            slice(m.choose([None, 0, 1, -2]), m.choose([None, 2, -1]), step),
            None,
            ...,
            n,
        ]
        places = m.array(("int64",), (2 if n else 0,), special=False, low=-n, high=n - 1)
        return m.choose([*plain, [0, -1], [0], places])

    if m.chance(4):
        return m.array(("bool",), x.shape)
    return one() if m.chance() else tuple(one() for _ in range(m.number(0, 3)))


@entry(method("__getitem__"), examples=60)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(0, 3))
    return [x, key_for(m, x)], {}


@entry(method("__setitem__"), examples=60)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, m.shape(0, 3), layout="")
    return [x, key_for(m, x), m.choose([1, 2.5, m.array(REAL, (), special=False, low=0)])], {}


@entry(method("__iter__"))
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry(method("tofile"))
def _(m: Maker) -> Arguments:
    return [m.array(REAL, special=False)], m.options(sep=m.choose([",", " "]))

"""Calls of functions that choose, place and walk elements, of files, of printing, of settings."""

from __future__ import annotations

from typing import Any

from .making import EVERY, NUMBERS, REAL, WIDE, Maker, Name
from .table import EXACT, SUMS, Arguments, Check, entry

INDEX = ("int64", "int32", "uint8", "int8")


@entry("take", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array()
    axis = m.axis(x)
    size = x.size if axis is None else x.shape[axis] if -x.ndim <= axis < x.ndim else 1
    index = m.array(INDEX, special=False, low=-size, high=max(size - 1, 0) + (m.chance(8)))
    return [x, m.choose([index, 0, [0, -1]])], {
        "axis": axis,
        **m.options(mode=m.choose(["wrap", "clip"])),
    }


@entry("take_along_axis", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1, empty=False))
    axis = m.number(-x.ndim, x.ndim - 1)
    n = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = m.number(0, 3)
    return [x, m.array(("int64",), tuple(shape), special=False, low=-n, high=n - 1), axis], {}


@entry("put_along_axis")
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1, empty=False), layout="")
    axis = m.number(-x.ndim, x.ndim - 1)
    shape = list(x.shape)
    shape[axis] = 1
    return [
        x,
        m.array(("int64",), tuple(shape), special=False, low=0, high=x.shape[axis] - 1),
        1,
        axis,
    ], {}


@entry("put", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(layout="")
    return [x, m.choose([[0], [0, -1], 5, [], [1, 2, 3]]), m.choose([1, [2, 3]])], m.options(
        mode=m.choose(["wrap", "clip"])
    )


@entry("place putmask")
def _(m: Maker) -> Arguments:
    x = m.array(REAL, layout="")
    return [x, m.array(("bool",), x.shape), m.choose([[1], [1, 2, 3]])], {}


@entry("copyto", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(layout="")
    return [x, m.array(shape=m.partner(x.shape), special=False, low=0)], m.options(
        where=m.array(("bool",), x.shape), casting=m.choose(["unsafe", "same_kind", "no"])
    )


@entry("choose")
def _(m: Maker) -> Arguments:
    shape = m.shape()
    index = m.array(("int64",), shape, special=False, low=0, high=2 + m.chance(6))
    return [index, [m.array(REAL, m.choose([shape, ()])) for _ in range(3)]], m.options(
        mode=m.choose(["wrap", "clip", "raise"])
    )


@entry("select")
def _(m: Maker) -> Arguments:
    shape = m.shape()
    count = m.number(1, 3)
    masks = [m.array(("bool",), shape) for _ in range(count)]
    return [masks, [m.array(REAL, shape) for _ in range(count)]], m.options(default=7)


@entry("piecewise")
def _(m: Maker) -> Arguments:
    x = m.array(REAL)
    return [x, [m.array(("bool",), x.shape)], [m.choose([5, Name("negative")]), Name("square")]], {}


@entry("extract compress")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [m.array(("bool", "int8"), (x.size,), special=False), x], {}


@entry("argwhere flatnonzero nonzero", examples=16)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY, m.shape(m.chance(2)))], {}


@entry("fill_diagonal")
def _(m: Maker) -> Arguments:
    shape = m.choose([(3, 3), (2, 4), (5, 2), (3, 3, 3), (4,), (2, 3, 4)])
    return [m.array(shape=shape, layout=""), m.choose([1, [1, 2]])], m.options(wrap=True)


@entry("unravel_index")
def _(m: Maker) -> Arguments:
    return [
        m.array(INDEX, special=False, low=-1 if m.chance(8) else 0, high=11),
        (3, 4),
    ], m.options(order=m.choose(["C", "F"]))


@entry("ravel_multi_index")
def _(m: Maker) -> Arguments:
    shape = m.shape()
    parts = tuple(m.array(INDEX, shape, special=False, low=0, high=3) for _ in range(2))
    return [parts, (3, 4)], m.options(mode=m.choose(["wrap", "clip"]), order=m.choose(["C", "F"]))


@entry("ndindex", check=EXACT)
def _(m: Maker) -> Arguments:
    return list(m.shape(0, 3)), {}


@entry("ndenumerate")
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry("flatiter")
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry("ndarray")
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry("broadcast", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.array(shape=m.partner(x.shape)), *([2] if m.chance() else [])], {}


@entry("nditer", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(layout="" if m.chance() else "T")
    if m.chance():
        return [x], {"order": "C", **m.options(flags=["multi_index"], op_flags=["readwrite"])}
    return [x, m.array(shape=m.partner(x.shape))], {"order": "C"}


@entry("mgrid ogrid", check=SUMS)
def _(m: Maker) -> Arguments:
    each = [slice(0, 3), slice(1, 6, 2), slice(0, 1, 5j), slice(-1, 1, 0.5)]
    return [m.choose([m.choose(each), (m.choose(each), m.choose(each))])], {}


@entry("r_ c_")
def _(m: Maker) -> Arguments:
    n = m.number(1, 3)
    pieces = [m.array(REAL, (n,)), m.array(REAL, (n,)), slice(0, n)]
    return [tuple(m.choose(pieces) for _ in range(m.number(1, 3)))], {}


@entry("s_ index_exp")
def _(m: Maker) -> Arguments:
    return [m.choose([3, slice(1, 2), (slice(None), 2), ...])], {}


# ---- Polynomials --------------------------------------------------------------------------------


def coefficients(m: Maker, least: int = 1) -> Any:
    return m.array(("int64", *WIDE), (m.number(least, 5),), special=False, low=-5, high=5)


@entry("polyadd polysub polymul", check=SUMS)
def _(m: Maker) -> Arguments:
    return [coefficients(m), coefficients(m)], {}


@entry("polydiv", check=Check(rtol=1e6, zeros=False))
def _(m: Maker) -> Arguments:
    return [coefficients(m), m.choose([[1, 2], [2.0], [1, 0, 3]])], {}


@entry("polyval", check=SUMS)
def _(m: Maker) -> Arguments:
    return [coefficients(m), m.array(WIDE, special=False, low=-2, high=2)], {}


@entry("polyder polyint", check=SUMS)
def _(m: Maker) -> Arguments:
    return [coefficients(m)], m.options(m=m.number(0, 3))


@entry("poly", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, (m.number(0, 4),), special=False, low=-3, high=3)], {}


def same_roots(mine: Any, other: Any) -> None:
    """The same roots, in any order."""
    found, wanted = ([complex(z) for z in each.tolist()] for each in (mine, other))
    assert len(found) == len(wanted)
    for root in wanted:
        assert min(abs(root - z) for z in found) < 1e-7


@entry("roots", check=Check(by=same_roots))
def _(m: Maker) -> Arguments:
    return [m.choose([[1, -3, 2], [1, 0, 1], [2, 4], [0, 0, 1, -1], [1, 0], [], [5]])], {}


@entry("polyfit", check=Check(rtol=1e5, zeros=False))
def _(m: Maker) -> Arguments:
    n = m.number(4, 9)
    x = m.array(("float64",), (n,), special=False, layout="")
    x.base[:] = range(n)
    return [x, m.array(("float64",), (n,), special=False), m.number(0, 2)], {}


@entry("poly1d", check=SUMS)
def _(m: Maker) -> Arguments:
    lists = [[1, 2, 3], [2.0, 0.0, -1.0], [4], [0, 0, 2, 1], [1, -1]]
    return [m.choose(lists), m.choose(lists), m.choose([2, 0.5, [1, 2]])], {}


# ---- Text and files -----------------------------------------------------------------------------


@entry("array_repr array_str array2string", examples=30)
def _(m: Maker) -> Arguments:
    return [m.array(EVERY, m.shape(0, 3))], m.options(
        precision=m.choose([3, 8]), suppress_small=True
    )


@entry("printoptions set_printoptions", examples=16)
def _(m: Maker) -> Arguments:
    return [m.array(NUMBERS, (m.number(0, 12),))], m.options(
        precision=m.number(0, 9), suppress=True, threshold=5, edgeitems=2, linewidth=30, sign="+"
    )


@entry("get_printoptions geterr", examples=1)
def _(m: Maker) -> Arguments:
    assert m
    return [], {}


@entry("errstate seterr")
def _(m: Maker) -> Arguments:
    return [], m.options(divide="ignore", invalid=m.choose(["ignore", "nonsense"]), over="ignore")


@entry("format_float_positional format_float_scientific", examples=25)
def _(m: Maker) -> Arguments:
    return [m.choose([0.1, 1e20, -3.25, 1e-7, 0.0, 123456.789])], m.options(
        precision=m.number(0, 6), unique=m.chance(), trim=m.choose(["k", ".", "0", "-"])
    )


@entry("base_repr")
def _(m: Maker) -> Arguments:
    return [m.number(-99, 99)], m.options(base=m.choose([2, 3, 16, 37]), padding=m.number(0, 3))


@entry("binary_repr")
def _(m: Maker) -> Arguments:
    return [m.number(-99, 99)], m.options(width=m.choose([9, 12, 2]))


@entry("typename")
def _(m: Maker) -> Arguments:
    return [m.choose(["f", "d", "i", "?", "D", "B", "zz"])], {}


@entry("save load")
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry("savez savez_compressed", examples=6)
def _(m: Maker) -> Arguments:
    return [m.array(), m.array()], {}


@entry("fromfile", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(("float64", "int32"), (m.number(2, 6),), layout="", special=False)
    return [x], {"dtype": x.dtype, **m.options(count=m.number(-1, 2), offset=8)}


@entry("savetxt")
def _(m: Maker) -> Arguments:
    return [m.array(REAL, m.shape(1, 2), special=False)], m.options(
        fmt=m.choose(["%.3f", "%g"]), delimiter=",", header="h", comments="//", footer="f"
    )


LINES = (["1 2 3", "4 5 6"], ["1,2", "3,4"], ["# c", "1 2"], [], ["1 x"], ["1 2", "3"])


@entry("loadtxt", examples=20)
def _(m: Maker) -> Arguments:
    return [m.choose(LINES)], m.options(
        dtype=m.choose(["float64", "int64", "float32"]),
        delimiter=",",
        skiprows=1,
        ndmin=2,
        unpack=True,
    )


@entry("genfromtxt", check=Check(zeros=False, dtypes=False), examples=16)
def _(m: Maker) -> Arguments:
    return [m.choose(LINES[:3])], m.options(delimiter=",", skip_header=1)


@entry("AxisError")
def _(m: Maker) -> Arguments:
    return m.choose([["told"], [2, 1], [2, 1, "prefix"]]), {}


@entry("LinAlgError", examples=2)
def _(m: Maker) -> Arguments:
    return [m.choose(["told", "other"])], {}

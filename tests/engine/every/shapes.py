"""Calls of functions that make arrays and move their elements."""

from __future__ import annotations

from typing import Any

from .making import EVERY, INTEGERS, NUMBERS, REAL, WIDE, Maker, Name
from .table import SUMS, ULPS, Arguments, Check, entry


def same_shape(mine: Any, other: Any) -> None:
    if isinstance(other, Exception):
        assert isinstance(mine, type(other)), (mine, other)
        return
    assert mine.shape == other.shape
    assert mine.dtype.name == other.dtype.name


BY_SHAPE = Check(by=same_shape)


# ---- Making -------------------------------------------------------------------------------------


@entry("zeros ones")
def _(m: Maker) -> Arguments:
    shape = m.choose([m.shape(), m.number(0, 5), [2, 3], (2, -1), "x"])
    return [shape], m.options(dtype=m.choose(EVERY), order="C")


@entry("empty", check=BY_SHAPE)
def _(m: Maker) -> Arguments:
    return [m.choose([m.shape(), m.number(0, 5), (2, -1)])], m.options(dtype=m.choose(EVERY))


@entry("full")
def _(m: Maker) -> Arguments:
    return [m.shape(), m.choose([1, 2.5, True, m.array(REAL, (), special=False)])], m.options(
        dtype=m.choose(NUMBERS[:3] + WIDE)
    )


@entry("zeros_like ones_like")
def _(m: Maker) -> Arguments:
    return [m.array()], m.options(dtype=m.choose(EVERY), shape=(2, 3))


@entry("empty_like", check=BY_SHAPE)
def _(m: Maker) -> Arguments:
    return [m.array()], m.options(dtype=m.choose(EVERY), shape=(2, 3))


@entry("full_like")
def _(m: Maker) -> Arguments:
    return [m.array(REAL), m.choose([3, 1.5])], {}


@entry("array asarray asanyarray ascontiguousarray asfortranarray copy", examples=16)
def _(m: Maker) -> Arguments:
    return [
        m.choose([m.array(), m.array(), 3, 2.5, [1, 2], [[1, 2.5], [3, 4]], [], [[1], [2, 3]]])
    ], {}


@entry("asarray_chkfinite")
def _(m: Maker) -> Arguments:
    return [m.array(REAL)], {}


@entry("require")
def _(m: Maker) -> Arguments:
    return [m.array(REAL)], m.options(requirements=m.choose(["C", "F", ["C", "W"], "nonsense"]))


@entry("arange", check=ULPS, examples=20)
def _(m: Maker) -> Arguments:
    ends = [m.choose([0, 3, 10, -4, 2.5, 7.25]) for _ in range(m.number(1, 2))]
    step = [m.choose([1, 2, -1, 0.5, 0])] if len(ends) == 2 and m.chance() else []
    return [*ends, *step], m.options(dtype=m.choose(["float32", "float64"]))


@entry("linspace", check=SUMS, examples=20)
def _(m: Maker) -> Arguments:
    return [m.choose([0, 1.5, -3]), m.choose([10, 2.25, 0])], m.options(
        num=m.choose([5, 1, 0, -1]), endpoint=False, dtype=m.choose(WIDE)
    )


@entry("logspace", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.number(0, 2), m.number(2, 4)], m.options(num=m.number(0, 9), base=2.0, endpoint=False)


@entry("geomspace", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.choose([1, 2.5, 0]), m.choose([1000, 7])], m.options(
        num=m.number(0, 9), endpoint=False
    )


@entry("eye tri")
def _(m: Maker) -> Arguments:
    return [m.number(0, 5)], m.options(M=m.number(0, 5), k=m.number(-3, 3), dtype=m.choose(EVERY))


@entry("identity")
def _(m: Maker) -> Arguments:
    return [m.number(0, 5)], m.options(dtype=m.choose(EVERY))


@entry("fromfunction")
def _(m: Maker) -> Arguments:
    return [Name(m.choose(["add", "multiply"])), (m.number(1, 4), m.number(1, 4))], m.options(
        dtype="int32"
    )


@entry("fromiter")
def _(m: Maker) -> Arguments:
    return [[1, 2, 3][: m.number(0, 3)], m.choose(["int64", "float32"])], m.options(count=2)


@entry("frombuffer", examples=16)
def _(m: Maker) -> Arguments:
    return [bytes(range(m.choose([0, 8, 16, 17])))], m.options(
        dtype=m.choose(["int8", "uint16", "float64"]),
        count=m.choose([1, 2, 99]),
        offset=m.choose([8, 1, -1, 99]),
    )


@entry("fromstring", examples=16)
def _(m: Maker) -> Arguments:
    sep = m.choose([" ", ","])
    text = m.choose(["1,2, 3", "4", "5 ,6"] if sep == "," else ["1 2 3", "", "7", " 4   5 "])
    return [text], {
        "sep": sep,
        **m.options(dtype=m.choose(["int64", "float32"]), count=1 if text else 0),
    }


@entry("meshgrid")
def _(m: Maker) -> Arguments:
    arrays = [m.array(REAL, (m.number(0, 4),)) for _ in range(m.number(1, 3))]
    return arrays, m.options(indexing=m.choose(["ij", "xy", "zz"]), sparse=True)


@entry("indices")
def _(m: Maker) -> Arguments:
    return [m.shape(1)], m.options(sparse=True, dtype="int32")


@entry("diag diagflat")
def _(m: Maker) -> Arguments:
    return [m.array(shape=m.shape(1, 2))], m.options(k=m.number(-3, 3))


@entry("vander", check=ULPS)
def _(m: Maker) -> Arguments:
    return [
        m.array(("int64", "float64"), (m.number(0, 4),), special=False, low=-3, high=3)
    ], m.options(N=m.number(0, 4), increasing=True)


@entry("bartlett blackman hamming hanning", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.number(-1, 12)], {}


@entry("kaiser", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.number(0, 12), m.choose([0.0, 5.0, 14.0])], {}


# ---- Views --------------------------------------------------------------------------------------


@entry("reshape", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array()
    shapes = [x.size, -1, (-1, 1), (1, x.size), x.shape[::-1], (2, -1), (x.size + 1,), (-1, -1)]
    return [x, m.choose(shapes)], m.options(order=m.choose(["C", "F"]))


@entry("ravel")
def _(m: Maker) -> Arguments:
    return [m.array()], m.options(order=m.choose(["C", "F", "K", "A"]))


@entry("squeeze")
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(side=2))
    return [x], {"axis": m.axis(x)}


@entry("expand_dims")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.choose([0, -1, x.ndim, (0, 1), (0, 0), x.ndim + 3])], {}


@entry("transpose permute_dims")
def _(m: Maker) -> Arguments:
    x = m.array()
    axes = list(range(x.ndim))
    m.rand.shuffle(axes)
    return [x, m.choose([tuple(axes), tuple(axes), tuple(a - x.ndim for a in axes), (0, 0)])], {}


@entry("matrix_transpose flipud fliplr atleast_1d atleast_2d atleast_3d isfortran iterable")
def _(m: Maker) -> Arguments:
    return [m.array()], {}


@entry("swapaxes moveaxis rollaxis", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1))
    return [x, m.axis(x, none=False), m.axis(x, none=False)], {}


@entry("flip")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x], {"axis": m.axes(x)}


@entry("rot90")
def _(m: Maker) -> Arguments:
    return [m.array(shape=m.shape(1, 3))], m.options(k=m.number(-5, 5), axes=(1, 0))


@entry("roll", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array()
    axis = m.axes(x)
    return [x, m.choose([1, -2, 7, (1, 2)]), axis], {}


@entry("broadcast_to")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.choose([(2, *x.shape), x.shape, (5,), (3, 1, 1, 1)])], {}


@entry("broadcast_arrays")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.array(shape=m.partner(x.shape))], {}


@entry("broadcast_shapes")
def _(m: Maker) -> Arguments:
    shape = m.shape()
    return [shape, m.partner(shape), m.partner(shape)], {}


@entry("diagonal", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1, 3))
    return [x], m.options(offset=m.number(-3, 3), axis1=m.number(0, 1), axis2=m.number(0, 2))


@entry("trace")
def _(m: Maker) -> Arguments:
    x = m.array(INTEGERS, shape=m.shape(1, 3))
    return [x], m.options(offset=m.number(-3, 3), axis1=m.number(0, 1), axis2=m.number(0, 2))


@entry("tril triu")
def _(m: Maker) -> Arguments:
    return [m.array(shape=m.shape(1, 3))], m.options(k=m.number(-3, 3))


@entry("may_share_memory shares_memory")
def _(m: Maker) -> Arguments:
    return [m.array(), m.array()], {}


# ---- Joining, cutting, repeating ----------------------------------------------------------------


def several(m: Maker, shape: tuple[int, ...], dtypes: Any = EVERY) -> list[Any]:
    found = [m.array(dtypes, shape) for _ in range(m.number(1, 3))]
    if m.chance(10):
        found.append(m.array(dtypes, (*shape, 2)))
    return found


@entry("concatenate concat", examples=20)
def _(m: Maker) -> Arguments:
    shape = m.shape()
    arrays = several(m, shape)
    return [arrays], {"axis": m.axis(arrays[0])}


@entry("stack", examples=16)
def _(m: Maker) -> Arguments:
    shape = m.shape()
    return [several(m, shape)], {"axis": m.number(-len(shape) - 2, len(shape) + 1)}


@entry("unstack")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x], m.options(axis=m.axis(x, none=False) or 0)


@entry("hstack vstack dstack column_stack block")
def _(m: Maker) -> Arguments:
    return [several(m, m.shape())], {}


@entry("append")
def _(m: Maker) -> Arguments:
    x = m.array()
    return [x, m.array(shape=x.shape)], {"axis": m.axis(x)}


@entry("split array_split", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1))
    return [x, m.choose([1, 2, 3, [1], [1, 2], [0, 9], 0])], {"axis": m.number(-x.ndim, x.ndim - 1)}


@entry("hsplit vsplit dsplit")
def _(m: Maker) -> Arguments:
    return [m.array(shape=m.shape(1)), m.choose([1, 2, [1], [1, 2]])], {}


@entry("tile")
def _(m: Maker) -> Arguments:
    return [m.array(), m.choose([2, 0, (2, 1), (1, 2, 3), (2, 2, 2, 2)])], {}


@entry("repeat", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(empty=False))
    axis = m.axis(x)
    size = x.size if axis is None else x.shape[axis] if axis < x.ndim else 1
    return [x, m.choose([0, 2, [m.number(0, 3) for _ in range(size)], [1, 2], -1])], {"axis": axis}


@entry("pad", examples=20)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, shape=m.shape(1, 2, empty=False))
    mode = m.choose(["constant", "edge", "reflect", "symmetric", "wrap", "nonsense"])
    options = {"constant_values": m.choose([0, 3])} if mode == "constant" and m.chance() else {}
    return [x, m.choose([1, 2, (1, 2), ((1, 0),) * x.ndim, -1])], {"mode": mode, **options}


@entry("resize")
def _(m: Maker) -> Arguments:
    return [m.array(), m.choose([3, (2, 3), 0, (4, 0), (7, 2)])], {}


@entry("delete", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1))
    return [x, m.choose([0, -1, [0], [0, 0], [], 9])], {"axis": m.axis(x)}


@entry("insert", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(REAL, shape=m.shape(1))
    return [x, m.choose([0, -1, [0], [0, 1], 9]), m.choose([5, 2.5])], {"axis": m.axis(x)}


@entry("trim_zeros")
def _(m: Maker) -> Arguments:
    return [m.array(REAL, (m.number(0, 6),), low=-1, high=1)], m.options(
        trim=m.choose(["f", "b", "fb"])
    )


@entry("ediff1d")
def _(m: Maker) -> Arguments:
    return [m.array(("int32", "int64", "float64"))], m.options(to_begin=1, to_end=2)


@entry("diff", examples=16)
def _(m: Maker) -> Arguments:
    x = m.array(("bool", *REAL))
    return [x], {"n": m.number(-1, 3), "axis": m.axis(x, none=False) or 0}


@entry("packbits")
def _(m: Maker) -> Arguments:
    x = m.array(("bool", "uint8", "int32"))
    return [x], {"axis": m.axis(x), **m.options(bitorder=m.choose(["big", "little", "x"]))}


@entry("unpackbits")
def _(m: Maker) -> Arguments:
    x = m.array(("uint8", "uint8", "int32"), m.shape(empty=False))
    return [x], {"axis": m.axis(x), **m.options(count=m.number(-3, 20), bitorder="little")}


@entry("from_dlpack")
def _(m: Maker) -> Arguments:
    return [m.array(REAL, layout="")], {}


@entry("ix_")
def _(m: Maker) -> Arguments:
    return [m.array((*INTEGERS, "bool"), (m.number(0, 3),)) for _ in range(m.number(1, 3))], {}


@entry("tril_indices triu_indices")
def _(m: Maker) -> Arguments:
    return [m.number(0, 4)], m.options(k=m.number(-2, 2), m=m.number(0, 5))


@entry("tril_indices_from triu_indices_from diag_indices_from")
def _(m: Maker) -> Arguments:
    return [m.array(shape=m.choose([(3, 3), (2, 2), (2, 4), (3,)]))], {}


@entry("diag_indices")
def _(m: Maker) -> Arguments:
    return [m.number(0, 4)], m.options(ndim=m.number(1, 3))


@entry("mask_indices")
def _(m: Maker) -> Arguments:
    return [m.number(1, 4), Name(m.choose(["triu", "tril"]))], m.options(k=m.number(-1, 1))

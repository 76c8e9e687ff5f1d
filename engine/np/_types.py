"""Data types: limits, promotion, kinds."""

from __future__ import annotations

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "astype",
    "can_cast",
    "common_type",
    "finfo",
    "iinfo",
    "isdtype",
    "issubdtype",
    "iterable",
    "min_scalar_type",
    "promote_types",
    "result_type",
    "typename",
]

_SIGNED = (core.int8, core.int16, core.int32, core.int64)
_UNSIGNED = (core.uint8, core.uint16, core.uint32, core.uint64)
_REAL = (core.float16, core.bfloat16, core.float32, core.float64)
_COMPLEX = (core.complex64, core.complex128)

# NumPy's other names, on a 64-bit machine
bool_ = core.bool
byte, short, intc = core.int8, core.int16, core.int32
int_ = intp = long = longlong = core.int64
ubyte, ushort, uintc = core.uint8, core.uint16, core.uint32
uint = uintp = ulong = ulonglong = core.uint64
half, single, double = core.float16, core.float32, core.float64
csingle, cdouble = core.complex64, core.complex128
__all__ += ["bool_", "byte", "cdouble", "csingle", "double", "half", "int_", "intc", "intp", "long"]
__all__ += ["longlong", "short", "single", "ubyte", "uint", "uintc", "uintp", "ulong", "ulonglong"]
__all__ += ["ushort"]

_KINDS: dict[str, tuple[Any, ...]] = {
    "bool": (core.bool,),
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": (*_SIGNED, *_UNSIGNED),
    "real floating": _REAL,
    "complex floating": _COMPLEX,
    "numeric": (*_SIGNED, *_UNSIGNED, *_REAL, *_COMPLEX),
}


class _Abstract:
    """A family of data types, for `issubdtype`: np.integer, np.floating, ..."""

    def __init__(self, name: str, members: tuple[Any, ...]) -> None:
        self.name = name
        self.members = members

    def __repr__(self) -> str:
        return f"<class 'polyvm.np.{self.name}'>"


generic = _Abstract("generic", (core.bool, *_KINDS["numeric"]))
number = _Abstract("number", _KINDS["numeric"])
integer = _Abstract("integer", _KINDS["integral"])
signedinteger = _Abstract("signedinteger", _SIGNED)
unsignedinteger = _Abstract("unsignedinteger", _UNSIGNED)
inexact = _Abstract("inexact", (*_REAL, *_COMPLEX))
floating = _Abstract("floating", _REAL)
complexfloating = _Abstract("complexfloating", _COMPLEX)
__all__ += ["complexfloating", "floating", "generic", "inexact", "integer", "number"]
__all__ += ["signedinteger", "unsignedinteger"]


class finfo:  # noqa: N801 - the standard's name
    """Limits of a floating-point type, or of a complex type's parts."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any
    precision: int
    resolution: float
    smallest_subnormal: float

    def __init__(self, dtype: Any, /) -> None:
        """Look the type up. Raises ValueError for one that is not inexact."""
        self.__dict__.update(_float_limits(dtype))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((finfo, self.dtype, self.bits))

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution}, min={self.min}, max={self.max}, "
            f"dtype={self.dtype})"
        )

    @property
    def tiny(self) -> float:
        """NumPy's other name of ``smallest_normal``."""
        return self.smallest_normal


def _float_limits(dtype: Any) -> dict[str, Any]:
    dtype = _dtype_of(dtype)
    if dtype == core.complex64:
        dtype = core.float32
    elif dtype == core.complex128:
        dtype = core.float64
    # bits, bits of the fraction, largest exponent, decimal digits
    known = {
        core.float16: (16, 10, 15, 3),
        core.bfloat16: (16, 7, 127, 2),
        core.float32: (32, 23, 127, 6),
        core.float64: (64, 52, 1023, 15),
    }
    if dtype not in known:
        raise ValueError(f"data type {dtype} not inexact")
    bits, fraction, exponent, digits = known[dtype]
    largest = (2.0 - 2.0**-fraction) * 2.0**exponent
    return {
        "bits": bits,
        "eps": 2.0**-fraction,
        "max": largest,
        "min": -largest,
        "smallest_normal": 2.0 ** (1 - exponent),
        "dtype": dtype,
        "precision": digits,
        "resolution": float(f"1e-{digits}"),
        "smallest_subnormal": 2.0 ** (1 - exponent - fraction),
    }


class iinfo:  # noqa: N801 - the standard's name
    """Limits of an integer type."""

    def __init__(self, dtype: Any, /) -> None:
        """Look the type up. Raises ValueError for one that is no integer."""
        dtype = _dtype_of(dtype)
        if dtype.kind not in "iu":
            raise ValueError(f"Invalid integer data type {dtype.kind!r}.")
        self.dtype = dtype
        self.bits: int = 8 * dtype.itemsize
        signed = dtype.kind == "i"
        self.max: int = 2 ** (self.bits - signed) - 1
        self.min: int = -(2 ** (self.bits - 1)) if signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def _dtype_of(thing: Any) -> Any:
    return thing.dtype if isinstance(thing, core.ndarray) else core.dtype(thing)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Any:
    """Return the elements of ``x`` in another type."""
    if device not in (None, "cpu"):
        raise ValueError(f"Unsupported device {device!r}: there is only 'cpu'")
    return x.astype(dtype, copy=copy)


def promote_types(type1: Any, type2: Any) -> Any:
    """Return the smallest type that both fit in."""
    return core.tensor._promote(core.dtype(type1), core.dtype(type2))


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Say whether a cast keeps to the rule: 'no', 'equiv', 'safe', 'same_kind' or 'unsafe'."""
    if isinstance(from_, (int, float, complex)) and not isinstance(from_, core.ndarray):
        raise TypeError("can_cast() does not support Python ints, floats, and complex")
    return bool(core.tensor._can_cast(_dtype_of(from_), core.dtype(to), casting))


# How wide a kind is: Python's numbers take the type beside them unless their kind is wider.
_PYTHON = {bool: 0, int: 1, float: 2, complex: 3}
_RANKS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the type that an operation on all of these has. Python numbers are weak."""
    strong: Any = None
    dtypes: list[Any] = []
    weak = -1
    for thing in arrays_and_dtypes:
        if type(thing) in _PYTHON:
            weak = max(weak, _PYTHON[type(thing)])
            continue
        dtypes.append(_dtype_of(thing))
    # inexact ones first: what integers are to each other does not matter beside them
    for dtype in sorted(dtypes, key=lambda one: -_RANKS[one.kind]):
        strong = dtype if strong is None else promote_types(strong, dtype)
    if strong is None:
        if weak < 0:
            raise ValueError("at least one array or dtype is required")
        return (core.bool, core.int64, core.float64, core.complex128)[weak]
    if weak <= _RANKS[strong.kind]:
        return strong
    if weak == 1:
        return core.int64
    if weak == 2:
        return core.float64
    return core.complex64 if strong in _REAL[:3] else core.complex128


def min_scalar_type(a: Any, /) -> Any:
    """Return the smallest type that holds a Python number; an array's own type."""
    if isinstance(a, core.ndarray):
        return a.dtype
    if isinstance(a, bool):
        return core.bool
    if isinstance(a, int):
        candidates = _UNSIGNED if a >= 0 else _SIGNED
        for dtype in candidates:
            limits = iinfo(dtype)
            if limits.min <= a <= limits.max:
                return dtype
    return core.asarray(a).dtype


def common_type(*arrays: Any) -> Any:
    """Return an inexact type that all arrays fit in; integers count as float64."""
    found: Any = core.float16
    for array in arrays:
        dtype = core.asarray(array).dtype
        if dtype.kind == "b":
            raise TypeError("can't get common type for non-numeric array")
        found = promote_types(found, dtype if dtype.kind in "fc" else core.float64)
    return found


_DESCRIBED = {
    "S1": "character",
    "?": "bool",
    "B": "unsigned char",
    "D": "complex double precision",
    "G": "complex long double precision",
    "F": "complex single precision",
    "I": "unsigned integer",
    "H": "unsigned short",
    "L": "unsigned long integer",
    "O": "object",
    "Q": "unsigned long long integer",
    "S": "string",
    "U": "unicode",
    "V": "void",
    "b": "signed char",
    "d": "double precision",
    "g": "long precision",
    "f": "single precision",
    "i": "integer",
    "h": "short",
    "l": "long integer",
    "q": "long long integer",
}


def typename(char: str) -> str:
    """Return what NumPy calls a type's character code."""
    return _DESCRIBED[char]


def iterable(y: Any) -> bool:
    """Say whether `iter` takes an object."""
    try:
        iter(y)
    except TypeError:
        return False
    return True


def isdtype(dtype: Any, kind: Any) -> bool:
    """Say whether a type is one, of a named kind, or of any of a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"kind {kind!r} must be one of {', '.join(map(repr, _KINDS))}")
        return core.dtype(dtype) in _KINDS[kind]
    return bool(core.dtype(dtype) == core.dtype(kind))


def issubdtype(arg1: Any, arg2: Any) -> bool:
    """Say whether a type belongs to a family (np.integer, np.floating, ...) or is another."""
    family = arg2.members if isinstance(arg2, _Abstract) else (core.dtype(arg2),)
    if isinstance(arg1, _Abstract):
        return set(arg1.members) <= set(family)
    return bool(core.dtype(arg1) in family)

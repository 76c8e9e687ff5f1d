"""How arrays lie in memory, and which of them share it."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._creation import asfortranarray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["isfortran", "may_share_memory", "require", "shares_memory"]

# What NumPy calls them, long and short; the others are true of every array here.
_NAMES = {
    "C_CONTIGUOUS": 0,
    "CONTIGUOUS": 0,
    "C": 0,
    "F_CONTIGUOUS": 1,
    "FORTRAN": 1,
    "F": 1,
    "WRITEABLE": 2,
    "W": 2,
    "OWNDATA": 3,
    "O": 3,
}
_SHOWN = ("C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA", "WRITEABLE")


class _Flags:
    """An array's flags: ``x.flags.writeable``, ``x.flags["C_CONTIGUOUS"]``. Only one may be set.

    OWNDATA says that the array fills its memory in C order, ALIGNED is always true,
    WRITEBACKIFCOPY never.
    """

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, name: str) -> bool:
        if name in _NAMES:
            return bool(core.tensor._layout(self._array)[_NAMES[name]])
        if name in ("ALIGNED", "A"):
            return True
        if name in ("WRITEBACKIFCOPY", "X"):
            return False
        if name == "FNC":
            return self.fnc
        if name == "FORC":
            return self.forc
        raise KeyError("Unknown flag")

    def __setitem__(self, name: str, value: bool) -> None:
        if name not in ("WRITEABLE", "W"):
            raise KeyError("Unknown flag")
        self._array.setflags(write=value)

    def __contains__(self, name: object) -> bool:
        return name in _NAMES or name in ("ALIGNED", "WRITEBACKIFCOPY")

    @property
    def c_contiguous(self) -> bool:
        """Whether elements lie in C order without gaps."""
        return self["C"]

    contiguous = c_contiguous

    @property
    def f_contiguous(self) -> bool:
        """Whether elements lie in Fortran order without gaps."""
        return self["F"]

    @property
    def fnc(self) -> bool:
        """Whether elements lie in Fortran order, and not in C order."""
        return self["F"] and not self["C"]

    @property
    def forc(self) -> bool:
        """Whether elements lie in Fortran order or in C order."""
        return self["F"] or self["C"]

    @property
    def owndata(self) -> bool:
        """Whether the array fills its memory in C order."""
        return self["O"]

    @property
    def aligned(self) -> bool:
        """True."""
        return True

    @property
    def writeable(self) -> bool:
        """Whether elements may be set; may be assigned."""
        return self["W"]

    @writeable.setter
    def writeable(self, value: bool) -> None:
        self._array.setflags(write=value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Flags):
            return NotImplemented
        return bool(core.tensor._layout(self._array) == core.tensor._layout(other._array))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        lines = [f"  {name} : {self[name]}" for name in _SHOWN]
        return "\n".join([*lines, "  ALIGNED : True", "  WRITEBACKIFCOPY : False"]) + "\n"


_flags = _Flags


def isfortran(a: Any) -> bool:
    """Say whether elements lie in Fortran order, and not in C order."""
    return bool(a.flags.fnc)


def may_share_memory(a: Any, b: Any, max_work: int | None = None) -> bool:
    """Say whether the bounds of two arrays' memory meet."""
    del max_work
    return core.tensor._apart(core.asarray(a), core.asarray(b)) is not None


def _addresses(x: Any, start: int) -> Any:
    """Return the place of each byte of an array's elements, sorted, counted from ``start``."""
    places = core.arange(x.itemsize, dtype=core.int64) + start
    for size, stride in zip(x.shape, x.strides, strict=True):
        if stride and size > 1:
            places = core.add(core.expand_dims(places, -1), core.arange(size) * stride)
    return core.sort(core.ravel(places))


def shares_memory(a: Any, b: Any, max_work: int | None = None) -> bool:
    """Say whether two arrays have a byte in common. Takes memory for the places of all bytes of
    both where neither lies without gaps and their bounds meet.
    """
    del max_work
    a, b = core.asarray(a), core.asarray(b)
    apart = core.tensor._apart(a, b)
    if apart is None or not a.size or not b.size:
        return False
    if a.flags.forc and b.flags.forc:
        return True
    mine, other = _addresses(a, 0), _addresses(b, apart)
    at = core.minimum(core.searchsorted(mine, other), mine.size - 1)
    return bool(core.any(core.take(mine, at) == other))


_REQUIREMENTS = {
    "C": "C",
    "C_CONTIGUOUS": "C",
    "CONTIGUOUS": "C",
    "F": "F",
    "F_CONTIGUOUS": "F",
    "FORTRAN": "F",
    "W": "W",
    "WRITEABLE": "W",
    "O": "O",
    "OWNDATA": "O",
    "A": "A",
    "ALIGNED": "A",
    "E": "E",
    "ENSUREARRAY": "E",
}


def require(a: Any, dtype: Any = None, requirements: Any = None) -> Any:
    """Return the array with the type and layout wanted: itself if it has them, else a copy.

    ``requirements``: 'C', 'F', 'W' (may be written), 'O' (no view), 'A', 'E', or long names.
    """
    x = core.asarray(a, dtype=dtype)
    if not requirements:
        return x
    wanted = {_REQUIREMENTS[str(one).upper()] for one in requirements}
    if {"C", "F"} <= wanted:
        raise ValueError('Cannot specify both "C" and "F" order')
    if "F" in wanted:
        x = asfortranarray(x) if x.ndim else x
    elif "C" in wanted and not x.flags.c_contiguous:
        x = x.copy()
    if ("W" in wanted and not x.flags.writeable) or ("O" in wanted and not x.flags.owndata):
        x = asfortranarray(x.copy()) if "F" in wanted else x.copy()
    return x

"""What the Array API standard asks a namespace to tell of itself."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._types import isdtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["__array_namespace_info__"]

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_STANDARD = ("bool", *_INTEGERS, "float32", "float64", "complex64", "complex128")


class Info:
    """Capabilities, devices and data types."""

    def capabilities(self) -> dict[str, Any]:
        """Return which optional behaviour there is."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 32}

    def default_device(self) -> str:
        """Return 'cpu'."""
        return "cpu"

    def devices(self) -> list[str]:
        """Return the only device."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """Return the types that functions choose by themselves."""
        _check(device)
        return {
            "real floating": core.float64,
            "complex floating": core.complex128,
            "integral": core.int64,
            "indexing": core.int64,
        }

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, Any]:
        """Return the standard's data types by name, those of a kind if one is named."""
        _check(device)
        known = {name: getattr(core, name) for name in _STANDARD}
        return {n: dtype for n, dtype in known.items() if kind is None or isdtype(dtype, kind)}


def _check(device: str | None) -> None:
    if device not in (None, "cpu"):
        raise ValueError(f"Unsupported device {device!r}: there is only 'cpu'")


def __array_namespace_info__() -> Info:  # noqa: N807 - the standard's name
    """Return what there is to know about this namespace."""
    return Info()

"""Calls of every public function of polyvm.np, by a table, to be compared with NumPy's."""

from __future__ import annotations

from typing import Any

from polyvm import np

from . import chance, choosing, elementwise, linear, methods, reductions, shapes  # noqa: F401 - they enter their calls
from .table import TABLE

__all__ = ["TABLE", "public_names"]


# Of an array's attributes, what Python itself calls, and users by other names.
_PYTHONS = frozenset(
    [
        "__class__",
        "__delattr__",
        "__dir__",
        "__doc__",
        "__getattribute__",
        "__getstate__",
        "__init__",
        "__init_subclass__",
        "__new__",
        "__reduce__",
        "__reduce_ex__",
        "__setattr__",
        "__sizeof__",
        "__subclasshook__",
        "__delitem__",
        "__deepcopy__",
        "__array_namespace__",
        "__dlpack__",
        "__dlpack_device__",
        "__module__",
        "__buffer__",
        "__release_buffer__",
    ]
)
_INDEXED = ("mgrid", "ogrid", "r_", "c_", "s_", "index_exp")


def public_names() -> list[str]:
    """All that a task may call, or index, or read of an array; dotted names of what lies deeper."""

    def of(thing: Any, prefix: str = "") -> list[str]:
        found = [name for name in dir(thing) if not name.startswith("_")]
        return [
            prefix + name
            for name in found
            if callable(getattr(thing, name)) or (not prefix and name in _INDEXED)
        ]

    names = [*of(np), *of(np.linalg, "linalg."), *of(np.fft, "fft."), *of(np.random, "random.")]
    names += [*of(np.random.Generator, "Generator."), *of(np.random.RandomState, "RandomState.")]
    own = [name for name in dir(np.ndarray) if name not in _PYTHONS]
    dunder = [name for name in own if name.startswith("__")]
    return names + [f"ndarray.{name}" for name in own if name in dunder or name[0] != "_"]

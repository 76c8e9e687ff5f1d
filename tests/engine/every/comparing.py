"""Results of polyvm.np beside NumPy's: elements, shapes, types, classes of errors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from polyvm import np as xp

from .performing import perform
from .table import EXACT, Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Call

_CLASSES = ("AxisError", "LinAlgError")


def attempt(function: Callable[[], Any]) -> Any:
    """What it returns, or the exception."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return error


def class_of(error: BaseException) -> str:
    """The name of an exception's class that callers catch: a built-in one, or the package's."""
    for kind in type(error).__mro__:
        if kind.__name__ in _CLASSES or kind.__module__ == "builtins":
            return kind.__name__
    raise AssertionError(error)


def theirs(call: Call) -> Any:
    """The call with NumPy."""
    return attempt(lambda: perform(np, call, np.array))


def ours(call: Call) -> Any:
    """The call with polyvm.np, on arrays of its own."""
    return attempt(lambda: perform(xp, call, lambda base: xp.asarray(base.copy())))


def to_numpy(thing: Any) -> Any:
    return (
        np.array(memoryview(thing.copy()))
        if thing.size
        else np.zeros(thing.shape, str(thing.dtype))
    )


def same(mine: Any, other: Any, check: Check = EXACT) -> None:
    """Fail unless a result is NumPy's, within the bounds of `check`."""
    if check.by is not None:
        check.by(mine, other)
        return
    if isinstance(other, Exception):
        assert isinstance(mine, Exception), f"NumPy raises {other!r}, this gives {mine!r}"
        caught = [kind.__name__ for kind in type(mine).__mro__]
        assert class_of(other) in caught, f"{mine!r} where NumPy has {other!r}"
        return
    if isinstance(mine, Exception):
        raise mine
    if isinstance(other, (tuple, list)):
        assert len(mine) == len(other), (mine, other)
        for each, its in zip(mine, other, strict=True):
            same(each, its, check)
        return
    if isinstance(other, (np.ndarray, np.generic)):
        assert isinstance(mine, xp.ndarray), f"{type(mine)} where NumPy has {type(other)}"
        assert mine.shape == other.shape, f"shape {mine.shape} where NumPy has {other.shape}"
        if check.dtypes:
            assert mine.dtype.name == other.dtype.name, f"{mine.dtype} not {other.dtype}"
        elements(to_numpy(mine).reshape(other.shape), np.asarray(other), check)
        return
    if isinstance(mine, xp.ndarray) and isinstance(other, (bool, int, float, complex)):
        mine = mine.item()
    if isinstance(other, float):
        elements(np.asarray(mine, float), np.asarray(other), check)
        return
    if isinstance(other, np.dtype) or (isinstance(other, type) and issubclass(other, np.generic)):
        assert getattr(mine, "name", mine) == np.dtype(other).name
        return
    assert mine == other, (mine, other)


def elements(mine: Any, other: Any, check: Check) -> None:
    """Compare the elements of two arrays of NumPy's."""
    if other.dtype.kind not in "fc":
        if check.rtol and other.dtype.kind == mine.dtype.kind:
            np.testing.assert_allclose(mine, other, rtol=1e-12)
        else:
            np.testing.assert_array_equal(mine, other)
        return
    if not check.ulps and not check.rtol:
        np.testing.assert_array_equal(mine, other)
        if check.zeros and other.dtype.kind == "f":
            numbers = ~np.isnan(other)
            np.testing.assert_array_equal(np.signbit(mine)[numbers], np.signbit(other)[numbers])
        return
    finite = np.isfinite(other)
    np.testing.assert_array_equal(mine[~finite], other[~finite])
    a, b = mine[finite], other[finite]
    if not a.size:
        return
    assert np.isfinite(a).all(), (mine, other)
    real = np.finfo(other.dtype)
    wide = np.complex128 if other.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        error = np.abs(a.astype(wide) - b.astype(wide))
        if check.ulps:
            unit = np.maximum(
                np.abs(b).astype(float) * float(real.eps), float(real.smallest_subnormal)
            )
            bound = check.ulps * unit
        else:
            bound = (
                check.rtol * 64 * float(real.eps) * np.maximum(np.abs(b.astype(wide)).max(), 1.0)
            )
    assert (error <= bound).all(), (mine, other)


def compare(call: Call, check: Check) -> None:
    """Call both and compare; the failure says what was called."""
    expected = theirs(call)
    try:
        same(ours(call), expected, check)
    except Exception as error:
        raise AssertionError(f"{said(call)}: {error!r}") from error


def said(call: Call) -> str:
    """The call, its arrays by their bases and views."""
    name, args, options = call
    return f"{name}(*{args}, **{options})"

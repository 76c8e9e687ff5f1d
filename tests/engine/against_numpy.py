"""Calls of a function in NumPy and in polyvm.np, compared: elements, shapes, types, errors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from polyvm import np as xp

if TYPE_CHECKING:
    from collections.abc import Callable


def to_ours(thing: Any) -> Any:
    """The same argument for polyvm.np: arrays become its arrays, without a copy."""
    if isinstance(thing, (np.ndarray, np.generic)):
        return xp.asarray(np.asarray(thing))
    if isinstance(thing, (list, tuple)) and any(isinstance(one, np.ndarray) for one in thing):
        return type(thing)(to_ours(one) for one in thing)
    return thing


def same(ours: Any, theirs: Any, rtol: float = 1e-6, *, dtypes: bool = True) -> None:
    """Fail unless two results agree; floats within `rtol` of the result's own precision."""
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs), (ours, theirs)
        for mine, other in zip(ours, theirs, strict=True):
            same(mine, other, rtol, dtypes=dtypes)
        return
    if isinstance(theirs, (np.ndarray, np.generic)):
        assert isinstance(ours, xp.ndarray), (ours, theirs)
        assert ours.shape == theirs.shape, (ours, theirs)
        if dtypes:
            assert ours.dtype.name == theirs.dtype.name, (ours, theirs)
        copied = np.asarray(memoryview(ours.copy())) if ours.size else np.zeros(ours.shape)
        eps = np.finfo(theirs.dtype).eps if theirs.dtype.kind in "fc" else 0
        np.testing.assert_allclose(
            copied.reshape(theirs.shape),
            theirs,
            rtol=max(rtol, 8 * eps),
            atol=max(1e-12, 100 * eps),
        )
        return
    assert ours == theirs or (ours != ours and theirs != theirs), (ours, theirs)  # noqa: PLR0124


def call(function: Callable[..., Any], args: Any, options: dict[str, Any]) -> Any:
    """What it returns, or the exception's type."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **options)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return error


def compare(name: str, *args: Any, rtol: float = 1e-6, dtypes: bool = True, **options: Any) -> None:
    """Call both and compare what comes out; errors must be of kindred types."""
    mine, theirs = xp, np
    for part in name.split("."):
        mine, theirs = getattr(mine, part), getattr(theirs, part)
    expected = call(theirs, args, options)
    got = call(mine, [to_ours(arg) for arg in args], {k: to_ours(v) for k, v in options.items()})
    if isinstance(expected, Exception):
        kindred = isinstance(got, type(expected)) or isinstance(expected, type(got))
        kindred = kindred or {type(got), type(expected)} <= {TypeError, ValueError, IndexError}
        assert isinstance(got, Exception), (name, got, expected)
        assert kindred, (name, got, expected)
        return
    if isinstance(got, Exception):
        raise got
    same(got, expected, rtol, dtypes=dtypes)

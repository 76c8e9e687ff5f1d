"""Methods of arrays that are functions of polyvm.np, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polyvm import np as xp

from .against_numpy import call, same, to_ours

VALUES = np.array([[3.5, -1.25, 7.0], [0.5, 2.0, -4.0]])
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("argsort", (), {}),
    ("argsort", (), {"axis": 0}),
    ("choose", ([1, 2],), {}),
    ("clip", (0, 2), {}),
    ("clip", (), {"min": 1}),
    ("compress", ([True, False],), {}),
    ("compress", ([True, False, True],), {"axis": 1}),
    ("compress", (), {}),
    ("conj", (), {}),
    ("conjugate", (), {}),
    ("diagonal", (), {}),
    ("diagonal", (1,), {}),
    ("dot", (VALUES.T,), {}),
    ("nonzero", (), {}),
    ("repeat", (2,), {}),
    ("repeat", (2,), {"axis": 1}),
    ("round", (), {}),
    ("round", (1,), {}),
    ("take", ([0, 3],), {}),
    ("take", ([0, 1],), {"axis": 1}),
    ("take", ([9],), {}),
    ("trace", (), {}),
    ("sort", (3,), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CALLS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "int64", "float32"])
def test_methods(name: str, args: Any, options: dict[str, Any], dtype: str) -> None:
    values = VALUES.astype(dtype)
    expected = call(getattr(values, name), args, options)
    got = call(getattr(to_ours(values), name), [to_ours(arg) for arg in args], options)
    assert isinstance(got, Exception) == isinstance(expected, Exception), (got, expected)
    if not isinstance(expected, Exception):
        same(got, expected)


def test_methods_that_write() -> None:
    for axis in (0, 1, -1):
        mine, theirs = xp.asarray(VALUES.copy()), VALUES.copy()
        assert mine.sort(axis=axis) is None
        theirs.sort(axis=axis)
        same(mine, theirs)
    mine, theirs = xp.asarray(VALUES.copy()), VALUES.copy()
    mine.put([0, 4], 9)
    theirs.put([0, 4], 9)
    same(mine, theirs)
    with pytest.raises(ValueError, match="read-only"):
        xp.broadcast_to(xp.zeros(1), (3,)).sort()
    with pytest.raises(TypeError, match="condition"):
        mine.compress()
    with pytest.raises(TypeError, match="arguments"):
        mine.clip(*range(20))


def test_flat() -> None:
    for theirs in (VALUES.copy(), VALUES.copy().T):
        mine = xp.asarray(np.ascontiguousarray(theirs.T)).T
        assert [float(x) for x in mine.flat] == [float(x) for x in theirs.flat]
        assert len(mine.flat) == 6
        assert float(mine.flat[4]) == float(theirs.flat[4])
        same(mine.flat[1:5:2], theirs.flat[1:5:2])
        for key, value in ((3, 8.0), (slice(1, 3), [5, 6]), ([0, 5], -1), (slice(None), [1, 2])):
            mine.flat[key] = value
            theirs.flat[key] = value
            same(mine, theirs)
        mine.flat = theirs.flat = 4
        same(mine, theirs)
    assert bytes(xp.arange(3, dtype="uint8").data) == b"\0\1\2"

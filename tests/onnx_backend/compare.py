"""Whether outputs are what a test expects, by the standard's rules."""

from __future__ import annotations

from typing import Any

import numpy as np

SMALL_FLOATS = 2.0**-6
"""Relative tolerance of bfloat16: two units in the last place."""


def difference(got: Any, wanted: Any, rtol: float, atol: float) -> str:
    """What differs, in one line; "" if nothing does. Sequences are compared item by item."""
    if isinstance(wanted, list | tuple):
        if not isinstance(got, list | tuple):
            return f"a {type(got).__name__} instead of a sequence"
        if len(got) != len(wanted):
            return f"{len(got)} values instead of {len(wanted)}"
        for index, (one, other) in enumerate(zip(got, wanted, strict=True)):
            if found := difference(one, other, rtol, atol):
                return f"value {index}: {found}"
        return ""
    if wanted is None or got is None:
        return "" if wanted is got else f"{got!r} instead of {wanted!r}"
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        return f"shape {got.shape} instead of {wanted.shape}"
    if wanted.dtype == object or wanted.dtype.kind in "US":
        return "" if np.array_equal(got, wanted) else f"{got!r} instead of {wanted!r}"
    if got.dtype != wanted.dtype:
        return f"dtype {got.dtype} instead of {wanted.dtype}"
    if got.dtype.kind == "V" or got.dtype.name not in np.sctypeDict:  # types of ml_dtypes
        if got.dtype.name == "bfloat16":
            rtol = max(rtol, SMALL_FLOATS)
        got, wanted = got.astype(np.float32), wanted.astype(np.float32)
    try:
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol)
    except AssertionError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("Mismatched", "Max", "nan", "inf"))]
        return "; ".join(told) or lines[0]
    return ""

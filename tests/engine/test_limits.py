"""What a context stops or refuses: nothing is leaked, and nothing half done is taken for done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import call, ffi, lib
from tests.engine.test_choose import pointers

X = np.arange(1 << 20, dtype=np.float64).reshape(1024, 1024)
MASK = np.arange(1 << 20).reshape(1024, 1024) % 3 == 0
PLACES = np.arange(1 << 20) % 1024
ROW = np.empty((1024, 1))
COUNTS = np.empty(1024, np.int64)
BOTH = np.zeros((1024, 1024))
CALLS: dict[str, tuple[Any, ...]] = {
    "copy": (X.T, BOTH),
    "copy, converted": (X.T, BOTH.view(np.int64)),
    "fill": (BOTH, ffi.new("double *", 1)),
    "arange_float": (BOTH.reshape(-1), 0.0, 1.0),
    "reduce": ("PVT_SUM", X, 2, ROW),
    "reduce, folded": ("PVT_SUM", X.T, 2, ROW),
    "variance": (X, 2, 0.0, ROW),
    "arg_reduce": (True, X, 1, ROW.view(np.int64)),
    "scan": ("PVT_CUMSUM", X, 0, BOTH),
    "scan, along": ("PVT_CUMSUM", X, 1, BOTH),
    "mask_take": (X, MASK, np.empty(MASK.sum())),
    "mask_put": (BOTH, MASK, X[MASK]),
    "nonzero": (MASK, np.empty((MASK.sum(), 2), np.int64)),
    "take": (X, PLACES[:1024], 1, "PVT_INDEX_RAISE", BOTH),
    "take_along": (X, PLACES.reshape(X.shape), 1, BOTH),
    "put_along": (BOTH, PLACES.reshape(X.shape), X, 1),
    "bincount": (PLACES, None, COUNTS),
}


@contextmanager
def context(**fields: Any) -> Iterator[None]:
    made = ffi.new("pvt_context *", fields)
    before = lib.pvt_context_set(made)
    try:
        yield
    finally:
        lib.pvt_context_set(before)


@pytest.mark.parametrize("name", CALLS)
def test_attention_is_seen_and_obeyed(name: str) -> None:
    attention = ffi.new("uint32_t *", 1)
    asked = []

    @ffi.callback("int(void *)")
    def attend(_arg: object) -> int:
        asked.append(1)
        return len(asked) > 2

    function = name.split(",", maxsplit=1)[0]
    with context(attention=attention, attend=attend), pytest.raises(direct.EngineError) as raised:
        call(function, *CALLS[name])
    assert raised.value.status == lib.PVT_E_CANCELLED
    assert len(asked) == 3  # twice it was told to go on
    attention[0] = 0
    with context(attention=attention, attend=attend):
        call(function, *CALLS[name])
    assert len(asked) == 3


def test_gather_and_scatter_stop() -> None:
    attention = ffi.new("uint32_t *", 1)
    indices, _kept = pointers([PLACES, PLACES])
    with context(attention=attention):
        for call_it in (
            lambda: call("gather", X, indices, 2, np.empty(1 << 20)),
            lambda: call("scatter", BOTH, indices, 2, np.zeros(1), True),
        ):
            with pytest.raises(direct.EngineError) as raised:
                call_it()
            assert raised.value.status == lib.PVT_E_CANCELLED


def overlapping(name: str, x: np.ndarray) -> None:
    """A call that needs an array of its own."""
    if name == "copy":
        call("copy", x[::-1], x)
    elif name == "reduce":
        call("reduce", "PVT_SUM", x, 1, x[:1])
    elif name == "variance":
        call("variance", x, 1, 0.0, x[:1])
    elif name == "scan":
        call("scan", "PVT_CUMSUM", x, 0, x)
    elif name == "mask_take":
        call("mask_take", x, np.ones(x.shape, bool), x.reshape(-1))
    elif name == "mask_put":
        call("mask_put", x, np.ones(x.shape, bool), x.reshape(-1))
    elif name == "take":
        call("take", x, np.arange(len(x)), 0, "PVT_INDEX_WRAP", x)
    elif name == "put_along":
        call("put_along", x, np.zeros((1, x.shape[1]), np.int64), x[:1], 0)
    else:
        regions = ffi.new("pvt_regions *")
        try:
            call("transform_flip", regions, x, 1, x)
        finally:
            lib.pvt_regions_release(regions)


NAMES = ("copy", "reduce", "variance", "scan", "mask_take", "mask_put", "take", "put_along", "flip")


@pytest.mark.parametrize("name", NAMES)
def test_refused_memory_is_not_kept(name: str) -> None:
    """Whichever allocation of a call is refused, all others are given back."""
    allowed = 0
    while True:
        left = [allowed]

        @ffi.callback("int(void *, size_t)")
        def admit(_arg: object, _bytes: int, left: list[int] = left) -> int:
            left[0] -= 1
            return left[0] >= 0

        account = lib.pvt_account_new(admit, ffi.NULL)
        x = np.arange(600.0).reshape(20, 30)
        try:
            with context(account=account):
                overlapping(name, x)
        except direct.EngineError as error:
            assert error.status == lib.PVT_E_QUOTA
            assert lib.pvt_account_bytes(account) == 0
            np.testing.assert_array_equal(x, np.arange(600.0).reshape(20, 30))
        else:
            assert allowed > 0
            assert lib.pvt_account_bytes(account) == 0
            return
        finally:
            lib.pvt_account_close(account)
        allowed += 1

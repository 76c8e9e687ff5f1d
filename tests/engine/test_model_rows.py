"""Soft-max, normalisations, activations and attention of rows.h against float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import ENGINE, EngineError, declarations, describe, ffi, lib
from tests.engine.test_portable_backend import Team
from tests.engine.works import ACTIVATIONS, activate

if TYPE_CHECKING:
    from tests.conftest import Seeded

ffi.cdef(declarations((ENGINE / "backends" / "rows.h").read_text()))


def call(name: str, *arguments: Any) -> None:
    converted = [describe(a) if isinstance(a, np.ndarray) else a for a in arguments]
    status = getattr(lib, name)(*[ffi.NULL if a is None else a for a in converted])
    if status < 0:
        raise EngineError(status, ffi.string(lib.pvt_error()).decode())


def softmax(x: Any) -> Any:
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


def layouts(x: np.ndarray) -> list[np.ndarray]:
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    return [x, np.asfortranarray(x), wide[..., ::2], x[::-1, ...].copy()[::-1]]


@pytest.fixture(params=direct.isas())
def isa(request: pytest.FixtureRequest) -> Any:
    with direct.using(request.param):
        yield request.param


@pytest.mark.usefixtures("isa")
def test_softmax(rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for shape in ((1, 1), (3, 5), (2, 3, 16), (4, 1000), (2, 65), (5, 17, 31)):
        for x in layouts((4 * rng.standard_normal(shape)).astype(np.float32)):
            wide = x.astype(np.float64)
            y = np.empty_like(x)
            call("pvb_softmax", x, 1.0, None, False, y)
            assert np.allclose(y, softmax(wide), rtol=3e-6, atol=1e-9)
            call("pvb_softmax", x, 0.3, None, True, y)
            assert np.allclose(y, np.log(softmax(0.3 * wide)), rtol=3e-6, atol=2e-6)
            mask = np.where(rng.random(shape[-2:]) < 0.3, -np.inf, 0).astype(np.float32)
            mask[..., 0] = 0.5
            copy = x.copy()
            call("pvb_softmax", copy, 1.0, mask, False, copy)
            assert np.allclose(copy, softmax(wide + mask), rtol=3e-6, atol=1e-9)


@pytest.mark.usefixtures("isa")
def test_softmax_of_what_is_not_finite() -> None:
    inf = np.inf
    x = np.array([[1, np.nan, 2], [-inf, -inf, -inf], [inf, 0, 1], [-inf, 0, 0], [3e38, 0, -3e38]])
    x = x.astype(np.float32)
    y = np.empty_like(x)
    call("pvb_softmax", x, 1.0, None, False, y)
    assert np.allclose(y, softmax(x.astype(np.float64)), equal_nan=True)
    call(
        "pvb_softmax", np.empty((3, 0), np.float32), 1.0, None, False, np.empty((3, 0), np.float32)
    )


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rms", [False, True])
def test_normalise(rms: bool, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))

    def made(*shape: int) -> Any:
        return (rng.standard_normal(shape) + 3).astype(np.float32)

    for shape in ((1, 1), (3, 5), (2, 3, 16), (4, 1000), (2, 65), (5, 7, 31)):
        for x in layouts(made(*shape)):
            gamma, beta, added = made(shape[-1]), made(shape[-1]), made(shape[-1])
            residual = np.asfortranarray(made(*shape[-2:]))
            y, total = np.empty_like(x), np.empty(shape, np.float32)
            mean, inverse = (np.empty((*shape[:-1], 1), np.float32) for _ in range(2))
            keep = [describe(a) for a in (residual, added, gamma, beta, total, mean, inverse)]
            names = ("residual", "added", "gamma", "beta", "sum", "mean", "inverse")
            full = ffi.new("pvb_normal *", {"epsilon": 1e-3, "rms": rms})
            bare = ffi.new("pvb_normal *", {"epsilon": 1e-3, "rms": rms})
            for name, array in zip(names, keep, strict=True):
                setattr(full, name, array)
            call("pvb_normalise", x, full, y)
            s = x.astype(np.float64) + residual + added
            middle = np.zeros_like(s[..., :1]) if rms else s.mean(-1, keepdims=True)
            root = np.sqrt(((s - middle) ** 2).mean(-1, keepdims=True) + 1e-3)
            assert np.allclose(y, (s - middle) / root * gamma + beta, rtol=1e-4, atol=1e-4)
            assert np.allclose(total, s, rtol=1e-6)
            assert np.allclose(mean, middle, rtol=1e-5, atol=1e-5)
            assert np.allclose(inverse, 1 / root, rtol=1e-4)
            s = x.astype(np.float64)
            middle = np.zeros_like(s[..., :1]) if rms else s.mean(-1, keepdims=True)
            root = np.sqrt(((s - middle) ** 2).mean(-1, keepdims=True) + 1e-3)
            copy = x.copy()
            call("pvb_normalise", copy, bare, copy)
            assert np.allclose(copy, (s - middle) / root, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activate(name: str, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    x = np.concatenate([8 * rng.standard_normal(5000), np.linspace(-100, 100, 2001), [0.0, -0.0]])
    x = x.astype(np.float32).reshape(-1, 7003 // 7 if x.size % 7 == 0 else x.size)
    with np.errstate(over="ignore"):
        expected = activate(name, x.astype(np.float64), 0.2, 0.5)
    for lying in layouts(x):
        y = np.empty_like(lying)
        call("pvb_activate", getattr(lib, f"PVB_{name}"), 0.2, 0.5, lying, y)
        assert np.allclose(y, expected, rtol=2e-6, atol=4e-7)
    special = np.array([np.nan, np.inf, -np.inf], np.float32)
    call("pvb_activate", getattr(lib, f"PVB_{name}"), 0.2, 0.5, special, special)
    assert np.isnan(special[0])
    limits = {"RELU": (np.inf, 0), "SIGMOID": (1, 0), "TANH": (1, -1), "CLIP": (0.5, 0.2)}
    if name in limits:
        assert tuple(special[1:]) == pytest.approx(limits[name])


def attend(q: Any, k: Any, v: Any, mask: Any, *, causal: bool) -> Any:
    scores = 0.25 * (q.astype(np.float64) @ np.swapaxes(k, -1, -2).astype(np.float64))
    if mask is not None:
        scores = scores + mask
    n, m = scores.shape[-2:]
    seen = np.tril(np.ones((n, m), bool), m - n) if causal else np.ones((n, m), bool)
    with np.errstate(all="ignore"):
        weights = softmax(np.where(seen, scores, -np.inf))
    return np.where(seen.any(-1)[:, None], weights, 0) @ v.astype(np.float64)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))

    def made(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    how = ffi.new("pvb_attending *", {"scale": 0.25, "causal": causal})
    fast = ffi.new("pvb_attending *", {"scale": 0.25, "causal": causal, "fast": True})
    sizes = [(1, 1, 4, 4), (5, 7, 3, 2), (40, 40, 64, 64), (1, 300, 32, 48), (3, 20, 16, 17)]
    sizes += [(33, 12, 20, 33), (130, 2500, 8, 16)]
    for n, m, d, e in sizes:
        q, k, v = made(2, 3, n, d), made(2, 1, m, d), made(3, m, e)
        masks = [None, made(n, m), made(2, 1, 1, m), np.asfortranarray(made(2, 1, n, m))]
        for mask in masks:
            expected = attend(q, k, v, mask, causal=causal)
            y = np.full((2, 3, n, e), np.nan, np.float32)
            call("pvb_attention", q, k, v, mask, how, None, y)
            assert np.allclose(y, expected, rtol=1e-4, atol=2e-5)
            call("pvb_attention", q, k, v, mask, fast, None, y)
            assert np.abs(y - expected).max() < 0.03 * np.abs(expected).max()
        turned = np.asfortranarray(q), np.asfortranarray(k), np.asfortranarray(v)
        across = np.full((2, n, 3, e), np.nan, np.float32)
        call("pvb_attention", *turned, None, how, Team(3).item, across.swapaxes(1, 2))
        expected = attend(q, k, v, None, causal=causal)
        assert np.allclose(across.swapaxes(1, 2), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("fast", [False, True])
def test_rows_that_see_nothing(fast: bool, rand: Seeded) -> None:
    rng = np.random.default_rng(rand.getrandbits(32))
    for n in (2, 20):
        q, k, v = (rng.standard_normal((n, 16)).astype(np.float32) for _ in range(3))
        mask = np.zeros((n, n), np.float32)
        mask[1] = -np.inf
        q[0, 3] = np.nan
        for zero in (False, True):
            y = np.ones((n, 16), np.float32)
            how = ffi.new("pvb_attending *", {"scale": 1, "none_is_zero": zero, "fast": fast})
            call("pvb_attention", q, k, v, mask, how, None, y)
            assert (y[:2] == 0).all() if zero else np.isnan(y[:2]).all()
            assert np.isfinite(y[2:]).all()


def test_what_does_not_fit() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(EngineError, match="does not fit 3"):
        call("pvb_softmax", np.ones((2, 2), np.float32), 1.0, None, False, x)
    with pytest.raises(EngineError, match="must be float32"):
        call("pvb_softmax", np.ones((2, 3)), 1.0, None, False, x)
    how = ffi.new("pvb_attending *", {"scale": 1})
    with pytest.raises(EngineError, match="do not fit"):
        call("pvb_attention", x, np.ones((4, 2), "f4"), x, None, how, None, x)

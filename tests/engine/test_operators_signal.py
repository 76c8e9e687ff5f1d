"""Fourier transforms, windows and steps of training against NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .one_node import Ways, agree, one, onnx_type, run

if TYPE_CHECKING:
    from tests.conftest import Seeded

TRAINING = "ai.onnx.preview.training"


def some(rand: Seeded, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(rand.randrange(2**32)).uniform(-1, 1, shape).astype(dtype)


def parts(x: np.ndarray) -> np.ndarray:
    return np.stack([x.real, x.imag], -1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("opset", [17, 20])
def test_dft(rand: Seeded, opset: int, dtype: Any) -> None:
    close = {np.float16: 6e-3, np.float32: 1e-5, np.float64: 1e-11}[dtype]
    for length in (None, 5, 8, 12):
        x = some(rand, (2, 7, 3, rand.choice([1, 2])), dtype)
        signal = x[..., 0].astype(np.float64) + (1j * x[..., 1] if x.shape[-1] == 2 else 0)
        axis, given = rand.choice([1, 2, -2]), None if length is None else np.array(length)
        inputs = [x, given, np.array(axis)] if opset == 20 else [x, given]
        more = {} if opset == 20 else {"axis": axis}
        at = axis if axis > 0 else 2
        ways = Ways(rand.randrange(2**32), plain=False)
        got = one("DFT", *inputs, opset=opset, ways=ways, **more)
        agree(got, parts(np.fft.fft(signal, length, at)).astype(dtype), close)
        got = one("DFT", *inputs, opset=opset, ways=ways, inverse=1, **more)
        agree(got, parts(np.fft.ifft(signal, length, at)).astype(dtype), close)
        got = one("DFT", *inputs, opset=opset, ways=ways, onesided=1, **more)
        half = np.fft.fft(signal, length, at)
        half = np.take(half, range(half.shape[at] // 2 + 1), at)
        agree(got, parts(half).astype(dtype), close)
        got = one("DFT", *inputs, opset=opset, ways=ways, onesided=1, inverse=1, **more)
        agree(got, np.fft.irfft(signal, length, at)[..., None].astype(dtype), close)


@pytest.mark.parametrize("sided", [0, 1])
def test_stft(rand: Seeded, sided: int) -> None:
    for window, length in ((None, 6), (True, None), (True, 6)):
        x, w = some(rand, (2, 23, 1), np.float64), some(rand, (6,), np.float64)
        got = one(
            "STFT", x, np.array(4), w if window else None, None if length is None else np.array(6),
            onesided=sided, ways=Ways(rand.randrange(2**32), plain=False),
        )  # fmt: skip
        frames = np.stack([x[:, i : i + 6, 0] for i in range(0, 18, 4)], 1)
        wanted = np.fft.fft(frames * (w if window else 1))[..., : 4 if sided else 6]
        agree(got, parts(wanted), 1e-9)
    two = some(rand, (1, 12, 2))
    got = one("STFT", two, np.array(3), None, np.array(5), onesided=0)
    wanted = np.fft.fft((two[0, 3:8, 0] + 1j * two[0, 3:8, 1]).astype(np.complex128))
    agree(got[0, 1], parts(wanted).astype(np.float32), 1e-5)


@pytest.mark.parametrize("periodic", [0, 1])
def test_windows(periodic: int) -> None:
    for size in (1, 2, 7, 16):
        whole = size + periodic
        for op, formula in (("HannWindow", np.hanning), ("BlackmanWindow", np.blackman)):
            for dtype in (np.float32, np.float64):
                kind = onnx_type(dtype)
                got = one(op, np.array(size), periodic=periodic, output_datatype=kind)
                np.testing.assert_allclose(got, formula(whole)[:size], atol=1e-6)
                assert got.dtype == dtype
        got = one("HammingWindow", np.array(size), periodic=periodic)
        turn = 2 * np.pi * np.arange(size) / max(1, whole - 1)
        wanted = 25 / 46 - 21 / 46 * np.cos(turn) if whole > 1 else np.ones(1)
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert one("HannWindow", np.array(0)).shape == (0,)


def test_mel_weights_are_triangles() -> None:
    got = one(
        "MelWeightMatrix", *(np.array(v) for v in (8, 64, 8192)), np.float32(0), np.float32(4096)
    )
    assert got.shape == (33, 8)
    assert got.dtype == np.float32
    assert np.all((got >= 0) & (got <= 1))
    assert np.all(got.max(0) == 1)
    assert np.all(np.diff(got.argmax(0)) >= 0)


def test_steps_of_training(rand: Seeded) -> None:
    shapes = [(2, 3), (4,)]
    for dtype in (np.float32, np.float64):
        xs, gs, vs, hs = ([abs(some(rand, s, dtype)) for s in shapes] for _ in range(4))
        rate, step = np.array(0.25, dtype), np.array(3)
        more = {"norm_coefficient": 0.5, "domain": TRAINING}
        g = [0.5 * x + g for x, g in zip(xs, gs, strict=True)]
        got = run(
            "Adagrad", rate, step, *xs, *gs, *hs, outputs=4, decay_factor=0.5, epsilon=0.125, **more
        )
        for i in range(2):
            h = hs[i] + g[i] ** 2
            agree(got[i], (xs[i] - 0.1 * g[i] / (np.sqrt(h) + 0.125)).astype(dtype), 1e-5)
            agree(got[2 + i], h.astype(dtype), 1e-5)
        got = run(
            "Adam", rate, step, *xs, *gs, *vs, *hs, outputs=6, alpha=0.75, beta=0.5, epsilon=0.125,
            norm_coefficient_post=0.25, **more,
        )  # fmt: skip
        for i in range(2):
            v, h = 0.75 * vs[i] + 0.25 * g[i], 0.5 * hs[i] + 0.5 * g[i] ** 2
            by = 0.25 * np.sqrt(1 - 0.5**3) / (1 - 0.75**3)
            x = 0.75 * (xs[i] - by * v / (np.sqrt(h) + 0.125))
            for result, wanted in zip(got[i::2], (x, v, h), strict=True):
                agree(result, wanted.astype(dtype), 1e-5)
        for mode, t in (("standard", 0), ("nesterov", 2)):
            got = run(
                "Momentum", rate, np.array(t), *xs, *gs, *vs, outputs=4, mode=mode, alpha=0.75,
                beta=0.5, **more,
            )  # fmt: skip
            for i in range(2):
                v = 0.75 * vs[i] + (0.5 if t else 1) * g[i]
                x = xs[i] - 0.25 * (v if mode == "standard" else g[i] + 0.75 * v)
                agree(got[i], x.astype(dtype), 1e-5)
                agree(got[2 + i], v.astype(dtype), 1e-5)


def test_what_cannot_be_is_said() -> None:
    x = np.zeros((1, 5, 1), np.float32)
    with pytest.raises((IndexError, ValueError, RuntimeError), match="last dimension"):
        one("DFT", x, None, np.array(-1))
    with pytest.raises((ValueError, RuntimeError), match="frames of 9"):
        one("STFT", x, np.array(1), None, np.array(9))
    with pytest.raises((ValueError, RuntimeError), match="negative"):
        one("HannWindow", np.array(-1))

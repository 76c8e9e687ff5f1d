"""np.fft against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polyvm import np as xp

ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL = ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2")
SHAPES = ((1,), (2,), (5,), (16,), (53,), (194,), (3, 4), (4, 3, 5))
DTYPES = ("bool", "int32", "float32", "float64", "complex64", "complex128")


def made(shape: tuple[int, ...], dtype: str) -> Any:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape) * 5
    if dtype.startswith("c"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def real_only(name: str) -> bool:
    return name.startswith("rfft") or name == "ihfft"


def same(got: Any, wanted: Any) -> None:
    got = np.asarray(memoryview(got))
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    tolerance = 1e-4 if wanted.dtype in (np.float32, np.complex64) else 1e-11
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_along_one_axis(name: str, dtype: str) -> None:
    if real_only(name) and dtype.startswith("c"):
        with pytest.raises(TypeError):
            getattr(xp.fft, name)(xp.asarray(made((4,), dtype)))
        return
    ours, theirs = getattr(xp.fft, name), getattr(np.fft, name)
    for shape in SHAPES:
        x = made(shape, dtype)
        for norm in (None, "ortho", "forward", "backward"):
            for n in (1, 4, 7):
                same(ours(xp.asarray(x), n, norm=norm), theirs(x, n, norm=norm))
        if shape != (1,):
            same(ours(xp.asarray(x)), theirs(x))
            same(ours(xp.asarray(x), axis=0), theirs(x, axis=0))


@pytest.mark.parametrize("name", SEVERAL)
def test_along_several_axes(name: str) -> None:
    ours, theirs = getattr(xp.fft, name), getattr(np.fft, name)
    for dtype in ("float32", "float64", "complex128"):
        if real_only(name) and dtype.startswith("c"):
            continue
        for shape in ((3, 4), (4, 3, 5)):
            x = made(shape, dtype)
            same(ours(xp.asarray(x)), theirs(x))
            same(ours(xp.asarray(x), norm="ortho"), theirs(x, norm="ortho"))
            same(ours(xp.asarray(x), (3, 6), (0, -1)), theirs(x, (3, 6), (0, -1)))


def test_frequencies_and_shifts() -> None:
    for n in (1, 2, 5, 8):
        same(xp.fft.fftfreq(n, 0.1), np.fft.fftfreq(n, 0.1))
        same(xp.fft.rfftfreq(n, 0.3), np.fft.rfftfreq(n, 0.3))
    x = made((3, 4, 5), "float64")
    for axes in (None, 0, (0, 2)):
        same(xp.fft.fftshift(xp.asarray(x), axes), np.fft.fftshift(x, axes))
        same(xp.fft.ifftshift(xp.asarray(x), axes), np.fft.ifftshift(x, axes))


def test_views_halves_and_outputs() -> None:
    x = made((6, 8), "float64")
    same(xp.fft.fft(xp.asarray(x)[::-2, ::3].T), np.fft.fft(x[::-2, ::3].T))
    assert xp.fft.fft(xp.ones(4, dtype="float16")).dtype == xp.complex64
    out = xp.zeros((6, 8), dtype="complex128")
    assert xp.fft.fft(xp.asarray(x), out=out) is out
    same(out, np.fft.fft(x))


def test_bad_input() -> None:
    x = xp.ones((3, 4))
    for name, arguments in (
        ("fft", (x, 0)),
        ("fft", (x, -1)),
        ("fft", (x, 3, -1, "x")),
        ("fft", (x, 3, 2)),
        ("fft", (xp.ones(()),)),
        ("fft", (xp.ones(0),)),
        ("irfft", (xp.ones(1),)),
        ("fftn", (x, (2,), (0, 1))),
        ("fftn", (x, None, (5,))),
        ("fftfreq", (3.5,)),
        ("fft", (x, None, -1, None, xp.zeros(3, dtype="complex128"))),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            getattr(xp.fft, name)(*arguments)
    with pytest.raises(TypeError):
        xp.fft.fft(x, 2.5)

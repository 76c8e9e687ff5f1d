"""Fourier transforms against NumPy's in higher precision, and as accurate as NumPy's own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import EngineError, call, lib
from tests.engine.looks import Looks

if TYPE_CHECKING:
    from tests.conftest import Seeded

LENGTHS = [*range(1, 70), 81, 94, 97, 100, 121, 125, 127, 128, 169, 210, 243, 256, 263, 343]
LENGTHS += [512, 720, 1000, 1009, 1021 * 2, 1024, 2048, 2187, 3125, 4096, 47 * 43, 53 * 59]
PAIRS = (("float32", "complex64"), ("float64", "complex128"))


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape)
    if dtype.startswith("c"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def assert_close(got: np.ndarray, exact: np.ndarray, units: float = 3) -> None:
    """The root mean square error is below 3 units for the lengths here, there and back 6."""
    size = np.sqrt(np.mean(np.abs(exact) ** 2))
    error = np.sqrt(np.mean(np.abs(got.astype(exact.dtype) - exact) ** 2))
    assert error <= units * np.finfo(got.dtype).eps * max(size, 1e-300)


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)


@pytest.fixture
def rng(rand: Seeded) -> np.random.Generator:
    return np.random.default_rng(rand.getrandbits(32))


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize(("real", "pair"), PAIRS)
@pytest.mark.parametrize("lines", [1, 19])
def test_every_length(isa: str, real: str, pair: str, lines: int, rng: np.random.Generator) -> None:
    with direct.using(isa):
        for n in LENGTHS:
            x, out = random(rng, (lines, n), pair), np.empty((lines, n), pair)
            call("fft", x, 1, True, 1.0, out)
            exact = np.fft.fft(wide(x))
            assert_close(out, exact)
            call("fft", out, 1, False, 1 / n, out)
            assert_close(out, wide(x), 6)
            y, half = random(rng, (lines, n), real), np.empty((lines, n // 2 + 1), pair)
            call("rfft", y, 1, n, 1.0, half)
            exact = np.fft.rfft(wide(y))
            assert_close(half, exact)
            assert not half[:, 0].imag.any()
            back = np.empty((lines, n), real)
            call("irfft", half, 1, 1 / n, back)
            assert_close(back, wide(y), 6)
            call("fft", y, 1, True, 1.0, out)
            assert_close(out, np.fft.fft(wide(y)))


@pytest.mark.parametrize("n", [100_000, 99_991, 3**10, 2**17])
def test_long_lines(n: int, rng: np.random.Generator) -> None:
    x, out = random(rng, (n,), "complex128"), np.empty(n, "complex128")
    call("fft", x, 0, True, 1.0, out)
    assert_close(out, np.fft.fft(wide(x)))


@pytest.mark.parametrize(("real", "pair"), PAIRS)
def test_axes_strides_padding_and_truncation(
    real: str, pair: str, rng: np.random.Generator
) -> None:
    for shape in [(6, 5, 4), (3, 40, 2), (17, 3, 9)]:
        x = random(rng, (2 * shape[0], *shape[1:]), pair)[::-2]
        y = random(rng, (2 * shape[0], *shape[1:]), real)[::-2]
        for axis in range(3):
            for n in (1, 3, shape[axis], 24, 25):
                whole, half = list(shape), list(shape)
                whole[axis], half[axis] = n, n // 2 + 1
                out = np.empty(whole, pair, "F")
                call("fft", x, axis, True, 0.5, out)
                assert_close(out, np.fft.fft(wide(x), n, axis) / 2)
                out = np.empty(half, pair)
                call("rfft", y, axis, n, 1.0, out)
                assert_close(out, np.fft.rfft(wide(y), n, axis))
                back = np.empty(whole, real)
                call("irfft", x, axis, 1 / n, back)
                assert_close(back, np.fft.irfft(wide(x), n, axis))


def test_result_may_be_the_input(rng: np.random.Generator) -> None:
    x = random(rng, (20, 30), "complex128")
    for axis in (0, 1):
        exact = np.fft.fft(x, axis=axis)
        call("fft", x, axis, True, 1.0, x)
        assert_close(x, exact)
    row = random(rng, (31,), "complex128")
    exact = np.fft.fft(row[:-1])
    call("fft", row[:-1], 0, True, 1.0, row[1:])
    assert_close(row[1:], exact)


def test_many_lengths_in_many_threads(rng: np.random.Generator) -> None:
    """More than a thread keeps plans of, again and again."""
    inputs = {n: random(rng, (3, n), "complex64") for n in range(40, 70)}
    exact = {n: np.fft.fft(wide(x)) for n, x in inputs.items()}
    wrong = []

    def work() -> None:
        try:
            for _ in range(3):
                for n, x in inputs.items():
                    out = np.empty((3, n), "complex64")
                    call("fft", x, 1, True, 1.0, out)
                    assert_close(out, exact[n])
        except AssertionError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_does_not_fit_is_refused() -> None:
    x, y, out = np.ones(8, "c16"), np.ones(8), np.empty(8, "c16")
    cases = [
        ("DTYPE", ("fft", x, 0, True, 1.0, y), "complex128 for a result of type float64"),
        ("DTYPE", ("fft", x, 0, True, 1.0, out.astype("c8")), "result of type complex64"),
        ("DTYPE", ("fft", np.ones(8, "i8"), 0, True, 1.0, out), "type int64"),
        ("DTYPE", ("rfft", x, 0, 8, 1.0, out[:5]), "rfft does not take"),
        ("DTYPE", ("irfft", y, 0, 1.0, y.copy()), "irfft does not take"),
        ("AXIS", ("fft", x, 1, True, 1.0, out), "axis 1 is out of bounds"),
        ("SHAPE", ("rfft", y, 0, 8, 1.0, out), "size 8 along the axis, not 5"),
        ("SHAPE", ("fft", np.ones((2, 8), "c16"), 1, True, 1.0, np.ones((3, 8), "c16")), "size 3"),
        ("VALUE", ("fft", x, 0, True, 1.0, out[:0]), r"data points \(0\)"),
        ("VALUE", ("rfft", y, 0, -1, 1.0, out), r"data points \(-1\)"),
    ]
    for kind, arguments, words in cases:
        with pytest.raises(EngineError, match=words) as caught:
            call(*arguments)
        assert caught.value.status == getattr(lib, f"PVT_E_{kind}"), arguments


def test_cancelling_gives_back_all_memory() -> None:
    with Looks() as looks:
        for n in (2**17, 2**19, 100_003):
            x, out = np.ones(n, "c16"), np.empty(n, "c16")
            count = looks.run("fft", x, 0, True, 1.0, out)
            assert count > 8 * (n // 16384)  # every pass is looked into, the last ones too
            for at in (1, 2, count // 2, count):
                looks.end(at, "fft", x, 0, True, 1.0, out)

"""Linear algebra: what the factors multiply to, with and without OpenBLAS."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engine import direct
from tests.engine.direct import EngineError, call, ffi, lib
from tests.engine.looks import Looks

if TYPE_CHECKING:
    from types import ModuleType

    from tests.conftest import Seeded

FLOATS = ("float32", "float64", "complex64", "complex128")
SIZES = (1, 2, 3, 7, 8, 9, 20, 33, 100)
OBLONG = ((1, 1), (3, 2), (2, 3), (8, 8), (40, 33), (33, 40), (70, 50), (0, 3), (3, 0))
REAL = {"float32": "f4", "float64": "f8", "complex64": "f4", "complex128": "f8"}
COMPLEX = {"float32": "c8", "float64": "c16", "complex64": "c8", "complex128": "c16"}
# Set for the tests that run again in a process of their own, with OpenBLAS.
WITH_BLAS = "--with-openblas" in sys.argv
WITHOUT_BLAS = "--without-openblas" in sys.argv


def blas_module() -> ModuleType:
    path = direct.ENGINE / "bindings" / "blas.py"
    spec = importlib.util.spec_from_file_location("engine_blas", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape)
    if dtype.startswith("c"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def adjoint(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def assert_close(got: np.ndarray, wanted: np.ndarray, size: int, scale: float = 1.0) -> None:
    """Within a small multiple of size * epsilon of the largest element."""
    eps = np.finfo(got.dtype).eps
    most = max(float(np.abs(wanted).max(initial=0)), 1e-30)
    assert np.abs(got - wanted).max(initial=0) <= 30 * scale * (size + 3) * eps * most


def assert_orthonormal(q: np.ndarray) -> None:
    n = q.shape[-1]
    assert_close(adjoint(q) @ q, np.broadcast_to(np.eye(n), (*q.shape[:-2], n, n)), q.shape[-2])


def layouts(x: np.ndarray) -> list[np.ndarray]:
    wide = np.zeros((*x.shape[:-2], 2 * x.shape[-2], 2 * x.shape[-1]), x.dtype)
    apart = wide[..., ::2, ::2][..., ::-1, :]
    apart[...] = x
    return [x, np.asfortranarray(x), apart]


@pytest.fixture
def rng(rand: Seeded) -> np.random.Generator:
    return np.random.default_rng(rand.getrandbits(32))


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("dtype", FLOATS)
def test_solve_and_inverse(dtype: str, isa: str, rng: np.random.Generator) -> None:
    with direct.using(isa):
        for n in SIZES:
            square = random(rng, (n, n), dtype)
            condition = np.linalg.cond(square)
            for a in layouts(square):
                b = random(rng, (n, 5), dtype)
                x = np.empty((n, 5), dtype)
                call("solve", a, b, x)
                assert_close(a @ x, b, n, scale=float(np.abs(x).max()) * n)
                inverse = np.empty((n, n), dtype, "F")
                call("inverse", a, inverse)
                assert_close(inverse @ a, np.eye(n), n, scale=float(condition))


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_systems(dtype: str, rng: np.random.Generator) -> None:
    n = 300
    a = random(rng, (n, n), dtype) + n * np.eye(n, dtype=dtype)
    b, x = random(rng, (n, 1), dtype), np.empty((n, 1), dtype)
    call("solve", a, b, x)
    assert_close(x, np.linalg.solve(a, b), n)
    h = a @ adjoint(a)
    factor = np.empty((n, n), dtype)
    call("cholesky", h, False, factor)
    assert_close(factor @ adjoint(factor), h, n)
    q, r = np.empty((n, n), dtype), np.empty((n, n), dtype)
    call("qr", a, q, r)
    assert_orthonormal(q)
    assert_close(q @ r, a, n)


@pytest.mark.parametrize("dtype", FLOATS)
def test_determinants(dtype: str, rng: np.random.Generator) -> None:
    for n in (0, *SIZES[:-1]):
        a = random(rng, (3, 2, n, n), dtype)
        out, sign, logabs = (
            np.empty((3, 2), dtype),
            np.empty((3, 2), dtype),
            np.empty((3, 2), REAL[dtype]),
        )
        call("det", a, out)
        assert_close(out, np.linalg.det(a.astype("c16")), n, scale=10)
        call("slogdet", a, sign, logabs)
        assert_close(sign * np.exp(logabs), out, n, scale=10)
    singular = np.ones((3, 3), dtype)
    call("slogdet", singular, sign[0, 0:1].reshape(()), logabs[0, 0:1].reshape(()))
    assert sign[0, 0] == 0
    assert logabs[0, 0] == -np.inf


def test_determinants_beyond_the_range_of_float64() -> None:
    a = np.diag(np.full(200, 1e-4))
    sign, logabs = np.empty(()), np.empty(())
    call("slogdet", a, sign, logabs)
    assert sign == 1
    assert np.isclose(logabs, 200 * np.log(1e-4))


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("dtype", FLOATS)
def test_cholesky(dtype: str, isa: str, rng: np.random.Generator) -> None:
    with direct.using(isa):
        for n in (*SIZES, 150):
            x = random(rng, (n, n + 2), dtype)
            h = x @ adjoint(x) + np.eye(n, dtype=dtype)
            for a in layouts(h):
                out = np.empty((n, n), dtype)
                for upper in (False, True):
                    # the other triangle is not looked at
                    half = np.triu(a) if upper else np.tril(a)
                    call("cholesky", half, upper, out)
                    assert (np.tril(out, -1) if upper else np.triu(out, 1)).any() == 0
                    assert_close(adjoint(out) @ out if upper else out @ adjoint(out), h, n)
    h[n // 2, n // 2] = -1
    with pytest.raises(EngineError, match="Matrix is not positive definite") as caught:
        call("cholesky", h, False, out)
    assert caught.value.status == lib.PVT_E_LINALG


@pytest.mark.parametrize("isa", direct.isas())
@pytest.mark.parametrize("dtype", FLOATS)
def test_qr(dtype: str, isa: str, rng: np.random.Generator) -> None:
    with direct.using(isa):
        for m, n in [*OBLONG, (130, 5), (5, 130)]:
            k = min(m, n)
            for a in layouts(random(rng, (m, n), dtype)):
                expected = np.linalg.qr(a)
                for columns in (k, m):
                    q, r = np.empty((m, columns), dtype), np.empty((columns, n), dtype)
                    call("qr", a, q, r)
                    assert_orthonormal(q)
                    assert_close(q @ r, a, max(m, n))
                    assert not np.tril(r, -1).any()
                # the signs are LAPACK's
                call("qr", a, None, r[:k])
                assert_close(r[:k], expected[1], max(m, n), scale=100)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_qr_of_extreme_numbers(scale: float, rng: np.random.Generator) -> None:
    a = rng.standard_normal((6, 4)) * scale
    q, r = np.empty((6, 4)), np.empty((4, 4))
    call("qr", a, q, r)
    assert_orthonormal(q)
    assert np.allclose(q @ (r / scale), a / scale)


@pytest.mark.parametrize("dtype", FLOATS)
def test_eigh(dtype: str, rng: np.random.Generator) -> None:
    for n in SIZES:
        x = random(rng, (2, n, n), dtype)
        h = x + adjoint(x)
        w, v, only = (
            np.empty((2, n), REAL[dtype]),
            np.empty((2, n, n), dtype),
            np.empty((2, n), REAL[dtype]),
        )
        for upper in (False, True):
            half = np.triu(h) if upper else np.tril(h)
            call("eigh", half, upper, w, v)
            assert_orthonormal(v)
            assert_close(h @ v, v * w[:, None, :], n, scale=3)
            assert (np.diff(w) >= 0).all()
            call("eigh", half, upper, only, None)
            assert_close(only, w, n, scale=3)


@pytest.mark.parametrize("dtype", FLOATS)
def test_svd(dtype: str, rng: np.random.Generator) -> None:
    for m, n in [*OBLONG, (50, 7), (7, 50)]:
        k = min(m, n)
        full_rank = random(rng, (2, m, n), dtype)
        deficient = full_rank.copy()
        deficient[:, :, n // 2 :] = deficient[:, :, : n - n // 2] if n > 1 else 0
        for a in (full_rank, deficient, np.zeros_like(full_rank)):
            for rows, columns in ((k, k), (m, n)):
                u, s = np.empty((2, m, rows), dtype), np.empty((2, k), REAL[dtype])
                vh, only = np.empty((2, columns, n), dtype), np.empty((2, k), REAL[dtype])
                call("svd", a, u, s, vh)
                assert_orthonormal(u)
                assert_orthonormal(adjoint(vh))
                assert_close((u[..., :k] * s[:, None, :]) @ vh[:, :k], a, max(m, n))
                assert (np.diff(s) <= 0).all()
                assert (s >= 0).all()
                call("svd", a, None, only, None)
                assert_close(only, s, max(m, n))


@pytest.mark.parametrize("dtype", FLOATS)
def test_lstsq(dtype: str, rng: np.random.Generator) -> None:
    for m, n in [(8, 3), (3, 8), (5, 5)]:
        a, b = random(rng, (m, n), dtype), random(rng, (m, 2), dtype)
        if (m, n) == (8, 3):
            a[:, 2] = a[:, 0]
        x, s, rank = np.empty((n, 2), dtype), np.empty(min(m, n), REAL[dtype]), ffi.new("int64_t *")
        call("lstsq", a, b, -1.0, x, rank, s)
        eps = np.finfo(dtype).eps * max(m, n)
        expected, _, expected_rank, expected_s = np.linalg.lstsq(a, b, rcond=eps)
        assert rank[0] == expected_rank
        assert_close(x, expected, max(m, n), scale=100)
        assert_close(s, expected_s, max(m, n))


def test_eig_without_openblas_says_what_to_install() -> None:
    if not WITHOUT_BLAS:
        pytest.skip("in a process of its own: polyvm.np may have loaded it here")
    a, w = np.eye(3), np.empty(3, "c16")
    with pytest.raises(EngineError, match="install the package scipy-openblas32") as caught:
        call("eig", a, w, None)
    assert caught.value.status == lib.PVT_E_UNSUPPORTED


@pytest.mark.parametrize("dtype", FLOATS)
def test_eig(dtype: str, rng: np.random.Generator) -> None:
    if not WITH_BLAS:
        pytest.skip("in a process of its own")
    for n in SIZES:
        a = random(rng, (2, n, n), dtype)
        w, v = np.empty((2, n), COMPLEX[dtype]), np.empty((2, n, n), COMPLEX[dtype])
        call("eig", a, w, v)
        assert_close(a @ v, v * w[:, None, :], n, scale=10)
        assert np.allclose(np.linalg.norm(v, axis=-2), 1, atol=1e-3)
        only = np.empty((2, n), COMPLEX[dtype])
        call("eig", a, only, None)
        assert_close(np.sort(only.real), np.sort(w.real), n, scale=100)
    with pytest.raises(EngineError, match="must not contain infs or NaNs"):
        call("eig", np.full((2, 2), np.nan, dtype), w[0, :2].copy(), None)


def test_what_is_singular_or_not_finite() -> None:
    nan = np.full((3, 3), np.nan)
    x, w = np.empty((3, 3)), np.empty(3)
    cases = [
        ("solve", (np.ones((3, 3)), np.eye(3), x), "Singular matrix"),
        ("inverse", (np.zeros((3, 3)), x), "Singular matrix"),
        ("inverse", (np.diag([1.0, 2.0, 0.0]), x), "Singular matrix"),
        ("eigh", (nan, False, w, x), "Eigenvalues did not converge"),
        ("svd", (nan, None, w, None), "SVD did not converge"),
    ]
    for name, arguments, words in cases:
        with pytest.raises(EngineError, match=words) as caught:
            call(name, *arguments)
        assert caught.value.status == lib.PVT_E_LINALG
    call("inverse", nan, x)
    assert np.isnan(x).all()


def test_what_does_not_fit_is_refused() -> None:
    a, x = np.eye(3), np.empty((3, 3))
    frozen = np.empty((3, 3))
    frozen.flags.writeable = False
    cases = [
        ("SHAPE", "inverse", (np.ones((2, 3)), np.empty((2, 3))), "must be square"),
        ("SHAPE", "inverse", (np.ones(3), np.empty(3)), "at least 2-dimensional"),
        ("SHAPE", "inverse", (np.ones((2, 3, 3)), np.empty((3, 3, 3))), "different shapes"),
        ("SHAPE", "inverse", (a, np.empty((3, 4))), "a size of 4 where 3"),
        ("SHAPE", "solve", (a, np.ones((4, 1)), np.empty((3, 1))), "a size of 4 where 3"),
        ("SHAPE", "det", (np.ones((2, 3)), np.empty(())), "must be square"),
        ("DTYPE", "inverse", (np.ones((3, 3), "i8"), np.empty((3, 3), "i8")), "int64 is unsupp"),
        ("DTYPE", "inverse", (a, x.astype("f4")), "float32 where float64"),
        ("DTYPE", "eigh", (a, False, np.empty(3, "f4"), None), "float32 where float64"),
        ("READONLY", "inverse", (a, frozen), "read-only"),
        ("VALUE", "inverse", (a, a), "must not overlap"),
        ("VALUE", "svd", (a, x, np.empty(3), None), "or none"),
    ]
    for kind, name, arguments, words in cases:
        with pytest.raises(EngineError, match=words) as caught:
            call(name, *arguments)
        assert caught.value.status == getattr(lib, f"PVT_E_{kind}"), (name, arguments)


@pytest.mark.parametrize("name", ["solve", "cholesky", "qr", "eigh", "svd"])
def test_scratch_memory_and_cancelling(name: str) -> None:
    """Ended at each of its first looks at the context, a call has given back all it took."""
    n = 130
    a = np.ones((n, n)) + n * np.eye(n)
    x, y, w = np.empty((n, n)), np.empty((n, n)), np.empty(n)
    arguments = {
        "solve": (a, a + 1, x),
        "cholesky": (a, False, x),
        "qr": (a, x, y),
        "eigh": (a, False, w, x),
        "svd": (a, x, w, y),
    }[name]
    with Looks() as looks:
        count = looks.run(name, *arguments)
        assert count > 0
        for at in range(1, min(count, 8) + 1):
            looks.end(at, name, *arguments)


def test_openblas_is_found_and_refused_where_it_is_not(tmp_path: Path) -> None:
    found = blas_module().find()
    assert found is not None
    assert found.is_file()
    if WITHOUT_BLAS:
        for path in (tmp_path / "none.so", Path(__file__)):
            with pytest.raises(EngineError, match="OpenBLAS cannot be loaded") as caught:
                call("blas_open", str(path).encode())
            assert caught.value.status == lib.PVT_E_UNSUPPORTED
        assert ffi.string(lib.pvt_blas_name()) == b"none"
    elif WITH_BLAS:
        assert b"OpenBLAS" in ffi.string(lib.pvt_blas_name())


PROGRAM = """
import sys
sys.argv.append("--with-openblas")
import pytest
from tests.engine import direct, test_linalg
direct.call("blas_open", str(test_linalg.blas_module().find()).encode())
options = ["-q", "-p", "no:cacheprovider", "-k", "not with_openblas and not avx"]
sys.exit(pytest.main([*options, *sys.argv[1:-1]]))
"""


@pytest.mark.skipif(blas_module().find() is None, reason="needs scipy-openblas32")
def test_the_same_with_openblas() -> None:
    """It cannot be unloaded, so all of this runs again in another process, and products do."""
    if WITH_BLAS or WITHOUT_BLAS:
        pytest.skip("this is one of them")
    here = Path(__file__)
    files = [str(here), str(here.with_name("test_products.py"))]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *files],
        cwd=here.parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_what_is_there_without_openblas() -> None:
    if WITH_BLAS or WITHOUT_BLAS:
        pytest.skip("this is one of them")
    here = Path(__file__)
    program = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:-1]))"
    options = ["-q", "-p", "no:cacheprovider", "-k", "without_openblas or openblas_is_found"]
    done = subprocess.run(
        [sys.executable, "-c", program, *options, str(here), "--without-openblas"],
        cwd=here.parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["solve", "qr"])
@pytest.mark.parametrize("shape", [(30_000, 8), (700, 700)])
def test_looks_while_factoring(name: str, shape: tuple[int, int]) -> None:
    """Long panels, exchanged rows and Q are looked into; ended at any look, nothing is left."""
    m, n = shape
    if name == "qr":
        a = np.ones(shape) + np.eye(m, n)
        arguments: tuple[np.ndarray, ...] = (a, np.empty((m, n)), np.empty((n, n)))
        least = 3 * n * (m // 512) // 2  # three passes over each column's rows, fewer and fewer
    else:  # every row is exchanged: the largest elements are in the last rows
        a = (np.ones((n, n)) + n * np.eye(n))[::-1].copy()
        arguments = (a, np.ones((n, m)), np.empty((n, m)))
        least = n * m // 16384
    with Looks() as looks:
        count = looks.run(name, *arguments)
        assert count >= least
        for at in {1, 2, count // 3, count // 2, count}:
            looks.end(at, name, *arguments)

"""np.linalg against NumPy's, with OpenBLAS and without."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from polyvm import np as xp

INF = float("inf")
STACKS = ((3, 3), (1, 1), (2, 4, 4), (5, 3, 3), (20, 20))
# Set for the run without OpenBLAS, in a process of its own.
WITHOUT = os.environ.get("POLYVM_OPENBLAS") == "off"


def made(*shape: int, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(sum(shape))
    x = rng.standard_normal(shape)
    if dtype.startswith("c"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def same(got: Any, wanted: Any, tolerance: float = 1e-9) -> None:
    got = np.asarray(memoryview(got)) if isinstance(got, xp.ndarray) else np.asarray(got)
    wanted = np.asarray(wanted)
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", STACKS, ids=str)
@pytest.mark.parametrize(
    "name",
    [
        "inv",
        "det",
        "pinv",
        "matrix_rank",
        "cond",
        "svdvals",
        "matrix_norm",
        "norm",
        "trace",
        "diagonal",
    ],
)
def test_of_one_matrix(name: str, shape: tuple[int, ...]) -> None:
    for dtype in ("float64", "complex128"):
        a = made(*shape, dtype=dtype)
        same(getattr(xp.linalg, name)(xp.asarray(a)), getattr(np.linalg, name)(a))


@pytest.mark.parametrize("shape", STACKS, ids=str)
def test_factorings(shape: tuple[int, ...]) -> None:
    a = made(*shape)
    x = xp.asarray(a)
    positive = a @ a.swapaxes(-1, -2) + np.eye(shape[-1])
    for upper in (False, True):
        same(
            xp.linalg.cholesky(xp.asarray(positive), upper=upper),
            np.linalg.cholesky(positive, upper=upper),
        )
    w, v = xp.linalg.eigh(xp.asarray(positive))
    same(w, np.linalg.eigvalsh(positive))
    same(xp.matmul(v * xp.expand_dims(w, -2), xp.matrix_transpose(v)), positive)
    same(xp.linalg.eigvalsh(xp.asarray(positive), "U"), np.linalg.eigvalsh(positive, "U"))
    q, r = xp.linalg.qr(x)
    same(xp.matmul(q, r), a)
    same(xp.matmul(xp.matrix_transpose(q), q), np.broadcast_to(np.eye(shape[-1]), shape))
    for hermitian, wanted in ((False, a), (True, positive)):
        u, s, vh = xp.linalg.svd(xp.asarray(wanted), hermitian=hermitian)
        same(xp.matmul(u * xp.expand_dims(s, -2), vh), wanted)
    for got, expected in zip(xp.linalg.slogdet(x), np.linalg.slogdet(a), strict=True):
        same(got, expected)


@pytest.mark.skipif(WITHOUT, reason="eigenvalues of general matrices need OpenBLAS")
@pytest.mark.parametrize("shape", STACKS, ids=str)
def test_eigenvalues_of_any_matrix(shape: tuple[int, ...]) -> None:
    a = made(*shape)
    result = xp.linalg.eig(xp.asarray(a))
    w, v = result.eigenvalues, result.eigenvectors
    assert w.dtype.name == np.linalg.eigvals(a).dtype.name
    difference = xp.matmul(xp.asarray(a), v) - v * xp.expand_dims(w, -2)
    assert float(xp.max(xp.abs(difference))) < 1e-9


def test_shapes_of_factors() -> None:
    a = xp.asarray(made(5, 3))
    assert [part.shape for part in xp.linalg.qr(a)] == [(5, 3), (3, 3)]
    assert [part.shape for part in xp.linalg.qr(a, "complete")] == [(5, 5), (5, 3)]
    assert xp.linalg.qr(a, "r").shape == (3, 3)
    assert [part.shape for part in xp.linalg.svd(a)] == [(5, 5), (3,), (3, 3)]
    assert [part.shape for part in xp.linalg.svd(a, False)] == [(5, 3), (3,), (3, 3)]
    assert xp.linalg.svd(a).S.shape == (3,)
    assert xp.linalg.slogdet(xp.asarray(made(3, 3))).sign.shape == ()


@pytest.mark.parametrize("shape", STACKS, ids=str)
def test_systems(shape: tuple[int, ...]) -> None:
    a, b = made(*shape), made(*shape[:-1], 2)
    same(xp.linalg.solve(xp.asarray(a), xp.asarray(b)), np.linalg.solve(a, b))
    one = made(shape[-1])
    same(xp.linalg.solve(xp.asarray(a), xp.asarray(one)), np.linalg.solve(a, one))
    for power in (-3, -1, 0, 1, 2, 5):
        wanted = np.linalg.matrix_power(a, power)
        same(xp.linalg.matrix_power(xp.asarray(a), power), wanted, 1e-6)


@pytest.mark.parametrize("rows", [6, 3, 2])
def test_least_squares(rows: int) -> None:
    a, b = made(rows, 3), made(rows, 2)
    for right in (b, b[:, 0]):
        got = xp.linalg.lstsq(xp.asarray(a), xp.asarray(right))
        for ours, theirs in zip(got, np.linalg.lstsq(a, right), strict=True):
            same(ours, theirs) if not isinstance(ours, int) else None
        assert got[2] == min(rows, 3)


def test_norms() -> None:
    for shape in ((4, 5), (2, 3, 4)):
        a = made(*shape)
        x = xp.asarray(a)
        for kind in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF):
            for axis, kept in (((-2, -1), False), ((0, -1), True)):
                same(
                    xp.linalg.norm(x, kind, axis=axis, keepdims=kept),
                    np.linalg.norm(a, kind, axis=axis, keepdims=kept),
                )
        for kind in (None, 0, 1, -1, 2, -2, 3, 0.5, INF, -INF):
            same(xp.linalg.norm(x, kind, axis=0), np.linalg.norm(a, kind, axis=0))
            if kind is not None:
                same(xp.linalg.vector_norm(x, ord=kind), np.linalg.vector_norm(a, ord=kind))
    square = made(3, 3)
    for kind in (None, 1, -1, 2, -2, INF, "fro", "nuc"):
        same(xp.linalg.cond(xp.asarray(square), kind), np.linalg.cond(square, kind))


def test_products() -> None:
    chain = [made(*shape) for shape in ((3, 4), (4, 10), (10, 2), (2, 5))]
    wanted = np.linalg.multi_dot(chain)
    same(xp.linalg.multi_dot([xp.asarray(one) for one in chain]), wanted)
    chain[0], chain[-1] = chain[0][0], chain[-1][:, 0]
    wanted = np.linalg.multi_dot(chain)
    same(xp.linalg.multi_dot([xp.asarray(one) for one in chain]), wanted)
    a, b = made(2, 3, 6), made(2, 3)
    wanted = np.linalg.tensorsolve(a, b)
    same(xp.linalg.tensorsolve(xp.asarray(a), xp.asarray(b)), wanted)
    a = made(4, 6, 8, 3)
    same(xp.linalg.tensorinv(xp.asarray(a)), np.linalg.tensorinv(a))
    a, b = made(4, 3), made(4, 3)[::-1]
    same(xp.linalg.cross(xp.asarray(a), xp.asarray(b)), np.linalg.cross(a, b))
    same(xp.linalg.outer(xp.asarray(a[0]), xp.asarray(b[1])), np.linalg.outer(a[0], b[1]))


def test_types() -> None:
    for given, wanted in (("int64", "float64"), ("float32", "float32"), ("complex64", "complex64")):
        a = xp.eye(3, dtype=given)
        assert xp.linalg.inv(a).dtype.name == wanted
        assert xp.linalg.det(a).dtype.name == wanted
    for name in ("float16", "bfloat16"):
        with pytest.raises(TypeError, match=f"{name} is unsupported"):
            xp.linalg.inv(xp.eye(3, dtype=name))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("inv", ((2, 2),)),
        ("inv", ((2, 3),)),
        ("inv", ((3,),)),
        ("solve", ((2, 2), (2,))),
        ("eigh", ((2, 3),)),
        ("qr", ((3,),)),
        ("svd", ((),)),
        ("cond", ((0, 0),)),
        ("lstsq", ((2, 2), (3,))),
        ("lstsq", ((2, 2, 2), (3,))),
        ("matrix_power", ((2, 3), ())),
        ("tensorsolve", ((2, 3), (2,))),
    ],
)
def test_what_is_no_such_matrix(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(xp.linalg.LinAlgError):
        getattr(xp.linalg, name)(*(xp.zeros(shape) for shape in shapes))


def test_bad_values() -> None:
    with pytest.raises(xp.linalg.LinAlgError, match="not positive definite"):
        xp.linalg.cholesky(-xp.eye(2))
    with pytest.raises(ValueError, match="rows"):
        xp.linalg.solve(xp.eye(3), xp.ones(2))
    for bad in ("x", 3):
        with pytest.raises(ValueError, match="Invalid norm order"):
            xp.linalg.norm(xp.eye(2), bad, axis=(0, 1))
    with pytest.raises(ValueError, match="UPLO"):
        xp.linalg.eigh(xp.eye(2), "x")


def test_empty_ones() -> None:
    assert xp.linalg.inv(xp.zeros((0, 3, 3))).shape == (0, 3, 3)
    assert float(xp.linalg.det(xp.zeros((0, 0)))) == 1.0
    assert xp.linalg.pinv(xp.zeros((0, 3))).shape == (3, 0)
    assert xp.linalg.solve(xp.zeros((0, 0)), xp.zeros((0, 2))).shape == (0, 2)
    assert int(xp.linalg.matrix_rank(xp.zeros((0, 3)))) == 0


@pytest.mark.skipif(WITHOUT, reason="this is the run without OpenBLAS")
def test_the_same_without_openblas() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, __file__],
        env={**os.environ, "POLYVM_OPENBLAS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_a_library_that_cannot_be_loaded(tmp_path: Any) -> None:
    command = [sys.executable, "-c", "from polyvm import np"]
    environment = {**os.environ, "POLYVM_OPENBLAS": str(tmp_path / "none.so")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "none.so" in done.stderr

"""Calls of np.linalg and np.fft."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .comparing import to_numpy
from .making import COMPLEX, INTEGERS, WIDE, Maker, Strided
from .table import SUMS, Arguments, Check, entry

LOOSE = Check(rtol=1e3, zeros=False)
NUMERIC = ("float64", "float32", "int32", "complex64", "complex128")


def square(m: Maker, dtypes: Any = NUMERIC, well: bool = True) -> Strided:
    """Matrices, far from singular ones by their diagonal; now and then not square."""
    n = m.number(0 if m.chance(10) else 1, 4)
    shape = m.choose([(n, n), (n, n), (2, n, n), (3, n + 1, n) if m.chance(6) else (n, n)])
    x = m.array(dtypes, shape, special=False, low=-3, high=3, layout="")
    if well:
        for i in range(min(shape[-2:])):
            x.base[..., i, i] += 20
    return x


def symmetric(m: Maker) -> Strided:
    x = square(m, ("float64", "float32", "complex128"))
    if x.shape[-1] == x.shape[-2]:
        x.base[...] = x.base + np.conj(np.swapaxes(x.base, -1, -2))
    return x


def matrix(m: Maker, dtypes: Any = NUMERIC, least: int = 1) -> Strided:
    shape = (*m.choose([(), (), (2,)]), m.number(least, 4), m.number(least, 4))
    return m.array(dtypes, shape, special=False, low=-3, high=3)


@entry("linalg.det linalg.inv linalg.slogdet", check=LOOSE, examples=16)
def _(m: Maker) -> Arguments:
    return [square(m)], {}


@entry("linalg.cholesky", check=LOOSE, examples=16)
def _(m: Maker) -> Arguments:
    return [symmetric(m)], m.options(upper=True)


@entry("linalg.eigvalsh", check=LOOSE)
def _(m: Maker) -> Arguments:
    return [symmetric(m)], m.options(UPLO=m.choose(["L", "U", "x"]))


def eigen(mine: Any, other: Any) -> None:
    """Values agree; vectors make the same matrix with them (their signs are free)."""
    if isinstance(other, Exception):
        assert isinstance(mine, Exception)
        return
    found = [to_numpy(part) for part in mine]
    for which in (found, other):
        assert which[0].shape == other[0].shape
    np.testing.assert_allclose(found[0], other[0], rtol=1e-4, atol=1e-4)
    if other[0].size:
        again = [
            (v * np.expand_dims(w, -2)) @ np.conj(np.swapaxes(v, -1, -2)) for w, v in (found, other)
        ]
        np.testing.assert_allclose(again[0], again[1], rtol=1e-3, atol=1e-3)


@entry("linalg.eigh", check=Check(by=eigen))
def _(m: Maker) -> Arguments:
    return [symmetric(m)], {}


def same_values(mine: Any, other: Any) -> None:
    """The same values in some order."""
    if isinstance(other, Exception):
        assert isinstance(mine, Exception)
        return
    assert mine.shape == other.shape
    found = np.sort_complex(to_numpy(mine).astype(complex).round(6))
    np.testing.assert_allclose(found, np.sort_complex(other.astype(complex).round(6)), atol=1e-5)


@entry("linalg.eigvals", check=Check(by=same_values))
def _(m: Maker) -> Arguments:
    return [square(m, ("float64",))], {}


def same_pairs(mine: Any, other: Any) -> None:
    if isinstance(other, Exception):
        assert isinstance(mine, Exception)
        return
    same_values(mine[0], other[0])
    assert mine[1].shape == other[1].shape
    lengths = np.linalg.norm(to_numpy(mine[1]), axis=-2)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


@entry("linalg.eig", check=Check(by=same_pairs))
def _(m: Maker) -> Arguments:
    return [square(m, ("float64",))], {}


def factors(mine: Any, other: Any) -> None:
    """The same product (two factors, or three with the middle one a diagonal); the same shapes."""
    if isinstance(other, Exception):
        assert isinstance(mine, Exception)
        return
    products = []
    for first, *rest in ([to_numpy(part) for part in mine], other):
        if len(rest) == 2:
            k = rest[0].shape[-1]
            products.append((first[..., :k] * np.expand_dims(rest[0], -2)) @ rest[1][..., :k, :])
        else:
            products.append(first @ rest[0])
    assert [part.shape for part in mine] == [part.shape for part in other]
    np.testing.assert_allclose(products[0], products[1], rtol=1e-9, atol=1e-9)


@entry("linalg.qr", check=Check(by=factors))
def _(m: Maker) -> Arguments:
    return [matrix(m, ("float64", "complex128"))], m.options(mode=m.choose(["reduced", "complete"]))


@entry("linalg.svd", check=Check(by=factors))
def _(m: Maker) -> Arguments:
    return [matrix(m, ("float64", "complex128"))], m.options(full_matrices=False)


@entry("linalg.svdvals linalg.cond", check=LOOSE)
def _(m: Maker) -> Arguments:
    return [square(m, ("float64", "complex128"))], {}


@entry("linalg.matrix_rank")
def _(m: Maker) -> Arguments:
    return [matrix(m, ("float64", "float32"))], {}


@entry("linalg.pinv", check=LOOSE)
def _(m: Maker) -> Arguments:
    return [square(m, ("float64", "complex128"))], {}


@entry("linalg.matrix_power", check=LOOSE)
def _(m: Maker) -> Arguments:
    return [square(m, ("float64", "int64")), m.number(-2, 4)], {}


@entry("linalg.solve", check=LOOSE, examples=16)
def _(m: Maker) -> Arguments:
    a = square(m)
    n = a.shape[-1]
    return [a, m.array((a.dtype,), m.choose([(n,), (n, 2), (*a.shape[:-1], 1)]), special=False)], {}


def solutions(mine: Any, other: Any) -> None:
    np.testing.assert_allclose(to_numpy(mine[0]), other[0], rtol=1e-5, atol=1e-7)
    assert int(mine[2]) == int(other[2])


@entry("linalg.lstsq", check=Check(by=solutions))
def _(m: Maker) -> Arguments:
    n = m.number(3, 6)
    a = m.array(("float64",), (n, 3), special=False)
    return [a, m.array(("float64",), (n,), special=False)], {}


@entry("linalg.norm", check=LOOSE, examples=25)
def _(m: Maker) -> Arguments:
    x = matrix(m, ("float64", "float32", "int32", "complex128"))
    orders = [None, 1, 2, -1, -2, float("inf"), "fro", "nuc", 3, "nonsense"]
    axis = m.choose([None, -1, (-2, -1), 0])
    return [x], {"ord": m.choose(orders), "axis": axis, **m.options(keepdims=True)}


@entry("linalg.matrix_norm", check=LOOSE)
def _(m: Maker) -> Arguments:
    return [matrix(m, WIDE)], m.options(
        ord=m.choose([1, 2, float("inf"), "fro", "nuc"]), keepdims=True
    )


@entry("linalg.vector_norm", check=LOOSE)
def _(m: Maker) -> Arguments:
    x = matrix(m, WIDE)
    return [x], {
        "axis": m.axis(x),
        **m.options(ord=m.choose([1, 2, 3, 0, float("inf")]), keepdims=True),
    }


@entry("linalg.multi_dot", check=LOOSE)
def _(m: Maker) -> Arguments:
    sizes = [m.number(1, 4) for _ in range(m.number(3, 5))]
    pairs = itertools.pairwise(sizes)
    return [[m.array(("float64",), pair, special=False) for pair in pairs]], {}


@entry("linalg.tensorinv", check=LOOSE, examples=4)
def _(m: Maker) -> Arguments:
    return [m.array(("float64",), (4, 6, 8, 3), special=False)], {}


@entry("linalg.tensorsolve", check=Check(rtol=1e6, zeros=False), examples=4)
def _(m: Maker) -> Arguments:
    return [
        m.array(("float64",), (2, 3, 6), special=False),
        m.array(("float64",), (2, 3), special=False),
    ], {}


@entry("linalg.matmul linalg.tensordot", check=SUMS)
def _(m: Maker) -> Arguments:
    n, k, p = (m.number(1, 4) for _ in range(3))
    shapes = ((n, k), (k, p))
    return [m.array((*INTEGERS, *WIDE), s, special=False) for s in shapes], {}


@entry("linalg.outer", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, m.choose([(3,), (4,), (2, 2)]), special=False) for _ in range(2)], {}


@entry("linalg.cross linalg.vecdot", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.array(WIDE, (m.number(1, 3), 3), special=False) for _ in range(2)], {}


@entry("linalg.diagonal linalg.trace", check=SUMS)
def _(m: Maker) -> Arguments:
    return [matrix(m)], m.options(offset=m.number(-3, 3))


@entry("linalg.matrix_transpose")
def _(m: Maker) -> Arguments:
    return [m.array(shape=m.shape())], {}


@entry("linalg.LinAlgError", examples=2)
def _(m: Maker) -> Arguments:
    return [m.choose(["told", "other"])], {}


# ---- Fourier transforms -------------------------------------------------------------------------

NORMS = ("backward", "ortho", "forward", "nonsense")


@entry("fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft", check=SUMS, examples=16)
def _(m: Maker) -> Arguments:
    dtypes = m.choose([WIDE, ("int32",), COMPLEX])
    x = m.array(dtypes, m.shape(1, 3, empty=dtypes is not COMPLEX), special=False)
    if x.dtype in COMPLEX:  # which some refuse
        return [x], m.options(norm=m.choose(NORMS[:3]))
    options = m.options(n=m.number(0, 7), norm=m.choose(NORMS))
    return [x], {"axis": m.axis(x, none=False), **options}


@entry(
    "fft.fft2 fft.ifft2 fft.rfft2 fft.irfft2 fft.fftn fft.ifftn fft.rfftn fft.irfftn", check=SUMS
)
def _(m: Maker) -> Arguments:
    x = m.array(("float64", "complex128", "float32"), m.shape(1, 3, empty=False), special=False)
    if x.dtype in COMPLEX:
        return [x], m.options(norm=m.choose(NORMS[:3]))
    return [x], m.options(norm=m.choose(NORMS), s=(3, 2), axes=(0, -1))


@entry("fft.fftfreq fft.rfftfreq", check=SUMS)
def _(m: Maker) -> Arguments:
    return [m.number(0, 9)], m.options(d=m.choose([0.5, 2]))


@entry("fft.fftshift fft.ifftshift")
def _(m: Maker) -> Arguments:
    x = m.array(shape=m.shape(1))
    return [x], {"axes": m.axes(x)}

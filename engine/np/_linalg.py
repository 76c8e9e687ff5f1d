"""Linear algebra: the standard's extension and NumPy's functions.

Matrices are the last two dimensions; those before are a stack. float32 and complex64 are computed
in their own precision, other types in float64 or complex128. Raises LinAlgError where a matrix is
not what a function needs, and TypeError for half-precision floats.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from polyvm.np import _core as core
from polyvm.np import _products as products
from polyvm.np._core import LinAlgError, matmul
from polyvm.np._creation import eye
from polyvm.np._manipulation import flip, matrix_transpose, moveaxis
from polyvm.np._products import tensordot, vecdot

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

inv = core.tensor._linalg_inv
det = core.tensor._linalg_det
solve = core.tensor._linalg_solve


class EigResult(NamedTuple):
    """Of eig."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Of eigh."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """Of qr."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """Of slogdet."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Of svd."""

    U: Any
    S: Any
    Vh: Any


def slogdet(a: Any, /) -> SlogdetResult:
    """Return the determinant's sign and the logarithm of its absolute value."""
    return SlogdetResult(*core.tensor._linalg_slogdet(a))


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Return the triangular factor: ``a = L @ L.mT.conj()``, or ``U.mT.conj() @ U``."""
    return core.tensor._linalg_cholesky(a, upper)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return an orthonormal Q and an upper triangular R. ``mode``: reduced, complete or r."""
    if mode == "r":
        return core.tensor._linalg_qr(a, False, True)[0]
    if mode not in ("reduced", "complete"):
        raise ValueError(f"Unrecognized mode '{mode}': it is 'reduced', 'complete' or 'r'")
    return QRResult(*core.tensor._linalg_qr(a, mode == "complete", False))


def _triangle(given: str) -> bool:
    letter = given.upper()
    if letter not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return letter == "U"


def eigh(a: Any, UPLO: str = "L") -> EighResult:  # noqa: N803
    """Return a Hermitian matrix's eigenvalues, ascending, and eigenvectors, as columns."""
    return EighResult(*core.tensor._linalg_eigh(a, _triangle(UPLO), True))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """Return a Hermitian matrix's eigenvalues, ascending."""
    return core.tensor._linalg_eigh(a, _triangle(UPLO), False)[0]


def _general(a: Any, vectors: bool) -> Any:
    """Eigenvalues and vectors, real where all eigenvalues of a real matrix are."""
    a = core.asarray(a)
    if a.ndim >= 2 and not bool(core.all(core.isfinite(a))):
        raise LinAlgError("Array must not contain infs or NaNs")
    parts = core.tensor._linalg_eig(a, vectors)
    if a.dtype.kind != "c" and bool(core.all(parts[0].imag == 0)):
        return tuple(core.array(part.real) for part in parts)
    return parts


def eig(a: Any) -> EigResult:
    """Return any square matrix's eigenvalues and eigenvectors, as columns."""
    return EigResult(*_general(a, True))


def eigvals(a: Any) -> Any:
    """Return any square matrix's eigenvalues."""
    return _general(a, False)[0]


def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Return U, the singular values, descending, and Vh; the values alone unless ``compute_uv``."""
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return core.tensor._linalg_svd(a, False, False)[0]
    return SVDResult(*core.tensor._linalg_svd(a, full_matrices, True))


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    values, vectors = eigh(a)
    if not compute_uv:
        return flip(core.sort(core.absolute(values)), axis=-1)
    sizes = core.absolute(values)
    order = flip(core.argsort(sizes), axis=-1)
    signs = core.take_along_axis(core.sign(values), order, axis=-1)
    singular = core.take_along_axis(sizes, order, axis=-1)
    u = core.take_along_axis(vectors, core.expand_dims(order, -2), axis=-1)
    v = u * core.expand_dims(core.where(signs == 0, 1, signs), -2).astype(u.dtype)
    return SVDResult(u, singular, core.conjugate(matrix_transpose(v)))


def svdvals(x: Any, /) -> Any:
    """Return the singular values, descending."""
    return core.tensor._linalg_svd(x, False, False)[0]


def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Any, Any, int, Any]:
    """Return the least-squares solution of ``a @ x = b``, residuals, rank and singular values."""
    b = core.asarray(b)
    vector = b.ndim == 1
    matrix = core.expand_dims(b, -1) if vector else b
    x, rank, singular = core.tensor._linalg_lstsq(a, matrix, -1.0 if rcond is None else rcond)
    rows, columns = core.asarray(a).shape
    if rank == columns and rows > columns:
        error = core.absolute(core.matmul(a, x) - matrix)
        residuals = core.sum(error * error, axis=0)
    else:
        residuals = core.empty((0,), dtype=singular.dtype)
    return (x[:, 0] if vector else x), residuals, rank, singular


def _epsilon(dtype: Any) -> float:
    return 2.0**-23 if dtype in (core.float32, core.complex64) else 2.0**-52


def _floats(x: Any) -> Any:
    x = core.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(core.float64)


def _matrices(x: Any) -> Any:
    x = _floats(x)
    if x.ndim < 2:
        raise LinAlgError(
            f"{x.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    return x


def _square(x: Any) -> Any:
    x = _matrices(x)
    if x.shape[-1] != x.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    return x


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return the Moore-Penrose inverse; smaller singular values than ``rtol`` * largest are 0."""
    a = _matrices(a)
    if rcond is None:
        rcond = rtol
    elif rtol is not None:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if rcond is None:
        rcond = max(a.shape[-2:]) * _epsilon(a.dtype)
    if a.size == 0:
        return core.empty((*a.shape[:-2], a.shape[-1], a.shape[-2]), dtype=a.dtype)
    u, singular, vh = svd(a, False, True, hermitian)
    limit = core.expand_dims(core.asarray(rcond), -1) * core.max(singular, axis=-1, keepdims=True)
    kept = singular > limit
    scale = core.where(kept, 1 / core.where(kept, singular, 1), 0).astype(singular.dtype)
    right = core.expand_dims(scale, -1) * core.conjugate(matrix_transpose(u))
    return matmul(core.conjugate(matrix_transpose(vh)), right.astype(a.dtype))


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:  # noqa: N803
    """Return how many singular values are above ``tol``, or ``rtol`` times the largest."""
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    a = core.asarray(A)
    if a.ndim < 2:
        return int(bool(core.any(a != 0)))
    singular = svd(a, False, False, hermitian)
    if tol is None:
        if rtol is None:
            rtol = max(a.shape[-2:]) * _epsilon(singular.dtype)
        largest = core.max(singular, axis=-1, keepdims=True) if singular.shape[-1] else 0.0
        tol = core.expand_dims(core.asarray(rtol), -1) * largest
    else:
        tol = core.expand_dims(core.asarray(tol), -1)
    return core.count_nonzero(singular > tol, axis=-1)


def matrix_power(a: Any, n: int) -> Any:
    """Return a square matrix to the power of an integer; of its inverse if that is negative."""
    a = core.asarray(a)
    _square(a)
    if not isinstance(n, int):
        raise TypeError("exponent must be an integer")
    if n == 0:
        result = core.zeros(a.shape, dtype=a.dtype)
        result[...] = eye(a.shape[-1], dtype=a.dtype)
        return result
    if n < 0:
        a, n = inv(a), -n
    result = None
    while True:
        n, odd = divmod(n, 2)
        if odd:
            result = a if result is None else matmul(result, a)
        if n == 0:
            return result.copy() if result is a else result
        a = matmul(a, a)


def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number in a norm (None: the largest singular value by the smallest)."""
    x = _matrices(x)
    if x.size == 0:
        raise LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        singular = svdvals(x)
        first, last = singular[..., 0], singular[..., -1]
        result = last / first if p == -2 else first / last
    else:
        _square(x)
        try:
            inverse = inv(x)
        except LinAlgError:
            if x.ndim > 2:
                raise
            return core.asarray(float("inf"), dtype=norm(x).dtype)[()]
        result = norm(x, p, axis=(-2, -1)) * norm(inverse, p, axis=(-2, -1))
    undefined = core.isnan(result)
    if bool(core.any(undefined)):
        given = core.any(core.isnan(x), axis=(-2, -1))
        result = core.where(undefined & ~given, float("inf"), result)
    return result


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return norms of vectors over an axis, several, or all."""
    x = _floats(x)
    sizes = core.absolute(x)
    if ord == float("inf"):
        return core.max(sizes, axis=axis, keepdims=keepdims)
    if ord == float("-inf"):
        return core.min(sizes, axis=axis, keepdims=keepdims)
    if ord == 0:
        return core.sum((x != 0).astype(sizes.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return core.sum(sizes, axis=axis, keepdims=keepdims)
    if ord == 2:
        return core.sqrt(core.sum(sizes * sizes, axis=axis, keepdims=keepdims))
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")  # noqa: TRY004 - NumPy's
    return core.sum(sizes**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return norms of matrices: fro, nuc, 1, -1, 2, -2, inf or -inf."""
    return _matrix_norm(_matrices(x), ord, keepdims)


def _matrix_norm(x: Any, kind: Any, keepdims: bool) -> Any:
    if kind in (2, -2, "nuc"):
        singular = svdvals(x)
        if kind == "nuc":
            result = core.sum(singular, axis=-1)
        else:
            result = core.max(singular, axis=-1) if kind > 0 else core.min(singular, axis=-1)
    else:
        sizes = core.absolute(x)
        if kind in (None, "fro", "f"):
            result = core.sqrt(core.sum(sizes * sizes, axis=(-2, -1)))
        elif kind in (1, -1, float("inf"), float("-inf")):
            sums = core.sum(sizes, axis=-2 if kind in (1, -1) else -1)
            result = core.max(sums, axis=-1) if kind > 0 else core.min(sums, axis=-1)
        else:
            raise ValueError("Invalid norm order for matrices.")
    return core.expand_dims(core.expand_dims(result, -1), -1) if keepdims else result


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return axis % ndim


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of a vector or matrix, or of those along the axes."""
    x = _floats(x)
    if axis is None:
        if ord is None or x.ndim == 1:
            # all elements as one vector
            return vector_norm(x, keepdims=keepdims, ord=2 if ord is None else ord)
        axis = tuple(range(x.ndim))
    elif not isinstance(axis, tuple):
        axis = (axis,)
    if len(axis) == 1:
        return vector_norm(x, axis=axis[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axis) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    row, column = (_axis(one, x.ndim) for one in axis)
    if row == column:
        raise ValueError("Duplicate axes given.")
    rest = tuple(i for i in range(x.ndim) if i not in (row, column))
    result = _matrix_norm(core.permute_dims(x, (*rest, row, column)), ord, False)
    if not keepdims:
        return result
    for one in sorted((row, column)):
        result = core.expand_dims(result, one)
    return result


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the cross product of vectors of three elements."""
    x1, x2 = core.asarray(x1), core.asarray(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, "
            f"but they are {x1.shape[axis]} and {x2.shape[axis]} dimensional instead."
        )
    a, b = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    parts = (a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0)
    return moveaxis(core.stack(parts, axis=-1), -1, axis)


def outer(x1: Any, x2: Any, /) -> Any:
    """Return the products of the elements of two vectors."""
    x1, x2 = core.asarray(x1), core.asarray(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            f"Input arrays must be one-dimensional, but they are x1.ndim={x1.ndim} and "
            f"x2.ndim={x2.ndim}."
        )
    return products.outer(x1, x2)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonals of matrices: a copy."""
    x = core.asarray(x)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    rows, columns = x.shape[-2:]
    above, below = max(offset, 0), max(-offset, 0)
    count = max(0, min(rows - below, columns - above))
    flat = core.reshape(x, (*x.shape[:-2], rows * columns))
    start = below * columns + above
    if count == 0:
        return flat[..., :0].copy()
    return flat[..., start : start + (count - 1) * (columns + 1) + 1 : columns + 1].copy()


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Return the sums along the diagonals of matrices."""
    return core.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Return the product of several matrices, in the order that takes the fewest operations."""
    matrices = [core.asarray(one) for one in arrays]
    n = len(matrices)
    if n < 2:
        raise ValueError("Expecting at least two arrays.")
    row, column = matrices[0].ndim == 1, matrices[-1].ndim == 1
    if row:
        matrices[0] = core.expand_dims(matrices[0], 0)
    if column:
        matrices[-1] = core.expand_dims(matrices[-1], 1)
    for one in matrices:
        if one.ndim != 2:
            raise LinAlgError(f"{one.ndim}-dimensional array given. Array must be two-dimensional")
    sizes = [matrices[0].shape[0], *(one.shape[1] for one in matrices)]
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        if i == j:
            return matrices[i]
        return matmul(product(i, split[i][j]), product(split[i][j] + 1, j))

    result = product(0, n - 1)
    if row or column:
        result = core.reshape(result, result.shape[int(row) : 2 - int(column)])
    if out is None:
        return result
    out[...] = result
    return out


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Return x such that ``tensordot(a, x, x.ndim) == b``."""
    a, b = _floats(a), core.asarray(b)
    if axes is not None:
        moved = [_axis(one, a.ndim) for one in axes]
        a = core.permute_dims(a, (*(i for i in range(a.ndim) if i not in moved), *moved))
    shape = a.shape[b.ndim :]
    columns = 1
    for size in shape:
        columns *= size
    if a.size != columns**2:
        raise LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == "
            "prod(a.shape[:b.ndim])"
        )
    return core.reshape(solve(core.reshape(a, (columns, columns)), core.reshape(b, (-1,))), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse of ``tensordot(a, ., ind)``."""
    a = _floats(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    columns = 1
    for size in a.shape[ind:]:
        columns *= size
    matrix = core.reshape(a, (-1, columns))
    return core.reshape(inv(matrix), (*a.shape[ind:], *a.shape[:ind]))

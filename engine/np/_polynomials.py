"""Polynomials as vectors of coefficients, the highest power first."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._creation import vander

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "roots",
]


def _coefficients(p: Any) -> Any:
    p = core.asarray(p)
    return core.reshape(p, (1,)) if p.ndim == 0 else p


def _led(p: Any) -> Any:
    """Return coefficients without leading zeros; of nothing, one zero."""
    p = _coefficients(p)
    (places,) = core.nonzero(p)
    if not places.size:
        return core.zeros(1, dtype=p.dtype)
    return p[int(places[0]) :]


def polyval(p: Any, x: Any) -> Any:
    """Return the polynomial's values at ``x``."""
    p, x = core.asarray(p), core.asarray(x)
    y = core.zeros_like(x)
    for i in range(p.size):
        y = y * x + p[i]
    return y


def _sum(a1: Any, a2: Any, sign: int) -> Any:
    a, b = _coefficients(a1), _coefficients(a2)
    size = max(a.size, b.size)
    a, b = (core.concat((core.zeros(size - one.size, dtype=one.dtype), one)) for one in (a, b))
    return a + b if sign > 0 else a - b


def polyadd(a1: Any, a2: Any) -> Any:
    """Return the sum of two polynomials."""
    return _sum(a1, a2, 1)


def polysub(a1: Any, a2: Any) -> Any:
    """Return the difference of two polynomials."""
    return _sum(a1, a2, -1)


def polymul(a1: Any, a2: Any) -> Any:
    """Return the product of two polynomials, whose leading zeros do not count."""
    from polyvm.np._calculus import convolve

    return convolve(_led(a1), _led(a2))


def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Return quotient and remainder."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    w = u[:1] + v[:1]
    m, n = u.size - 1, v.size - 1
    scale = 1.0 / v[0]
    q = core.zeros((max(m - n + 1, 1),), dtype=w.dtype)
    r = u.astype(w.dtype)
    for k in range(m - n + 1):
        d = scale * r[k]
        q[k] = d
        r[k : k + n + 1] = r[k : k + n + 1] - d * v
    while r.size > 1 and abs(complex(r[0])) <= 1e-14:
        r = r[1:]
    return q, r


def polyder(p: Any, m: int = 1) -> Any:
    """Return the ``m``-th derivative."""
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = _coefficients(p)
    for _ in range(m):
        n = p.size - 1
        p = p[:-1] * core.arange(n, 0, -1)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Return the ``m``-th antiderivative; ``k``: the constants, the first one's first."""
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = core.zeros(m) if k is None else _coefficients(k)
    if constants.size == 1 and m > 1:
        constants = constants[0] * core.ones(m)
    if constants.size < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    p = _coefficients(p)
    for i in range(m):
        raised = core.divide(p, core.arange(p.size, 0, -1))
        p = core.concat((raised, core.reshape(constants[i], (1,))))
    return p


def _trimmed(p: Any) -> tuple[Any, int]:
    """Return the coefficients without zeros at the ends, and how many were at the low end."""
    places = core.nonzero(p)[0]
    if places.size == 0:
        return p[:0], 0
    first, last = int(places[0]), int(places[-1])
    return p[first : last + 1], p.size - last - 1


def roots(p: Any) -> Any:
    """Return the roots: the eigenvalues of the companion matrix."""
    p = _coefficients(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    p, zeros = _trimmed(p)
    if p.size == 0:
        return core.zeros(0)
    if p.dtype.kind not in "fc":
        p = p.astype(core.float64)
    n = p.size
    found = core.zeros(0, dtype=p.dtype)
    if n > 1:
        from polyvm.np import linalg

        companion = core.zeros((n - 1, n - 1), dtype=p.dtype)
        if n > 2:
            core.reshape(companion, (-1,))[n - 1 :: n] = 1
        companion[0, :] = -p[1:] / p[0]
        found = linalg.eigvals(companion)
    return core.concat((found, core.zeros(zeros, dtype=found.dtype)))


def poly(seq_of_zeros: Any) -> Any:
    """Return the polynomial with the given roots, or a matrix's characteristic polynomial."""
    given = _coefficients(seq_of_zeros)
    if given.ndim == 2 and given.shape[0] == given.shape[1] and given.shape[0] != 0:
        from polyvm.np import linalg

        given = linalg.eigvals(given)
    elif given.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if given.size == 0:
        return core.asarray(1.0)
    if given.dtype.kind not in "fc":
        given = given.astype(core.float64)
    from polyvm.np._calculus import convolve

    result = core.ones(1, dtype=given.dtype)
    for i in range(given.size):
        factor = core.ones(2, dtype=given.dtype)
        factor[1] = -given[i]
        result = convolve(result, factor)
    if result.dtype.kind == "c":
        upper = core.sort(given[given.imag > 0])
        lower = core.sort(core.conjugate(given[given.imag < 0]))
        if upper.shape == lower.shape and bool(core.all(upper == lower)):
            return result.real.copy()
    return result


def polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Any:
    """Return the polynomial of degree ``deg`` that fits points best by least squares.

    ``full``: also residuals, rank, singular values and rcond; ``cov``: also the coefficients'
    covariance. Raises TypeError for points that are no vectors, ValueError for a negative degree.
    """
    from polyvm.np import linalg

    x, y = core.asarray(x) + 0.0, core.asarray(y) + 0.0
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if x.shape[0] != y.shape[0]:
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = x.size * 2.220446049250313e-16
    left, right = vander(x, deg + 1), y
    if w is not None:
        w = core.asarray(w) + 0.0
        if w.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if w.shape[0] != y.shape[0]:
            raise TypeError("expected w and y to have the same length")
        left = left * core.expand_dims(w, 1)
        right = right * (core.expand_dims(w, 1) if right.ndim == 2 else w)
    scale = core.sqrt(core.sum(left * left, axis=0))
    c, residuals, rank, singular = linalg.lstsq(left / scale, right, rcond)
    c = (c.T / scale).T
    if full:
        return c, residuals, rank, singular, rcond
    if not cov:
        return c
    base = linalg.inv(core.matmul(left.T, left))
    factor: Any = 1
    if cov != "unscaled":
        if x.size <= deg + 1:
            raise ValueError(
                "the number of data points must exceed order to scale the covariance matrix"
            )
        factor = residuals / (x.size - (deg + 1))
    if y.ndim == 1:
        return c, base * factor
    return c, core.expand_dims(base, 2) * factor

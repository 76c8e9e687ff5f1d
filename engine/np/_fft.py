"""Discrete Fourier transforms: the standard's extension, NumPy's names.

float32 and complex64 are transformed in their own precision, float16 in float32, other types in
float64. ``norm`` says where the factor goes: "backward" divides the inverse by the length,
"forward" the forward one, "ortho" both by its square root.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from polyvm.np import _core as core
from polyvm.np._manipulation import roll

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

fft = core.tensor._fft_fft
ifft = core.tensor._fft_ifft
rfft = core.tensor._fft_rfft
irfft = core.tensor._fft_irfft
hfft = core.tensor._fft_hfft
ihfft = core.tensor._fft_ihfft


def _axes_and_sizes(a: Any, s: Any, axes: Any, halved: bool) -> tuple[list[int], list[int]]:
    """Return which axes are transformed, and how long; the last may be half a spectrum."""
    if axes is None:
        axes = range(a.ndim) if s is None else range(-len(s), 0)
    axes = [operator.index(axis) for axis in axes]
    for axis in axes:
        if not -a.ndim <= axis < a.ndim:
            raise core.AxisError(f"axis {axis} is out of bounds for array of dimension {a.ndim}")
    if s is None:
        sizes = [a.shape[axis] for axis in axes]
        if halved and sizes:
            sizes[-1] = 2 * (sizes[-1] - 1)
        return axes, sizes
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    # -1 stands for all of the axis
    given = zip(s, axes, strict=True)
    return axes, [a.shape[axis] if size == -1 else size for size, axis in given]


def _several(one: Callable[..., Any], a: Any, s: Any, axes: Any, norm: Any, out: Any = None) -> Any:
    a = core.asarray(a)
    axes, sizes = _axes_and_sizes(a, s, axes, halved=False)
    for axis, size in zip(reversed(axes), reversed(sizes), strict=True):
        a = one(a, size, axis, norm)
    return _into(a, out)


def _into(result: Any, out: Any) -> Any:
    if out is None:
        return result
    out[...] = result
    return out


def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Return the transform over several axes, all by default."""
    return _several(fft, a, s, axes, norm, out)


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Return the inverse transform over several axes, all by default."""
    return _several(ifft, a, s, axes, norm, out)


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Return the transform of real input over several axes: half of it, along the last."""
    a = core.asarray(a)
    axes, sizes = _axes_and_sizes(a, s, axes, halved=False)
    if not axes:
        raise ValueError("at least 1 axis must be transformed")
    a = rfft(a, sizes[-1], axes[-1], norm)
    return _several(fft, a, sizes[:-1], axes[:-1], norm, out)


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Return the inverse of ``rfftn``; give ``s`` where the last size is odd."""
    a = core.asarray(a)
    axes, sizes = _axes_and_sizes(a, s, axes, halved=True)
    if not axes:
        raise ValueError("at least 1 axis must be transformed")
    for axis, size in zip(axes[:-1], sizes[:-1], strict=True):
        a = ifft(a, size, axis, norm)
    return _into(irfft(a, sizes[-1], axes[-1], norm), out)


def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Return the transform over two axes."""
    return fftn(a, s, axes, norm, out)


def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Return the inverse transform over two axes."""
    return ifftn(a, s, axes, norm, out)


def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Return the transform of real input over two axes."""
    return rfftn(a, s, axes, norm, out)


def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Return the inverse of ``rfft2``."""
    return irfftn(a, s, axes, norm, out)


def _checked(n: int, dtype: Any, device: str | None) -> tuple[int, Any]:
    if device not in (None, "cpu"):
        raise ValueError(f"Unsupported device {device!r}: there is only 'cpu'")
    try:
        n = operator.index(n)
    except TypeError as error:
        raise ValueError("n should be an integer") from error
    return n, core.float64 if dtype is None else core.dtype(dtype)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: str | None = None) -> Any:
    """Return the frequencies of ``fft``'s results, for samples ``d`` apart."""
    n, dtype = _checked(n, dtype, device)
    scale = 1.0 / (n * d)
    half = (n - 1) // 2 + 1
    parts = core.concat([core.arange(half), core.arange(-(n // 2), 0)])
    return (parts * scale).astype(dtype)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: str | None = None) -> Any:
    """Return the frequencies of ``rfft``'s results, for samples ``d`` apart."""
    n, dtype = _checked(n, dtype, device)
    return (core.arange(n // 2 + 1) * (1.0 / (n * d))).astype(dtype)


def _shifted(x: Any, axes: Any, inverse: bool) -> Any:
    x = core.asarray(x)
    if axes is None:
        axes = tuple(range(x.ndim))
    elif not isinstance(axes, (tuple, list)):
        axes = (axes,)
    shifts = tuple(-(x.shape[axis] // 2) if inverse else x.shape[axis] // 2 for axis in axes)
    return roll(x, shifts, tuple(axes))


def fftshift(x: Any, axes: Any = None) -> Any:
    """Move the zero frequency to the middle."""
    return _shifted(x, axes, inverse=False)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """Undo ``fftshift``."""
    return _shifted(x, axes, inverse=True)

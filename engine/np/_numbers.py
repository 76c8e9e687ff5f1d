"""Parts of numbers, bits, windows for signals."""

from __future__ import annotations

import math
from typing import Any

from polyvm.np import _core as core

__all__ = [
    "bartlett",
    "base_repr",
    "binary_repr",
    "bitwise_count",
    "blackman",
    "float_power",
    "frexp",
    "hamming",
    "hanning",
    "i0",
    "kaiser",
    "ldexp",
    "modf",
    "packbits",
    "real_if_close",
    "sort_complex",
    "spacing",
    "unpackbits",
]


def _float(x: Any) -> Any:
    x = core.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError("the function takes real numbers")
    return x if x.dtype.kind == "f" else x.astype(core.float64)


def modf(x: Any, /) -> tuple[Any, Any]:
    """Return fractions and whole parts, both with the sign of ``x``."""
    x = _float(x)
    whole = core.trunc(x)
    rest = core.where(core.isinf(x), core.asarray(0, dtype=x.dtype), x - whole)
    rest = core.copysign(rest, x)
    return (rest[()], whole) if rest.ndim == 0 else (rest, whole)


def _bits(x: Any, dtype: Any) -> Any:
    """Return the bits of 64-bit elements, of which nobody else knows, as another type."""
    flat = core.reshape(x, (-1,))
    return core.reshape(core.frombuffer(flat, dtype=dtype), x.shape) if x.size else x.astype(dtype)


def _power_of_two(power: Any) -> Any:
    """Return 2 to the power of integers from -1022 to 1023, exactly."""
    return _bits(core.left_shift(power + 1023, 52), core.float64)


def frexp(x: Any, /) -> tuple[Any, Any]:
    """Return mantissas from 0.5 to 1 and exponents (int32) of 2."""
    x = _float(x)
    wide = x.astype(core.float64)
    fine = core.logical_and(core.isfinite(wide), wide != 0)
    # numbers below the normal ones are brought up first
    small = core.logical_and(fine, core.absolute(wide) < 2.2250738585072014e-308)
    scaled = core.where(small, wide * 2.0**54, wide)
    power = core.bitwise_and(core.right_shift(_bits(scaled, core.int64), 52), 0x7FF) - 1022
    power = core.where(fine, power, 1)
    mantissa = scaled * _power_of_two(2 - power) / 4
    result = core.where(fine, mantissa, wide).astype(x.dtype)
    power = core.where(fine, power - core.where(small, 54, 0), 0).astype(core.int32)
    return (result[()], power[()]) if x.ndim == 0 else (result, power)


def ldexp(x1: Any, x2: Any, /) -> Any:
    """Return ``x1`` times 2 to the power of the integers ``x2``."""
    x1, x2 = _float(x1), core.asarray(x2)
    if x2.dtype.kind not in "iub":
        raise TypeError("ldexp takes integer exponents")
    # in steps that do not overflow by themselves
    power = core.asarray(core.clip(x2.astype(core.int64), -2200, 2200))
    result = x1.astype(core.float64)
    for _ in range(3):
        step = core.clip(power, -1000, 1000)
        result = result * _power_of_two(step)
        power = power - step
    result = result.astype(x1.dtype)
    return result[()] if result.ndim == 0 else result


def float_power(x1: Any, x2: Any, /) -> Any:
    """Return powers, computed in float64 or complex128."""
    x1, x2 = core.asarray(x1), core.asarray(x2)
    dtype = core.complex128 if "c" in (x1.dtype.kind, x2.dtype.kind) else core.float64
    return core.power(x1.astype(dtype), x2.astype(dtype))


def spacing(x: Any, /) -> Any:
    """Return the distance from each number to its neighbour away from 0."""
    x = _float(x)
    away = core.nextafter(x, core.copysign(core.asarray(math.inf, dtype=x.dtype), x))
    result = away - x
    return result[()] if x.ndim == 0 else result


def real_if_close(a: Any, tol: float = 100) -> Any:
    """Return the real part if all imaginary ones are within ``tol`` machine epsilons of 0."""
    a = core.asarray(a)
    if a.dtype.kind != "c":
        return a
    if tol > 1:
        tol *= 2.0**-23 if a.dtype == core.complex64 else 2.0**-52
    return a.real if bool(core.all(core.absolute(a.imag) < tol)) else a


# ---- Bits ----------------------------------------------------------------------------------


def sort_complex(a: Any) -> Any:
    """Return a copy sorted by real parts, then by imaginary ones, as complex numbers."""
    ordered = core.sort(core.asarray(a), axis=-1)
    if ordered.dtype.kind == "c":
        return ordered
    single = ordered.dtype.name in ("int8", "uint8", "int16", "uint16")
    return ordered.astype(core.complex64 if single else core.complex128)


def bitwise_count(x: Any, /) -> Any:
    """Return how many bits of the magnitude are set, as uint8."""
    x = core.asarray(x)
    if x.dtype.kind not in "biu":
        raise TypeError("bitwise_count takes integers")
    if x.dtype.kind == "b":
        return x.astype(core.uint8)
    unsigned = getattr(core, f"uint{8 * x.dtype.itemsize}")
    rest = core.absolute(x).astype(unsigned)
    count = core.zeros(x.shape, dtype=core.uint8)
    for i in range(8 * x.dtype.itemsize):
        count += core.bitwise_and(
            core.right_shift(rest, core.asarray(i, dtype=unsigned)), 1
        ).astype(core.uint8)
    return count[()] if x.ndim == 0 else count


def _bytes_along(a: Any, axis: int | None) -> tuple[Any, int | None]:
    from polyvm.np._manipulation import _axis, moveaxis

    if axis is None:
        return core.ravel(a), None
    axis = _axis(axis, a.ndim)
    return moveaxis(a, axis, -1), axis


def packbits(a: Any, /, axis: int | None = None, bitorder: str = "big") -> Any:
    """Return bytes of eight booleans each, filled up with zeros at the end."""
    from polyvm.np._manipulation import moveaxis

    a = core.asarray(a)
    if a.dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    lines, along = _bytes_along(a, axis)
    size = lines.shape[-1]
    count = -(-size // 8)
    bits = core.zeros((*lines.shape[:-1], count * 8), dtype=core.uint8)
    bits[..., :size] = lines != 0
    bits = core.reshape(bits, (*lines.shape[:-1], count, 8))
    weights = [1 << (7 - i if bitorder == "big" else i) for i in range(8)]
    packed = core.sum(bits * core.asarray(weights, dtype=core.uint8), axis=-1, dtype=core.uint8)
    return packed if along is None else moveaxis(packed, -1, along)


def unpackbits(
    a: Any, /, axis: int | None = None, count: int | None = None, bitorder: str = "big"
) -> Any:
    """Return the bits of bytes as zeros and ones: ``count`` of them, or all but ``-count``."""
    from polyvm.np._manipulation import moveaxis

    a = core.asarray(a)
    if a.dtype != core.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    lines, along = _bytes_along(a, axis)
    shifts = core.asarray([7 - i if bitorder == "big" else i for i in range(8)], dtype=core.uint8)
    bits = core.bitwise_and(core.right_shift(core.expand_dims(lines, -1), shifts), 1)
    bits = core.reshape(bits, (*lines.shape[:-1], 8 * lines.shape[-1]))
    if count is not None:
        size = bits.shape[-1]
        wanted = size + count if count < 0 else count
        if wanted < 0:
            raise ValueError(f"-ve count ({count}) may not be larger than the bits there are")
        if wanted > size:
            more = core.zeros((*bits.shape[:-1], wanted - size), dtype=core.uint8)
            bits = core.concat((bits, more), axis=-1)
        bits = bits[..., :wanted]
    return bits if along is None else moveaxis(bits, -1, along)


def binary_repr(num: int, width: int | None = None) -> str:
    """Return an integer in binary; of ``width`` digits, negative ones as two's complement."""
    num = int(num)
    if num >= 0 or width is None:
        text = f"{num:b}"
        if width is not None and len(text) > width:
            raise ValueError(f"Insufficient bit width={width} provided for binwidth={len(text)}")
        return text.zfill(width or 0) if num >= 0 else text
    needed = (-num - 1).bit_length() + 1
    if needed > width:
        raise ValueError(f"Insufficient bit width={width} provided for binwidth={needed}")
    return f"{num + (1 << width):b}".rjust(width, "1")


def base_repr(number: int, base: int = 2, padding: int = 0) -> str:
    """Return an integer in a base from 2 to 36, with ``padding`` zeros before it."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if base > len(digits):
        raise ValueError("Bases greater than 36 not handled in base_repr.")
    if base < 2:
        raise ValueError("Bases less than 2 not handled in base_repr.")
    rest = abs(int(number))
    text = ""
    while rest:
        rest, digit = divmod(rest, base)
        text = digits[digit] + text
    if padding or not text:
        text = "0" * (padding if text else max(padding, 1)) + text
    return ("-" if number < 0 else "") + text


# ---- Windows -------------------------------------------------------------------------------


def _window(m: Any, terms: tuple[float, ...]) -> Any:
    m = int(m)
    if m < 1:
        return core.zeros(0)
    if m == 1:
        return core.ones(1)
    n = core.arange(1 - m, m, 2) / (m - 1)
    result = core.full((m,), terms[0])
    for k, factor in enumerate(terms[1:], 1):
        result += factor * core.cos(math.pi * k * n)
    return result


def hanning(M: Any) -> Any:  # noqa: N803 - NumPy's name
    """Return the Hann window of ``M`` points."""
    return _window(M, (0.5, 0.5))


def hamming(M: Any) -> Any:  # noqa: N803 - NumPy's name
    """Return the Hamming window of ``M`` points."""
    return _window(M, (0.54, 0.46))


def blackman(M: Any) -> Any:  # noqa: N803 - NumPy's name
    """Return the Blackman window of ``M`` points."""
    return _window(M, (0.42, 0.5, 0.08))


def bartlett(M: Any) -> Any:  # noqa: N803 - NumPy's name
    """Return the triangular window of ``M`` points that is 0 at its ends."""
    m = int(M)
    if m <= 1:
        return core.ones(max(m, 0))
    return 1 - core.absolute(core.arange(1 - m, m, 2) / (m - 1))


def i0(x: Any) -> Any:
    """Return the modified Bessel function of the first kind, order 0, as a power series' sum."""
    x = _float(x)
    kept = x.dtype
    x = core.absolute(x).astype(core.float64)
    # beyond 30 the series would lose digits: there its asymptotic one has them all
    near = core.minimum(x, 30.0)
    quarter = near * near / 4
    term = core.ones_like(near)
    total = core.ones_like(near)
    for k in range(1, 90):
        term = term * quarter / (k * k)
        total = total + term
    far = core.maximum(x, 30.0)
    term = core.ones_like(far)
    tail = core.ones_like(far)
    for k in range(1, 25):
        term = term * ((2 * k - 1) ** 2 / k) / (8 * far)
        tail = tail + term
    result = core.where(x <= 30, total, core.exp(far) / core.sqrt(2 * math.pi * far) * tail)
    return result.astype(kept)


def kaiser(M: Any, beta: float) -> Any:  # noqa: N803 - NumPy's name
    """Return the Kaiser window of ``M`` points and shape ``beta``."""
    m = int(M)
    if m <= 1:
        return core.ones(max(m, 0))
    half = (m - 1) / 2
    place = (core.arange(m) - half) / half
    return i0(beta * core.sqrt(core.maximum(1 - place * place, 0.0))) / i0(float(beta))

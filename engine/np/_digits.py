"""Floats as digits: the fewest that read back, written out or with an exponent."""

from __future__ import annotations

import struct

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _reads_back(name: str) -> Callable[[float, float], bool] | None:
    """Return what says whether two doubles are the same number in a narrow type."""
    if name == "float64":
        return None
    code = {"float32": "<f", "float16": "<e"}.get(name)
    if code is not None:
        pack = struct.Struct(code).pack

        def same(a: float, b: float) -> bool:
            try:
                return pack(a) == pack(b)
            except OverflowError:
                return False

        return same

    def same_half(a: float, b: float) -> bool:
        return bool(core.asarray(a, dtype=name) == core.asarray(b, dtype=name))

    return same_half


def _digits(value: float, same: Callable[[float, float], bool] | None) -> tuple[str, int]:
    """Return the digits of a finite ``value`` >= 0 and the exponent of the first."""
    if same is None:
        mantissa, _, exponent = repr(value).partition("e")
        whole, _, fraction = mantissa.partition(".")
        power = int(exponent or 0) + len(whole) - 1
        digits = whole + fraction
        stripped = digits.lstrip("0")
        if not stripped:
            return "0", 0
        return stripped.rstrip("0"), power - (len(digits) - len(stripped))
    for precision in range(9):
        text = f"{value:.{precision}e}"
        if same(float(text), value):
            break
    mantissa, _, exponent = text.partition("e")
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def _carried(digits: str, last: int, fraction: str) -> str:
    """Drop the zeros that rounding nines up has left; zeros that were digits stay."""
    return fraction.rstrip("0") if last >= 0 and digits[last] == "9" else fraction


def _positional(value: float, digits: str, power: int, precision: int | None) -> tuple[str, str]:
    """Return whole and fraction, at most ``precision`` digits of it."""
    if precision is not None and len(digits) - 1 - power > precision:
        whole, _, fraction = f"{value:.{precision}f}".partition(".")
        return whole, _carried(digits, power + precision, fraction)
    if power < 0:
        return "0", "" if digits == "0" else "0" * (-power - 1) + digits
    whole = digits[: power + 1]
    return whole + "0" * (power + 1 - len(whole)), digits[power + 1 :]


def _scientific(
    value: float, digits: str, power: int, precision: int | None
) -> tuple[str, str, int]:
    """Return whole, fraction and exponent."""
    if precision is not None and len(digits) - 1 > precision:
        mantissa, _, exponent = f"{value:.{precision}e}".partition("e")
        whole, _, fraction = mantissa.partition(".")
        return whole, _carried(digits, precision, fraction), int(exponent)
    return digits[0], digits[1:], power


def _exponent_text(power: int, least: int) -> str:
    return f"e{'-' if power < 0 else '+'}{abs(power):0{max(least, 2)}d}"


def _trimmed(whole: str, fraction: str, trim: str) -> str:
    if trim == "k":
        return f"{whole}.{fraction}"
    fraction = fraction.rstrip("0")
    if trim == "0":
        return f"{whole}.{fraction or '0'}"
    if trim == "-" and not fraction:
        return whole
    return f"{whole}.{fraction}"

"""Elements as texts of one width: floats, complex numbers, integers."""

from __future__ import annotations

from polyvm.np import _core as core
from polyvm.np._digits import _digits, _exponent_text, _positional, _reads_back, _scientific

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


_FAMILIES = {"b": ("bool",), "i": ("int",), "u": ("int",), "f": ("float",), "c": ("complexfloat",)}
_KINDS_OF_FAMILIES = {"int_kind": "iu", "float_kind": "f", "complex_kind": "c"}


class _FloatColumn:
    """Writes the floats of one array so that they line up."""

    def __init__(self, values: list[float], name: str, options: dict[str, Any]) -> None:
        self.sign = options["sign"]
        self.options = options
        mode = options["floatmode"]
        self.same = _reads_back(name)
        self.precision: int | None = None if mode == "unique" else options["precision"]
        self.scientific = False
        self.fixed = mode == "fixed"
        self.least_digits = 0
        self.exponent_size = 2
        self.left = self.right = 0
        finite = [value for value in values if value - value == 0]
        magnitudes = [abs(value) for value in finite if value != 0]
        if magnitudes:
            most, least = max(magnitudes), min(magnitudes)
            limit, low, ratio = 1e8, 0.0001, most / least
            if name != "float64":  # compared in their own type
                limit = 1e6 if name == "float32" else 1e3
                low, ratio = core.asarray([low, ratio]).astype(name).tolist()
            self.scientific = most >= limit or (
                not options["suppress"] and (least < low or ratio > 1000.0)
            )
        if finite:
            self._measure(finite, mode)
        if self.sign == " " and not any(_is_negative(value) for value in finite):
            self.left += 1
        if len(finite) != len(values):
            signed = self.sign != "-" or any(value == -_INFINITY for value in values)
            taken = self.right + 1
            self.left = max(
                self.left, len(options["nanstr"]) - taken, len(options["infstr"]) + signed - taken
            )

    def _measure(self, finite: list[float], mode: str) -> None:
        longest = 0
        for value in finite:
            whole, fraction, power = self._parts(value)
            self.left = max(self.left, len(whole))
            longest = max(longest, len(fraction))
            if self.scientific:
                self.exponent_size = max(self.exponent_size, len(str(abs(power))))
        if self.scientific:
            self.precision = self.least_digits = longest
            self.right = longest + self.exponent_size + 2
        else:
            self.right = longest
            if mode in ("fixed", "maxprec_equal"):
                self.precision = self.least_digits = longest
                self.fixed = True

    def _parts(self, value: float) -> tuple[str, str, int]:
        magnitude = abs(value)
        power = 0
        if self.fixed and self.precision is not None:
            style = "e" if self.scientific else "f"
            mantissa, _, exponent = f"{magnitude:.{self.precision}{style}}".partition("e")
            whole, _, fraction = mantissa.partition(".")
            power = int(exponent or 0)
        elif self.scientific:
            digits, first = _digits(magnitude, self.same)
            whole, fraction, power = _scientific(magnitude, digits, first, self.precision)
            fraction = fraction.rstrip("0")
        else:
            digits, first = _digits(magnitude, self.same)
            whole, fraction = _positional(magnitude, digits, first, self.precision)
            fraction = fraction.rstrip("0")
        if _is_negative(value):
            whole = "-" + whole
        elif self.sign == "+":
            whole = "+" + whole
        return whole, fraction, power

    def __call__(self, value: float) -> str:
        if value - value != 0:
            return self._not_finite(value).rjust(self.left + self.right + 1)
        if self.scientific:
            # every digit asked for is the number's own, also beyond the fewest
            mantissa, _, exponent = f"{abs(value):.{self.least_digits}e}".partition("e")
            whole, _, fraction = mantissa.partition(".")
            sign = "-" if _is_negative(value) else "+" if self.sign == "+" else ""
            power = _exponent_text(int(exponent), self.exponent_size)
            return f"{(sign + whole).rjust(self.left)}.{fraction}{power}"
        whole, fraction, _ = self._parts(value)
        return f"{whole.rjust(self.left)}.{fraction.ljust(self.right)}"

    def _not_finite(self, value: float) -> str:
        if value != value:  # noqa: PLR0124 - NaN
            return ("+" if self.sign == "+" else "") + str(self.options["nanstr"])
        sign = "-" if value < 0 else "+" if self.sign == "+" else ""
        return sign + str(self.options["infstr"])


_INFINITY = float("inf")


def _is_negative(value: float) -> bool:
    return value < 0 or (value == 0 and str(value)[0] == "-")


def _complex_column(
    values: list[complex], name: str, options: dict[str, Any]
) -> Callable[[complex], str]:
    part = "float32" if name == "complex64" else "float64"
    real = _FloatColumn([value.real for value in values], part, options)
    imaginary = _FloatColumn([value.imag for value in values], part, {**options, "sign": "+"})

    def write(value: complex) -> str:
        text = imaginary(value.imag)
        end = len(text.rstrip())
        return f"{real(value.real)}{text[:end]}j{text[end:]}"

    return write


def _integer_column(values: list[int], sign: str) -> Callable[[int], str]:
    width = 0
    if values:
        most, least = max(values), min(values)
        if sign == " " and least < 0:
            sign = "-"
        width = max(len(str(most)) + (most >= 0 and sign in "+ "), len(str(least)))
    template = f"{{:{sign}{width}d}}"
    return template.format


def _column(data: Any, options: dict[str, Any]) -> Callable[[Any], str]:
    """Return what writes an element of an array whose printed elements are ``data``."""
    kind, name = data.dtype.kind, str(data.dtype.name)
    chosen = _chosen_formatter(kind, options["formatter"])
    if chosen is not None:
        return chosen
    values = core.ravel(data).tolist()
    if kind == "b":
        width = 5 if data.ndim else 0
        return lambda value: ("True" if value else "False").rjust(width)
    if kind == "f":
        return _FloatColumn(values, name, options)
    if kind == "c":
        return _complex_column(values, name, options)
    return _integer_column(values, options["sign"])


def _chosen_formatter(kind: str, formatter: Any) -> Callable[[Any], str] | None:
    if not formatter:
        return None
    found: Callable[[Any], str] | None = formatter.get("all")
    for family, kinds in _KINDS_OF_FAMILIES.items():
        if kind in kinds:
            found = formatter.get(family, found)
    for family in _FAMILIES[kind]:
        found = formatter.get(family, found)
    return found

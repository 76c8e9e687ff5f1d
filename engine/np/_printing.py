"""Arrays and numbers as text, as NumPy prints them.

A float is shown by the fewest digits that its own type needs to tell it from its neighbours,
cut off after ``precision`` decimals where an array is printed.
"""

from __future__ import annotations

import contextlib
import struct
from contextvars import ContextVar

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = [
    "array2string",
    "array_repr",
    "array_str",
    "format_float_positional",
    "format_float_scientific",
    "get_printoptions",
    "printoptions",
    "set_printoptions",
]

_DEFAULTS: dict[str, Any] = {
    "precision": 8,
    "threshold": 1000,
    "edgeitems": 3,
    "linewidth": 75,
    "suppress": False,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "floatmode": "maxprec",
}
_FLOATMODES = ("fixed", "unique", "maxprec", "maxprec_equal")
_FAMILIES = {"b": ("bool",), "i": ("int",), "u": ("int",), "f": ("float",), "c": ("complexfloat",)}
_KINDS_OF_FAMILIES = {"int_kind": "iu", "float_kind": "f", "complex_kind": "c"}

_options: ContextVar[dict[str, Any]] = ContextVar("printoptions", default=_DEFAULTS)


# ---- Options -------------------------------------------------------------------------------


def _checked(changes: dict[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in changes.items() if value is not None}
    if made.get("floatmode", "unique") not in _FLOATMODES:
        raise ValueError(f"floatmode option must be one of {', '.join(map(repr, _FLOATMODES))}")
    if made.get("sign", "-") not in (" ", "+", "-"):
        raise ValueError("sign option must be one of ' ', '+', or '-'")
    threshold = made.get("threshold", 0)
    if isinstance(threshold, (str, bytes)):
        raise TypeError("threshold must be numeric")
    if threshold != threshold:  # noqa: PLR0124 - NaN
        raise ValueError(
            "threshold must be non-NAN, try sys.maxsize for untruncated representation"
        )
    precision = made.get("precision", 0)
    if not hasattr(precision, "__index__"):
        raise TypeError("precision must be an integer")
    if precision < 0:
        raise ValueError("precision must be >= 0")
    return made


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    suppress: bool | None = None,
    nanstr: str | None = None,
    infstr: str | None = None,
    formatter: dict[str, Callable[[Any], str]] | None = None,
    sign: str | None = None,
    floatmode: str | None = None,
    **others: Any,
) -> None:
    """Change how arrays are printed from now on; what is None stays as it is.

    ``formatter`` is not kept from call to call. Raises ValueError for options that are none.
    """
    if others.keys() - {"legacy", "override_repr"}:
        raise TypeError(f"set_printoptions() got an unexpected keyword argument {min(others)!r}")
    changes = _checked(
        {
            "precision": precision,
            "threshold": threshold,
            "edgeitems": edgeitems,
            "linewidth": linewidth,
            "suppress": suppress,
            "nanstr": nanstr,
            "infstr": infstr,
            "sign": sign,
            "floatmode": floatmode,
        }
    )
    if floatmode == "fixed" and precision is None and _options.get()["precision"] is None:
        changes["precision"] = _DEFAULTS["precision"]
    _options.set({**_options.get(), **changes, "formatter": formatter})


def get_printoptions() -> dict[str, Any]:
    """Return the options that `set_printoptions` takes, as they are."""
    return dict(_options.get())


@contextlib.contextmanager
def printoptions(*args: Any, **options: Any) -> Iterator[dict[str, Any]]:
    """Change options as `set_printoptions` does, for the length of a ``with`` block."""
    before = _options.get()
    set_printoptions(*args, **options)
    try:
        yield get_printoptions()
    finally:
        _options.set(before)


# ---- Digits --------------------------------------------------------------------------------


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


# ---- Floats in columns ---------------------------------------------------------------------


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


# ---- Arrays --------------------------------------------------------------------------------


class _Layout:
    """Brackets, separators and line breaks around the elements of one array."""

    def __init__(
        self, write: Callable[[Any], str], separator: str, edge: int, summarise: bool
    ) -> None:
        self.write = write
        self.separator = separator
        self.edge = edge
        self.summarise = summarise

    def text(self, array: Any, indent: str, width: int) -> str:
        """Return one level of brackets. Lines after the first begin with ``indent``."""
        if array.ndim == 0:
            return self.write(array.item())
        size = array.shape[0]
        cut = self.summarise and 2 * self.edge < size
        places: list[int | None] = [*range(size)]
        if cut:
            places = [*range(self.edge), None, *range(size - self.edge, size)]
        if array.ndim == 1:
            return self._row(array, places, indent, width)
        gap: str = self.separator.rstrip() + "\n" * (array.ndim - 1)
        inner = [
            "..." if place is None else self.text(array[place], indent + " ", width - 1)
            for place in places
        ]
        return "[" + (gap + indent).join(inner) + "]"

    def _row(self, array: Any, places: list[int | None], indent: str, width: int) -> str:
        room = width - max(len(self.separator.rstrip()), 1)
        lines = []
        line = indent
        for k, place in enumerate(places):
            word = "..." if place is None else self.write(array[place].item())
            *earlier, last = word.split("\n")
            if len(line) + len(word if not earlier else earlier[0]) > room and len(line) > len(
                indent
            ):
                lines.append(line.rstrip())
                line = indent
            if earlier:  # a formatter's own line breaks
                line += earlier[0]
                lines.append(line)
                lines.extend(indent + part for part in earlier[1:])
                line = indent + last
            else:
                line += word
            if k < len(places) - 1:
                line += self.separator
        lines.append(line)
        return "[" + "\n".join(lines)[len(indent) :] + "]"


def _corners(array: Any, edge: int) -> Any:
    """Return the elements that a summary shows."""
    for axis in range(array.ndim):
        size = array.shape[axis]
        if size > 2 * edge:
            key = (slice(None),) * axis
            if edge == 0:
                array = array[(*key, slice(0, 0))]
            else:
                ends = (array[(*key, slice(None, edge))], array[(*key, slice(size - edge, None))])
                array = core.concat(ends, axis=axis)
    return array


def array2string(
    a: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
    separator: str = " ",
    prefix: str = "",
    *,
    formatter: dict[str, Callable[[Any], str]] | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    sign: str | None = None,
    floatmode: str | None = None,
    suffix: str = "",
) -> str:
    """Return an array as text. ``prefix`` and ``suffix`` are only counted, not written."""
    given = {
        "linewidth": max_line_width,
        "precision": precision,
        "suppress": suppress_small,
        "formatter": formatter,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "sign": sign,
        "floatmode": floatmode,
    }
    options = {**_options.get(), **_checked(given)}
    a = core.asarray(a)
    if a.size == 0 and a.ndim:
        return "[]"
    summarise = a.size > options["threshold"]
    shown = _corners(a, options["edgeitems"]) if summarise else a
    layout = _Layout(_column(shown, options), separator, options["edgeitems"], summarise)
    return layout.text(a, " " + " " * len(prefix), options["linewidth"] - len(suffix))


def _is_implied(dtype: Any) -> bool:
    return dtype.name in {"bool", "int64", "float64", "complex128"}


def array_repr(
    arr: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
) -> str:
    """Return an array as text that names its type where the elements do not."""
    options = _options.get()
    width = options["linewidth"] if max_line_width is None else max_line_width
    body = array2string(arr, width, precision, suppress_small, ", ", prefix="array(", suffix=")")
    extras = []
    if (arr.size == 0 and arr.shape != (0,)) or arr.size > options["threshold"]:
        extras.append(f"shape={arr.shape}")
    if not _is_implied(arr.dtype) or arr.size == 0:
        extras.append(f"dtype={arr.dtype.name}")
    if not extras:
        return f"array({body})"
    head, tail = f"array({body},", ", ".join(extras) + ")"
    last_line = len(head) - (head.rfind("\n") + 1)
    return head + (" " if last_line + len(tail) + 1 <= width else "\n" + " " * 6) + tail


def array_str(
    a: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
) -> str:
    """Return the elements of an array as text."""
    if a.ndim == 0:
        return _number(a)
    return array2string(a, max_line_width, precision, suppress_small, " ")


# ---- Numbers -------------------------------------------------------------------------------


def _float_text(value: float, name: str) -> str:
    """Return a float as its scalar prints it."""
    if value - value != 0:
        return "nan" if value != value else "inf" if value > 0 else "-inf"  # noqa: PLR0124
    magnitude = abs(value)
    sign = "-" if _is_negative(value) else ""
    digits, power = _digits(magnitude, _reads_back(name))
    limit = {"float64": 1e16, "float32": 1e6}.get(name, 1e3)
    if magnitude == 0 or 1e-4 <= magnitude < limit:
        whole, fraction = _positional(magnitude, digits, power, None)
        return f"{sign}{whole}.{fraction or '0'}"
    mantissa = _trimmed(digits[0], digits[1:], "-")
    return f"{sign}{mantissa}{_exponent_text(power, 2)}"


def _complex_text(value: complex, name: str) -> str:
    part = "float32" if name == "complex64" else "float64"
    imaginary = _float_text(value.imag, part).removesuffix(".0") + "j"
    if value.real == 0 and not _is_negative(value.real):
        return imaginary
    real = _float_text(value.real, part).removesuffix(".0")
    joint = "" if imaginary[0] == "-" else "+"
    return f"({real}{joint}{imaginary})"


def _number(a: Any) -> str:
    """Return a 0-d array as NumPy's scalar prints."""
    value, name = a.item(), a.dtype.name
    if a.dtype.kind == "f":
        return _float_text(value, name)
    return _complex_text(value, name) if a.dtype.kind == "c" else str(value)


def text(array: Any, is_repr: bool) -> str:
    """Return what repr() and str() give for an array or a scalar; the extension calls it."""
    if not is_repr:
        return array_str(array)
    if array.ndim or array.flags["WRITEABLE"]:
        return array_repr(array)
    if array.dtype.kind == "b":
        return "np.True_" if array.item() else "np.False_"
    number = _number(array)
    return f"np.{array.dtype.name}({number.removeprefix('(').removesuffix(')')})"


def _float_operand(x: Any) -> tuple[float, str]:
    if isinstance(x, core.ndarray) and x.dtype.kind == "f":
        return float(x), x.dtype.name
    return float(x), "float64"


def _sign_text(value: float, sign: bool) -> str:
    return "-" if _is_negative(value) else "+" if sign else ""


def _not_a_number(value: float, sign: bool) -> str | None:
    if value - value == 0:
        return None
    if value != value:  # noqa: PLR0124 - NaN
        return "nan"
    return _sign_text(value, sign) + "inf"


def format_float_positional(
    x: Any,
    precision: int | None = None,
    unique: bool = True,
    fractional: bool = True,
    trim: str = "k",
    sign: bool = False,
    pad_left: int | None = None,
    pad_right: int | None = None,
    min_digits: int | None = None,
) -> str:
    """Return a float without an exponent.

    ``unique``: by the fewest digits that tell it from others, at most ``precision`` of them, at
    least ``min_digits``; else exactly ``precision``. ``fractional``: these count decimals, not all
    digits. ``trim``: zeros at the end are kept ('k'), cut ('.'), cut but for one ('0'), or cut with
    the point ('-').
    """
    value, name = _float_operand(x)
    if not unique and precision is None:
        raise TypeError("in non-unique mode `precision` must be supplied")
    special = _not_a_number(value, sign)
    if special is not None:
        return special
    magnitude = abs(value)
    digits, power = _digits(magnitude, _reads_back(name))
    places, least = precision, min_digits
    if not fractional:  # digits before the point count
        places = None if precision is None else precision - 1 - power
        least = None if min_digits is None else min_digits - 1 - power
    if places is not None and places < 0:
        scale = 10**-places
        whole, fraction = str(round(magnitude / scale) * scale), ""
    elif not unique and places is not None:
        whole, _, fraction = f"{magnitude:.{places}f}".partition(".")
    else:
        whole, fraction = _positional(magnitude, digits, power, places)
        if least is not None and len(fraction) < least:
            whole, _, fraction = f"{magnitude:.{least}f}".partition(".")
    body = _trimmed(whole, fraction, trim)
    point = body.find(".")
    left, right = (body, "") if point < 0 else (body[:point], body[point:])
    left = (_sign_text(value, sign) + left).rjust(pad_left or 0)
    return left + (right.ljust(pad_right + 1) if pad_right else right)


def format_float_scientific(
    x: Any,
    precision: int | None = None,
    unique: bool = True,
    trim: str = "k",
    sign: bool = False,
    pad_left: int | None = None,
    exp_digits: int | None = None,
    min_digits: int | None = None,
) -> str:
    """Return a float with an exponent of at least ``exp_digits``; see `format_float_positional`."""
    value, name = _float_operand(x)
    if not unique and precision is None:
        raise TypeError("in non-unique mode `precision` must be supplied")
    special = _not_a_number(value, sign)
    if special is not None:
        return special
    magnitude = abs(value)
    if unique:
        digits, first = _digits(magnitude, _reads_back(name))
        whole, fraction, power = _scientific(magnitude, digits, first, precision)
        exact = min_digits if min_digits is not None and len(fraction) < min_digits else None
    else:
        exact = precision
    if exact is not None:
        mantissa, _, exponent = f"{magnitude:.{exact}e}".partition("e")
        whole, _, fraction = mantissa.partition(".")
        power = int(exponent)
    body = _trimmed((_sign_text(value, sign) + whole).rjust(pad_left or 0), fraction, trim)
    return body + _exponent_text(power, exp_digits or 2)

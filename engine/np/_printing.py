"""Arrays and numbers as text, as NumPy prints them.

A float is shown by the fewest digits that its own type needs to tell it from its neighbours,
cut off after ``precision`` decimals where an array is printed.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar

from polyvm.np import _core as core
from polyvm.np._columns import _column, _is_negative
from polyvm.np._digits import (
    _digits,
    _exponent_text,
    _positional,
    _reads_back,
    _scientific,
    _trimmed,
)

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

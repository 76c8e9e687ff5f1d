"""What expressions are worth, told in plain Python: the reference for engine/flow/expression.c."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INT_MIN, INT_MAX = -(2**63), 2**64 - 1
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def fits(value: Any) -> Any:
    if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return float(value)
    return value


def power(a: float, b: float) -> float | None:
    if -math.inf < a < 0 and math.isfinite(b) and b != math.floor(b):
        return None  # Python has a complex number
    try:
        if isinstance(a, int) and isinstance(b, int) and b > 200 and abs(a) > 1:
            a = float(a)  # sooner than thousands of digits
        found: float = fits(a**b)
    except OverflowError:
        odd = float(b).is_integer() and int(float(b)) % 2 == 1  # as a float: that may be rounded
        return -math.inf if a < 0 and odd else math.inf
    return found


def arithmetic(op: str, a: Any, b: Any) -> Any:
    if op == "+" and isinstance(a, str) and isinstance(b, str):
        return a + b
    if not is_number(a) or not is_number(b):
        return None
    try:
        return power(a, b) if op == "**" else fits(ARITHMETIC[op](a, b))
    except ZeroDivisionError:
        return None


def equal(a: Any, b: Any) -> bool:
    if is_number(a) and is_number(b):
        return bool(a == b)
    return type(a) is type(b) and bool(a == b)


def ordered(op: str, a: Any, b: Any) -> bool:
    comparable = (is_number(a) and is_number(b)) or (isinstance(a, str) and isinstance(b, str))
    if isinstance(a, str) and isinstance(b, str):
        a, b = a.encode(), b.encode()
    return comparable and ORDER[op](a, b)


def value(tree: Any, row: Mapping[str, Any]) -> Any:
    """The value of a tree, functions aside."""
    if not isinstance(tree, list):
        return tree
    op, *rest = tree
    if op == "field":
        return row.get(rest[0])
    if op in {"and", "or"}:
        found = None
        for part in rest:
            found = value(part, row)
            if bool(found) == (op == "or"):
                break
        return found
    if op == "if":
        return value(rest[1] if value(rest[0], row) else rest[2], row)
    first = value(rest[0], row)
    if op == "neg":
        return fits(-first) if is_number(first) else None
    if op == "not":
        return not first
    if op == "is_nil":
        return first is None
    if op == "in":
        return any(equal(first, member) for member in rest[1])
    second = value(rest[1], row)
    if op in ARITHMETIC:
        return arithmetic(op, first, second)
    if op in ORDER:
        return ordered(op, first, second)
    return equal(first, second) == (op == "==")

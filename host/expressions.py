"""Expressions and aggregates of flows, as authors write them: a part of Python's syntax.

Nothing is evaluated here. What comes out is what engine/flow/expression.h describes, as nested
lists that MessagePack can hold; which columns there are is known only where it is compiled.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from polyvm.host import durations
from polyvm.host.errors import PolyvmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A literal, or a list whose first item names an operator.
Tree = bool | int | float | str | list[Any] | None

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_MANY = 16  # FLOW_CALL_MAX of engine/flow/functions.h
# How many values each function takes, at least and at most; engine/flow says what they do.
FUNCTIONS = {
    **dict.fromkeys(("abs", "sign", "floor", "ceil", "trunc", "is_nan"), (1, 1)),
    **dict.fromkeys(("sqrt", "exp", "log1p", "log2", "log10"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tanh", "sigmoid"), (1, 1)),
    **dict.fromkeys(("lower", "upper", "str", "int", "float", "bool", "kind", "len"), (1, 1)),
    **dict.fromkeys(("round", "log", "strip", "lstrip", "rstrip", "hash"), (1, 2)),
    **dict.fromkeys(("second", "minute", "hour", "day", "month", "year"), (1, 2)),
    **dict.fromkeys(("weekday", "yearday", "date"), (1, 2)),
    **dict.fromkeys(("pow", "atan2", "bucket", "find", "like"), (2, 2)),
    **dict.fromkeys(("startswith", "endswith", "contains"), (2, 2)),
    **dict.fromkeys(("substr", "get", "floor_time"), (2, 3)),
    **dict.fromkeys(("clip", "split", "replace"), (3, 3)),
    **dict.fromkeys(("min", "max", "digitize"), (2, _MANY)),
    **dict.fromkeys(("concat", "coalesce"), (1, _MANY)),
    "haversine": (4, 4),
}
# Functions some of whose arguments are durations: from which one on, the first being 0.
_DURATIONS_FROM = dict.fromkeys(
    ("second", "minute", "hour", "weekday", "day", "month", "year", "yearday", "date"), 1
) | {"floor_time": 1}
_OTHER_LANGUAGES = {"true": "True", "false": "False", "null": "None", "nil": "None"}
_LONGEST = 4096  # characters of an expression
_DEEPEST = 100  # FLOW_DEPTH_MAX of engine/flow/expression.h


class ExpressionError(PolyvmError):
    """An expression or an aggregate cannot be understood."""


@dataclass(frozen=True)
class Parameter:
    """A literal behind the values that an aggregate takes."""

    name: str
    kind: str  # "number", "count" or "duration"
    required: bool = True


@dataclass(frozen=True)
class Aggregate:
    """What an aggregate is called with."""

    arguments: int
    parameters: tuple[Parameter, ...] = ()


AGGREGATES = {
    **dict.fromkeys(("sum", "mean", "min", "max", "first", "last", "count_if"), Aggregate(1)),
    **dict.fromkeys(("min_by", "max_by"), Aggregate(2)),
    **dict.fromkeys(("variance", "stddev"), Aggregate(1, (Parameter("ddof", "number", False),))),
    "count": Aggregate(0),
    "distinct": Aggregate(1, (Parameter("most", "count", False),)),
    "distinct_approx": Aggregate(1, (Parameter("bits", "count", False),)),
    "top_k": Aggregate(1, (Parameter("k", "count"),)),
    "quantile": Aggregate(1, (Parameter("q", "number"), Parameter("k", "count", False))),
    "last_n": Aggregate(1, (Parameter("n", "count"),)),
    "collect": Aggregate(1, (Parameter("n", "count"),)),
    "decayed_sum": Aggregate(1, (Parameter("halflife", "duration"),)),
}


def parse(text: str) -> Tree:
    """Return an expression's tree. Raises ExpressionError."""
    reader = _Reader(text, "expression")
    return reader.tree(reader.body)


def pack(text: str) -> bytes:
    """Return an expression's tree as MessagePack. Raises ExpressionError."""
    return msgspec.msgpack.encode(parse(text))


def parse_aggregate(text: str) -> list[Any]:
    """Return [name, [trees of its arguments], [parameters]] of ``quantile(price, 0.9)``.

    ``count(x)`` counts rows in which x is not nil. Raises ExpressionError.
    """
    reader = _Reader(text, "aggregate")
    return reader.aggregate(reader.body)


class _Reader:
    """Turns one text's syntax tree into ours; knows where in the text it is."""

    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._depth = 0
        if not isinstance(text, str):
            raise ExpressionError(f"an {what} is a text, not {text!r}")
        if len(text) > _LONGEST:
            raise ExpressionError(f"{self._named()} has more than {_LONGEST} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.body = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            where = f" at column {error.offset}" if error.offset else " at its end"
            raise ExpressionError(f"{self._named()}: {error.msg}{where}") from None
        except (ValueError, RecursionError, MemoryError, UnicodeError) as error:
            reason = str(error) if isinstance(error, ValueError) else "it is nested too deep"
            raise ExpressionError(f"{self._named()}: {reason}") from None

    def _named(self) -> str:
        shown = self._text if len(self._text) <= 80 else self._text[:77] + "..."
        return f"{self._what} {shown!r}"

    def _refuse(self, node: ast.expr, reason: str) -> NoReturn:
        line = self._text.strip().split("\n")[node.lineno - 1].encode()
        before = len(self._text) - len(self._text.lstrip()) if node.lineno == 1 else 0
        column = before + len(line[: node.col_offset].decode(errors="replace")) + 1
        raise ExpressionError(f"{self._named()}, column {column}: {reason}")

    def tree(self, node: ast.expr) -> Tree:
        """Return the tree of an expression."""
        if self._depth == _DEEPEST:
            self._refuse(node, f"it is nested more than {_DEEPEST} deep; make columns of its parts")
        self._depth += 1
        tree = self._tree(node)
        self._depth -= 1
        return tree

    def _tree(self, node: ast.expr) -> Tree:
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name() | ast.Attribute():
                return ["field", self._field(node)]
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                if type(node.op) not in _BINARY:
                    self._refuse(node, "there is no such operator; use + - * / // % **")
                return [_BINARY[type(node.op)], self.tree(node.left), self.tree(node.right)]
            case ast.BoolOp():
                name = "and" if isinstance(node.op, ast.And) else "or"
                return [name, *map(self.tree, node.values)]
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                return ["if", *map(self.tree, (node.test, node.body, node.orelse))]
            case ast.Call():
                return self._call(node)
            case ast.Subscript():
                if isinstance(node.slice, ast.Slice):
                    self._refuse(node, "there are no slices; use substr(text, start, count)")
                return ["call", "get", self.tree(node.value), self.tree(node.slice)]
            case ast.List() | ast.Tuple() | ast.Set():
                self._refuse(node, "a list may stand only behind 'in'")
            case _:
                self._refuse(node, "this has no meaning here; see docs/expressions.md")

    def _literal(self, node: ast.Constant) -> bool | int | float | str | None:
        value = node.value
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            self._refuse(node, "an integer of more than 64 bits; write it as a float")
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                self._refuse(node, "half of a surrogate pair is no text")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        self._refuse(node, "a literal is None, True, False, a number or a text")

    def _field(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute):
            return f"{self._field(node.value)}.{node.attr}"
        if not isinstance(node, ast.Name):
            self._refuse(node, "a dot leads into a column that holds maps; use get(x, 'name')")
        if node.id in _OTHER_LANGUAGES:
            self._refuse(node, f"write {_OTHER_LANGUAGES[node.id]} for {node.id}")
        return node.id

    def _unary(self, node: ast.UnaryOp) -> Tree:
        operand = node.operand
        if isinstance(node.op, ast.Not):
            return ["not", self.tree(operand)]
        if isinstance(node.op, ast.Invert):
            self._refuse(node, "there is no operator ~; use not")
        value = operand.value if isinstance(operand, ast.Constant) else None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(node.op, ast.UAdd):
            return self.tree(operand)
        if is_number and isinstance(value, int | float):
            return self._literal(ast.copy_location(ast.Constant(-value), node))
        return ["neg", self.tree(operand)]

    def _comparison(self, node: ast.Compare) -> Tree:
        sides = [node.left, *node.comparators]
        parts = [
            self._compare(op, left, right)
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else ["and", *parts]

    def _compare(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Tree:
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                self._refuse(right, "'is' goes with None alone; use ==")
            is_nil: Tree = ["is_nil", self.tree(left)]
            return is_nil if isinstance(op, ast.Is) else ["not", is_nil]
        if isinstance(op, ast.In | ast.NotIn):
            within = self._within(left, right)
            return within if isinstance(op, ast.In) else ["not", within]
        return [_COMPARISONS[type(op)], self.tree(left), self.tree(right)]

    def _within(self, left: ast.expr, right: ast.expr) -> Tree:
        if not isinstance(right, ast.List | ast.Tuple | ast.Set):
            return ["call", "contains", self.tree(right), self.tree(left)]
        members = [self.tree(item) for item in right.elts]
        for item, member in zip(right.elts, members, strict=True):
            if isinstance(member, list):
                self._refuse(item, "a list behind 'in' holds literals")
        return ["in", self.tree(left), members]

    def _call(self, node: ast.Call) -> Tree:
        if node.keywords:
            self._refuse(node, "functions take no arguments by name")
        arguments: list[ast.expr] = list(node.args)
        if isinstance(node.func, ast.Name):
            name = node.func.id
        elif isinstance(node.func, ast.Attribute):  # x.lower() is lower(x)
            name = node.func.attr
            arguments.insert(0, node.func.value)
        else:
            self._refuse(node, "only functions with a name can be called")
        if name == "field":
            return ["field", self._name_of_field(node)]
        self._check_call(node, name, len(arguments))
        first = _DURATIONS_FROM.get(name, len(arguments))
        trees = [self.tree(argument) for argument in arguments[:first]]
        trees += [self._duration_or_tree(argument) for argument in arguments[first:]]
        return ["call", name, *trees]

    def _check_call(self, node: ast.expr, name: str, count: int) -> None:
        if name not in FUNCTIONS:
            if name in AGGREGATES:
                self._refuse(node, f"{name} is an aggregate, which a window computes")
            self._refuse(node, f"{name} is no function{_meant(name, FUNCTIONS)}")
        least, most = FUNCTIONS[name]
        if not least <= count <= most:
            takes = f"{least}" if least == most else f"{least} to {most}"
            self._refuse(node, f"{name} takes {takes} value{'s' * (most != 1)}, not {count}")

    def _name_of_field(self, node: ast.Call) -> str:
        match node.args:
            case [ast.Constant(value=str(name))] if isinstance(node.func, ast.Name):
                return name
            case _:
                self._refuse(node, "field takes the name of a column in quotes")

    def _duration_or_tree(self, node: ast.expr) -> Tree:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._duration(node, node.value)
        return self.tree(node)

    def _duration(self, node: ast.expr, text: str) -> int:
        try:
            return -durations.parse(text[1:]) if text[:1] == "-" else durations.parse(text)
        except ValueError as error:
            self._refuse(node, f"a duration: {error}")

    def aggregate(self, node: ast.expr) -> list[Any]:
        """Return an aggregate's name, arguments and parameters."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            self._refuse(node, "an aggregate is one call, such as sum(price)")
        name = node.func.id
        if name == "count" and len(node.args) == 1 and not node.keywords:
            return ["count_if", [["not", ["is_nil", self.tree(node.args[0])]]], []]
        known = AGGREGATES.get(name)
        if known is None:
            names = ", ".join(sorted(AGGREGATES))
            meant = _meant(name, AGGREGATES) or f"; there are: {names}"
            self._refuse(node, f"{name} is no aggregate{meant}")
        given = node.args[: known.arguments]
        if len(given) < known.arguments:
            plural = "" if known.arguments == 1 else "s"
            self._refuse(node, f"{name} takes {known.arguments} value{plural} of a row")
        parameters = self._parameters(node, name, known)
        return [name, [self.tree(argument) for argument in given], parameters]

    def _parameters(self, node: ast.Call, name: str, known: Aggregate) -> list[Any]:
        nodes = self._by_name(node, name, known, node.args[known.arguments :])
        values: list[Any] = []
        for parameter in known.parameters:
            if parameter.name in nodes:
                if len(values) < known.parameters.index(parameter):
                    self._refuse(nodes[parameter.name], f"{parameter.name} needs those before it")
                values.append(self._parameter(nodes[parameter.name], parameter))
            elif parameter.required:
                self._refuse(node, f"{name} needs {parameter.name}, a {parameter.kind}")
        return values

    def _by_name(
        self, node: ast.Call, name: str, known: Aggregate, extra: Sequence[ast.expr]
    ) -> dict[str, ast.expr]:
        if len(extra) > len(known.parameters):
            most = known.arguments + len(known.parameters)
            self._refuse(node, f"{name} takes at most {most} values")
        nodes = {p.name: value for p, value in zip(known.parameters, extra, strict=False)}
        names = [parameter.name for parameter in known.parameters]
        for keyword in node.keywords:
            if keyword.arg in nodes:
                self._refuse(keyword.value, f"{keyword.arg} is given twice")
            if keyword.arg not in names:
                self._refuse(keyword.value, f"{name} takes {', '.join(names) or 'no parameters'}")
            nodes[keyword.arg] = keyword.value
        return nodes

    def _parameter(self, node: ast.expr, parameter: Parameter) -> int | float:
        value = self.tree(node)
        if parameter.kind == "duration" and isinstance(value, str):
            return self._duration(node, value)
        kinds = (int,) if parameter.kind == "count" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            example = ', such as "10s"' if parameter.kind == "duration" else ""
            self._refuse(node, f"{parameter.name} is a {parameter.kind}{example}")
        assert isinstance(value, int | float)
        return value


def _meant(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]}?" if close else ""

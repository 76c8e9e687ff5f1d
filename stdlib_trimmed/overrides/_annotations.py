"""Evaluates annotations that are strings, for code that has no compiler.

`from __future__ import annotations` makes every annotation a string, which
typing.get_type_hints and inspect.get_annotations(eval_str=True) turn back into objects. The
expressions that annotations are made of are few: names, attributes, subscripts, calls,
literals, tuples, lists, `*` before an item, and `|`. Anything else is a SyntaxError that
says so. Private to the standard library of a VM.
"""

import builtins
import re

__all__ = ["Expression", "evaluate"]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?[jJ]?)
    |(?P<string>[rRbBuU]{0,2}(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
    |(?P<name>[^\W\d]\w*)
    |(?P<op>\.\.\.|\*|[\[\](),.|=:{}-])
    |(?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS = {"None": None, "True": True, "False": False}
_KEYWORDS = frozenset((
    "and as assert async await break class continue def del elif else except finally for from "
    "global if import in is lambda nonlocal not or pass raise return try while with yield"
).split())


class Expression:
    """A parsed annotation. Raises SyntaxError if ``text`` is not one."""

    __slots__ = ("text", "_run")

    def __init__(self, text):
        self.text = text
        self._run = _Parser(text).parse()

    def evaluate(self, globalns, localns):
        """The object that the annotation names; NameError and the like as eval would."""
        return self._run((localns, globalns, _builtins_of(globalns)))

    def __eq__(self, other):
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self):
        return hash(self.text)

    # as code objects: copied as they are, and not pickled

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError("cannot pickle code objects")

    def __repr__(self):
        return f"<annotation {self.text!r}>"


def evaluate(text, globalns=None, localns=None):
    """What eval(text, globalns, localns) gives for the text of an annotation."""
    globalns = {} if globalns is None else globalns
    localns = globalns if localns is None else localns
    return Expression(text).evaluate(globalns, localns)


def _builtins_of(globalns):
    found = globalns.get("__builtins__", builtins)
    return found if isinstance(found, dict) else vars(found)


def _name(name):
    def run(scopes):
        for scope in scopes:
            try:
                return scope[name]
            except KeyError:
                pass
        raise NameError(f"name {name!r} is not defined", name=name)
    return run


def _items(parts):
    """Values of (starred, run) pairs, in one list."""
    def run(scopes):
        out = []
        for starred, part in parts:
            if starred:
                out.extend(part(scopes))
            else:
                out.append(part(scopes))
        return out
    return run


class _Parser:
    """Recursive descent; every method returns a function of the scopes."""

    def __init__(self, text):
        self.text = text
        self.position = 0
        self.kind = self.value = None
        self.advance()

    def fail(self):
        raise SyntaxError(
            "a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an "
            f"annotation -- got {self.text!r}"
        )

    def advance(self):
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            self.fail()
        self.kind, self.position = match.lastgroup, match.end()
        self.value = match[self.kind]

    def accept(self, op):
        if self.kind == "op" and self.value == op:
            self.advance()
            return True
        return False

    def expect(self, op):
        if not self.accept(op):
            self.fail()

    def parse(self):
        run = self.items_or_one(None)
        if self.kind != "end":
            self.fail()
        return run

    def items_or_one(self, closing):
        """`a` alone, or the tuple of `a, *b, c`, up to the closing bracket."""
        parts = [self.item()]
        is_tuple = parts[0][0] and closing is not None
        while self.accept(","):
            is_tuple = True
            if self.kind == "end" or (self.kind == "op" and self.value == closing):
                break
            parts.append(self.item())
        if not is_tuple:
            starred, run = parts[0]
            if not starred:
                return run
            # A lone `*Ts`, as the annotation of *args: the one item that it unpacks to.
            return lambda scopes: _only(run(scopes))
        values = _items(parts)
        return lambda scopes: tuple(values(scopes))

    def item(self):
        return (True, self.union()) if self.accept("*") else (False, self.union())

    def union(self):
        left = self.primary()
        while self.accept("|"):
            left = self.joined(left, self.primary())
        return left

    @staticmethod
    def joined(left, right):
        return lambda scopes: left(scopes) | right(scopes)

    def primary(self):
        run = self.atom()
        while True:
            if self.accept("."):
                if self.kind != "name":
                    self.fail()
                run = self.attribute(run, self.value)
                self.advance()
            elif self.accept("["):
                run = self.subscript(run, self.items_or_one("]"))
                self.expect("]")
            elif self.accept("("):
                run = self.call(run)
            else:
                return run

    @staticmethod
    def attribute(run, name):
        return lambda scopes: getattr(run(scopes), name)

    @staticmethod
    def subscript(run, index):
        return lambda scopes: run(scopes)[index(scopes)]

    def call(self, function):
        positional, keywords = [], {}
        while not self.accept(")"):
            start = self.position, self.kind, self.value
            if self.kind == "name":
                self.advance()
                if self.accept("="):
                    keywords[start[2]] = self.union()
                else:
                    self.position, self.kind, self.value = start
                    positional.append(self.item())
            else:
                positional.append(self.item())
            if not self.accept(","):
                self.expect(")")
                break
        arguments = _items(positional)
        return lambda scopes: function(scopes)(
            *arguments(scopes), **{name: run(scopes) for name, run in keywords.items()}
        )

    def atom(self):
        kind, value = self.kind, self.value
        if kind == "op":
            return self.bracketed()
        if kind == "name":
            if value in _KEYWORDS:
                self.fail()
            self.advance()
            if value in _CONSTANTS:
                return self.constant(_CONSTANTS[value])
            return _name(value)
        if kind == "number":
            self.advance()
            return self.constant(self.number(value))
        if kind == "string":
            parts = []
            while self.kind == "string":
                parts.append(_string(self.value))
                self.advance()
            if len({type(part) for part in parts}) > 1:
                self.fail()
            return self.constant(parts[0][:0].join(parts))
        self.fail()

    @staticmethod
    def constant(value):
        return lambda scopes: value

    def number(self, text):
        try:
            return int(text, 0)
        except ValueError:
            pass
        try:
            return complex(text) if text[-1] in "jJ" else float(text)
        except ValueError:
            self.fail()

    def bracketed(self):
        if self.accept("..."):
            return self.constant(...)
        if self.accept("-"):
            if self.kind != "number":
                self.fail()
            value = -self.number(self.value)
            self.advance()
            return self.constant(value)
        if self.accept("("):
            if self.accept(")"):
                return self.constant(())
            run = self.items_or_one(")")
            self.expect(")")
            return run
        if self.accept("["):
            parts = []
            while not self.accept("]"):
                parts.append(self.item())
                if not self.accept(","):
                    self.expect("]")
                    break
            return _items(parts)
        if self.accept("{"):
            return self.display()
        self.fail()

    def display(self):
        """A dict or a set, as Annotated's metadata has them."""
        keys, values = [], []
        while not self.accept("}"):
            keys.append(self.union())
            if self.accept(":"):
                values.append(self.union())
            if not self.accept(","):
                self.expect("}")
                break
        if keys and not values:
            return lambda scopes: {key(scopes) for key in keys}
        if len(keys) != len(values):
            self.fail()
        return lambda scopes: {k(scopes): v(scopes) for k, v in zip(keys, values)}


def _only(values):
    (value,) = values
    return value


def _string(literal):
    prefix, quote, body = re.match(r"([a-zA-Z]*)(['\"])(.*).\Z", literal, re.DOTALL).groups()
    prefix = prefix.lower()
    if "r" not in prefix and "\\" in body:
        body = body.encode("ascii", "backslashreplace").decode("unicode_escape")
    return body.encode("latin-1") if "b" in prefix else body

"""Bytecode templates for the methods that the standard library writes as source text.

A VM has no compiler, yet namedtuple and dataclass make methods for a class that is only
known at run time. Their statements come in few shapes. Each shape is compiled here, by the
release's own compiler while freezing, and stored as a list of instructions in which names
are symbols. ``overrides/_codetemplates.py`` puts such lists together at run time.

A template is a line of Python over three kinds of names: ``locals`` and ``frees`` as
declared, and attributes. A string constant ``"@NAME"`` is a symbol too. ``SPLICE`` stands
for any number of operands: the instruction that takes them (BUILD_TUPLE, CALL, or in an
f-string BUILD_STRING) gets their count.
"""

from __future__ import annotations

import dis
from dataclasses import dataclass
from types import CodeType


class TemplateError(Exception):
    """This release compiles a template to something that cannot be put together again."""


@dataclass(frozen=True)
class Template:
    """A statement or operand, with the variables that it uses."""

    locals: str
    frees: str
    text: str


TEMPLATES = {
    # dataclass __init__
    "set_argument": Template("SELF FIELD", "", "SELF.FIELD = FIELD"),
    "set_default": Template("SELF", "DEFAULT", "SELF.FIELD = DEFAULT"),
    "set_made": Template("SELF", "DEFAULT", "SELF.FIELD = DEFAULT()"),
    "set_argument_or_made": Template(
        "SELF FIELD", "DEFAULT FACTORY", "SELF.FIELD = DEFAULT() if FIELD is FACTORY else FIELD"
    ),
    "frozen_set_argument": Template(
        "SELF FIELD", "OBJECT", 'OBJECT.__setattr__(SELF, "@FIELD", FIELD)'
    ),
    "frozen_set_default": Template(
        "SELF", "OBJECT DEFAULT", 'OBJECT.__setattr__(SELF, "@FIELD", DEFAULT)'
    ),
    "frozen_set_made": Template(
        "SELF", "OBJECT DEFAULT", 'OBJECT.__setattr__(SELF, "@FIELD", DEFAULT())'
    ),
    "frozen_set_argument_or_made": Template(
        "SELF FIELD",
        "OBJECT DEFAULT FACTORY",
        'OBJECT.__setattr__(SELF, "@FIELD", DEFAULT() if FIELD is FACTORY else FIELD)',
    ),
    "post_init": Template("SELF", "", "SELF.__post_init__(SPLICE)"),
    # dataclass __repr__, __eq__, __hash__ and order
    "return_repr": Template("self", "", 'return f"{self.__class__.__qualname__}({SPLICE})"'),
    "same": Template("self other", "", "if self is other: return True"),
    "other_class": Template(
        "self other", "", "if other.__class__ is not self.__class__: return NotImplemented"
    ),
    "differ": Template(
        "self other equal", "", "equal = self.FIELD == other.FIELD\nif not equal: return equal"
    ),
    "return_equal": Template("self other", "", "return self.FIELD == other.FIELD"),
    "return_true": Template("", "", "return True"),
    "return_none": Template("", "", "return None"),
    "return_hash": Template("", "", "return hash((SPLICE,))"),
    "return_lt": Template("", "", "return (SPLICE,) < (SPLICE,)"),
    "return_le": Template("", "", "return (SPLICE,) <= (SPLICE,)"),
    "return_gt": Template("", "", "return (SPLICE,) > (SPLICE,)"),
    "return_ge": Template("", "", "return (SPLICE,) >= (SPLICE,)"),
    # namedtuple __new__
    "return_tuple": Template("_cls", "", "return _tuple_new(_cls, (SPLICE,))"),
    # operands
    "argument": Template("FIELD", "", "SINK = FIELD"),
    "global": Template("", "", "SINK = FIELD"),
    "attribute": Template("SELF", "", "SINK = SELF.FIELD"),
    "text": Template("", "", 'SINK = "@TEXT"'),
    "shown": Template("SELF", "", 'SINK = f"{SELF.FIELD!r}"'),
}

_JUMPS = {*dis.hasjrel, *dis.hasjabs}

_FRAMING = ("RESUME", "COPY_FREE_VARS", "EXTENDED_ARG", "STORE_FAST", "LOAD_GLOBAL", "LOAD_ATTR")

# Kinds of an instruction's argument; _codetemplates.py names them the same.
RAW, LOCAL, FREE, NAME, CONST, SYMBOL_CONST, JUMP, SPLICE, COUNT = range(9)

# (opcode, kind, value, shift, low, caches): argument = index of value << shift | low
Instruction = tuple[int, int, object, int, int, int]


def render() -> str:
    """Return the templates as the text of a dict: name -> (stack size, instructions)."""
    lines = ["{"]
    for name, template in TEMPLATES.items():
        code = _compile(name, template)
        lines.append(f"    {name!r}: ({code.co_stacksize}, {tuple(_instructions(name, code))!r}),")
    lines.append("}")
    return "\n".join(lines)


def opcodes() -> dict[str, int]:
    """Return the few opcodes that frame every assembled function."""
    return {name: dis.opmap[name] for name in _FRAMING}


def _compile(name: str, template: Template) -> CodeType:
    """Compile the template between two marks, in a function with the declared variables."""
    body = template.text.replace("\n", "\n  ")
    parameters = ", ".join(template.locals.split())
    source = (
        f"def outer({', '.join(template.frees.split())}):\n"
        f" def inner({parameters}):\n"
        f"  BEGIN\n  {body}\n  END\n  END\n  END\n  END\n"
        f" return inner\n"
    )
    module = compile(source, f"<template {name}>", "exec", dont_inherit=True, optimize=2)
    outer = next(c for c in module.co_consts if isinstance(c, CodeType))
    return next(c for c in outer.co_consts if isinstance(c, CodeType))


def _instructions(name: str, code: CodeType) -> list[Instruction]:
    found = list(dis.get_instructions(code))
    start = next(i for i, x in enumerate(found) if x.argval == "BEGIN") + 2  # and its POP_TOP
    ends = [i for i, x in enumerate(found) if x.argval == "END"]
    end = ends[0] if ends else len(found)  # a template that returns has no END
    if not ends and found[-1].opname not in ("RETURN_VALUE", "RETURN_CONST"):
        raise TemplateError(f"{name}: expected to end with a return")
    chosen = found[start:end]
    index_of: dict[int, int] = {}
    out: list[Instruction] = []
    for instruction in chosen:
        index_of[instruction.offset] = len(out)
        out.extend(_translate(name, instruction))
    index_of[found[end].offset if ends else -1] = len(out)
    for i, (opcode, kind, value, shift, low, caches) in enumerate(out):
        if kind == JUMP:
            if value not in index_of or index_of[value] <= i:
                raise TemplateError(f"{name}: jumps out of itself or back")
            out[i] = (opcode, kind, index_of[value], shift, low, caches)
    for i in [i for i, instruction in enumerate(out) if instruction[1] == SPLICE]:
        _count_operands(name, out, i)
    if len(out) >= 2 and out[-1][2] == "SINK":
        out.pop()  # operand templates leave their value on the stack
    return out


def _count_operands(name: str, out: list[Instruction], splice: int) -> None:
    """Turn the argument of the instruction that takes a splice into a count."""
    taker = splice + 1
    if dis.opname[out[taker][0]] == "FORMAT_SIMPLE":
        # In an f-string the operands are strings already, among other parts.
        if any(instruction[1] == JUMP for instruction in out):
            raise TemplateError(f"{name}: jumps past a splice in an f-string")
        del out[taker]
        while dis.opname[out[taker][0]] != "BUILD_STRING":
            taker += 1
    opcode, kind, value, _, _, caches = out[taker]
    if kind != RAW or not isinstance(value, int) or value < 1:
        raise TemplateError(f"{name}: nothing counts the operands")
    out[taker] = (opcode, COUNT, value - 1, 0, 0, caches)


def _translate(name: str, instruction: dis.Instruction) -> list[Instruction]:
    """Translate one instruction; pairs that the compiler fused are taken apart."""
    op, arg, value = instruction.opcode, instruction.arg, instruction.argval
    opname = instruction.opname
    caches = sum(size for _, size, _ in getattr(instruction, "cache_info", None) or ())
    if op in dis.hasfree:
        return [(op, FREE, value, 0, 0, caches)]
    if op in dis.haslocal:
        parts = opname.split("_")
        if isinstance(value, tuple):  # LOAD_FAST_LOAD_FAST, STORE_FAST_LOAD_FAST, ...
            first, second = f"{parts[0]}_FAST", f"{parts[2]}_FAST"
            return [
                (dis.opmap[first], LOCAL, value[0], 0, 0, 0),
                (dis.opmap[second], LOCAL, value[1], 0, 0, 0),
            ]
        return [(op, LOCAL, value, 0, 0, caches)]
    if op in dis.hasname:
        if value == "SPLICE":
            return [(op, SPLICE, 0, 0, 0, 0)]
        assert arg is not None
        shift = {"LOAD_ATTR": 1, "LOAD_GLOBAL": 1, "STORE_ATTR": 0}.get(opname)
        if shift is None:
            raise TemplateError(f"{name}: {opname} is not provided for")
        return [(op, NAME, value, shift, arg & 1 if shift else 0, caches)]
    if op in dis.hasconst:
        if isinstance(value, str) and value.startswith("@"):
            return [(op, SYMBOL_CONST, value[1:], 0, 0, caches)]
        return [(op, CONST, value, 0, 0, caches)]
    if op in _JUMPS:
        return [(op, JUMP, value, 0, 0, caches)]
    return [(op, RAW, arg or 0, 0, 0, caches)]

"""Puts functions together from bytecode templates, for code that has no compiler.

The templates are made while the library is frozen, by the release's own compiler (see
stdlib_trimmed/templates.py): lists of instructions whose names are symbols. A function is a
sequence of pieces, each a template with its symbols bound to names. Private to the standard
library of a VM: namedtuple and dataclass use it.
"""

from types import CodeType, FunctionType

RAW, LOCAL, FREE, NAME, CONST, SYMBOL_CONST, JUMP, SPLICE, COUNT = range(9)

_TEMPLATES = "@TEMPLATES@"
_OPCODES = "@OPCODES@"
_RESUME = _OPCODES["RESUME"]
_COPY_FREE_VARS = _OPCODES["COPY_FREE_VARS"]
_EXTENDED_ARG = _OPCODES["EXTENDED_ARG"]
_STORE_FAST = _OPCODES["STORE_FAST"]

_OPTIMIZED, _NEWLOCALS, _NESTED = 0x1, 0x2, 0x10


def _base():
    pass


_BASE = _base.__code__
_NO_SYMBOLS = {}


class _Assembly:
    """Instructions of one function so far, with its tables of names and constants."""

    def __init__(self, variables):
        self.locals = {name: i for i, name in enumerate(variables)}
        self.frees = {}  # name -> index among the free variables
        self.names = {}
        self.consts = []
        self.stack = 0
        self.operands = 0
        self.instructions = []  # [opcode, argument, caches, jump target or None]

    def add(self, template, symbols, operands=()):
        """Append a template; ``operands`` are the pieces that each SPLICE stands for."""
        stack, instructions = _TEMPLATES[template]
        self.stack = max(self.stack, stack)
        out = self.instructions
        places = []  # where each instruction of the template begins
        jumps = []
        spliced = 0
        for opcode, kind, value, shift, low, caches in instructions:
            places.append(len(out))
            target = None
            if kind == RAW:
                argument = value
            elif kind == LOCAL:
                value = symbols.get(value, value)
                # Bytecode does not check: reading an unbound local is a crash.
                if value not in self.locals and opcode != _STORE_FAST:
                    raise NameError(f"template {template!r} reads {value!r}, which is not bound")
                argument = self.locals.setdefault(value, len(self.locals))
            elif kind == NAME:
                value = symbols.get(value, value)
                argument = self.names.setdefault(value, len(self.names)) << shift | low
            elif kind == FREE:
                value = symbols.get(value, value)
                self.frees.setdefault(value, len(self.frees))
                argument = value  # an index once the number of locals is known
            elif kind == CONST or kind == SYMBOL_CONST:
                argument = self._const(symbols[value] if kind == SYMBOL_CONST else value)
            elif kind == JUMP:
                argument, target = 0, value
                jumps.append(len(out))
            elif kind == SPLICE:
                pieces = operands[spliced]
                spliced += 1
                self.operands += len(pieces)
                for piece, piece_symbols in pieces:
                    self.add(piece, piece_symbols)
                continue
            else:  # COUNT: the operands of the splice just done, and fixed ones
                argument = value + len(operands[spliced - 1])
            out.append([opcode, argument, caches, target])
        places.append(len(out))
        for jump in jumps:
            out[jump][3] = places[out[jump][3]]

    def _const(self, value):
        for i, const in enumerate(self.consts):
            if const is value:
                return i
        self.consts.append(value)
        return len(self.consts) - 1

    def code(self):
        """The machine form: two bytes a unit, long arguments prefixed, caches zeroed."""
        head = [[_RESUME, 0, 0, None]]
        if self.frees:
            head.insert(0, [_COPY_FREE_VARS, len(self.frees), 0, None])
        shift = len(head)
        all_ = head + self.instructions
        for instruction in all_[shift:]:
            if type(instruction[1]) is str:
                instruction[1] = len(self.locals) + self.frees[instruction[1]]
            if instruction[3] is not None:
                instruction[3] += shift
        while True:
            offsets = [0]
            for _, argument, caches, _ in all_:
                width = 1 + (argument > 0xFF) + (argument > 0xFFFF) + caches
                offsets.append(offsets[-1] + width)
            stable = True
            for i, instruction in enumerate(all_):
                if instruction[3] is not None:
                    distance = offsets[instruction[3]] - offsets[i + 1]
                    stable = stable and instruction[1] == distance
                    instruction[1] = distance
            if stable:
                break
        code = bytearray()
        for opcode, argument, caches, _ in all_:
            if argument > 0xFFFF:
                code += bytes((_EXTENDED_ARG, argument >> 16 & 0xFF))
            if argument > 0xFF:
                code += bytes((_EXTENDED_ARG, argument >> 8 & 0xFF))
            code += bytes((opcode, argument & 0xFF)) + b"\0\0" * caches
        return bytes(code)


def _line_table(units):
    """Every unit stands on the first line, without columns (PEP 626 location entries)."""
    full, rest = divmod(units, 8)
    table = bytes((0x80 | 13 << 3 | 7, 0)) * full
    return table + bytes((0x80 | 13 << 3 | rest - 1, 0)) if rest else table


def make(name, qualname, arguments, pieces, frees, namespace, *,
         keyword_only=0, defaults=None, keyword_defaults=None, filename="<string>"):
    """A function that runs ``pieces`` one after the other.

    arguments: parameter names, the last ``keyword_only`` of them keyword-only.
    pieces: (template, symbols) or (template, symbols, operands).
    frees: name -> cell, for the free variables that the pieces use.
    """
    assembly = _Assembly(arguments)
    for piece in pieces:
        assembly.add(*piece)
    machine_code = assembly.code()
    code = _BASE.replace(
        co_name=name,
        co_qualname=qualname,
        co_filename=filename,
        co_firstlineno=1,
        co_argcount=len(arguments) - keyword_only,
        co_kwonlyargcount=keyword_only,
        co_nlocals=len(assembly.locals),
        co_varnames=tuple(assembly.locals),
        co_freevars=tuple(assembly.frees),
        co_names=tuple(assembly.names),
        co_consts=tuple(assembly.consts) or (None,),
        co_stacksize=assembly.stack + assembly.operands + 2,
        co_flags=_OPTIMIZED | _NEWLOCALS | (_NESTED if assembly.frees else 0),
        co_linetable=_line_table(len(machine_code) // 2),
        co_exceptiontable=b"",
        co_code=machine_code,
    )
    closure = tuple(frees[free] for free in assembly.frees) if assembly.frees else None
    function = FunctionType(code, namespace, name, defaults, closure)
    function.__qualname__ = qualname
    if keyword_defaults:
        function.__kwdefaults__ = keyword_defaults
    return function

"""Bytecode is looked at before CPython trusts it: whole code passes, damaged code is refused."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import BytecodeError, Module, Program, toolchain
from tests.vm import sanitize
from tests.vm.programs import ECHO, code
from tests.vm.test_sanitize import supported

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

ROOT = Path(__file__).parents[2]
PYTHON_FILES = sorted(
    path
    for folder in ("bench", "host", "stdlib_trimmed", "tests/vm", "vm")
    for path in (ROOT / folder).rglob("*.py")
)

# CPython 3.13's numbers.
CACHE, END_FOR, GET_ITER, NOP, POP_TOP, PUSH_EXC_INFO, RETURN_VALUE = 0, 11, 19, 30, 32, 33, 36
RETURN_GENERATOR, MAKE_FUNCTION, BINARY_OP, BUILD_LIST = 35, 26, 45, 47
CALL_KW, COMPARE_OP, COPY, EXTENDED_ARG, FOR_ITER, JUMP_BACKWARD, JUMP_FORWARD = (
    *(57, 58, 61, 71, 72, 77, 79),
)
LOAD_CONST, LOAD_DEREF, LOAD_FAST, LOAD_GLOBAL, LOAD_NAME, MAKE_CELL, RERAISE = (
    *(83, 84, 85, 91, 92, 94, 102),
)
RETURN_CONST, SWAP, UNPACK_SEQUENCE, YIELD_VALUE, RESUME, INSTRUMENTED_CALL, LOAD_ATTR_SLOT = (
    *(103, 115, 117, 118, 149, 244, 200),
)
DELETE_FAST, STORE_FAST, JUMP_BACKWARD_NO_INTERRUPT, POP_JUMP_IF_NONE = 65, 110, 78, 98
COPY_FREE_VARS = 62
START, END = (RESUME, 0), (RETURN_CONST, 0)

NONE = b"N"
LOCAL, CELL, FREE = 0x20, 0x40, 0x80
FUNCTION, GENERATOR = 0x3, 0x20


def number(value: int) -> bytes:
    return struct.pack("<i", value)


def blob(data: bytes) -> bytes:
    return b"s" + number(len(data)) + data


def text(value: str) -> bytes:
    return b"z" + bytes([len(value)]) + value.encode()


def several(*objects: bytes) -> bytes:
    return b")" + bytes([len(objects)]) + b"".join(objects)


def units(*instructions: tuple[int, int]) -> bytes:
    return bytes(byte for instruction in instructions for byte in instruction)


def lines(size: int) -> bytes:
    """A line table that says "none" for so many units of code."""
    return bytes(0xF8 | min(8, size - start) - 1 for start in range(0, size, 8))


def entry(*numbers: int) -> bytes:
    """An entry of the exception table, of numbers below 64."""
    return bytes([0x80 | numbers[0], *numbers[1:]])


@dataclass(frozen=True)
class Code:
    """A code object that may be wrong in any of its fields."""

    code: bytes = units(START, END)
    consts: bytes = several(NONE)
    names: bytes = several()
    variables: tuple[int, ...] = ()  # their kinds
    stacksize: int = 2
    counts: tuple[int, int, int] = (0, 0, 0)  # positional, positional only, keyword only
    flags: int = 0
    firstlineno: int = 1
    linetable: bytes | None = None  # by default one that fits
    exceptions: bytes = b""

    def marshal(self) -> bytes:
        table = lines(len(self.code) // 2) if self.linetable is None else self.linetable
        return b"".join(
            [
                b"c",
                *map(number, (*self.counts, self.stacksize, self.flags)),
                blob(self.code),
                self.consts,
                self.names,
                several(*(text(f"v{i}") for i in range(len(self.variables)))),
                blob(bytes(self.variables)),
                *map(text, ("f.py", "f", "f")),
                number(self.firstlineno),
                blob(table),
                blob(self.exceptions),
            ]
        )


def does(*instructions: tuple[int, int], **fields: object) -> Code:
    """A module that does this between its RESUME and its return."""
    return replace(Code(code=units(START, *instructions, END)), **fields)  # type: ignore[arg-type]


def inner(made: Code) -> Code:
    """A module that makes a function of the code."""
    function = several(NONE, made.marshal())
    return does((LOAD_CONST, 1), (MAKE_FUNCTION, 0), (POP_TOP, 0), consts=function)


def check(data: bytes) -> None:
    Program("t", "1", "main:run", {"main": Module(data)})


def refusal(data: bytes) -> str:
    with pytest.raises(BytecodeError) as caught:
        check(data)
    return str(caught.value)


# ---- What is whole passes -----------------------------------------------------


@pytest.mark.parametrize("optimize", [0, 1, 2])
@pytest.mark.parametrize("strip", [False, True])
def test_the_compilers_output_passes(optimize: int, strip: bool) -> None:
    for path in PYTHON_FILES:
        check(toolchain.compile(path.read_bytes(), str(path), optimize, strip=strip)[16:])


def test_the_standard_librarys_code_passes(rand: Seeded) -> None:
    sdk = sanitize.recorded_sdk()
    assert sdk is not None
    files = sorted(path for path in (sdk / "Lib").rglob("*.py") if "bad" not in path.name)
    for path in rand.sample(files, min(150, len(files))):
        try:
            made = toolchain.compile(path.read_bytes(), str(path))
        except toolchain.CompileError:
            continue  # a few are there to fail
        check(made[16:])


WHOLE: dict[str, Code] = {
    "nothing": Code(),
    "two_prefixes": does((EXTENDED_ARG, 1), (LOAD_CONST, 0), (POP_TOP, 0), consts=b"(" + number(257) + NONE * 257),
    "function": inner(Code(flags=FUNCTION, counts=(1, 1, 1), variables=(LOCAL, LOCAL))),
    "generator": inner(
        Code(code=units((RETURN_GENERATOR, 0), (POP_TOP, 0), START, END), flags=FUNCTION | GENERATOR)
    ),
    "handler": Code(
        code=units(START, (NOP, 0), END, (PUSH_EXC_INFO, 0), (RERAISE, 0)),
        exceptions=entry(1, 1, 3, 0),
    ),
    "loop": does((BUILD_LIST, 0), (GET_ITER, 0), (FOR_ITER, 3), (CACHE, 0), (POP_TOP, 0), (JUMP_BACKWARD, 5), (CACHE, 0), (END_FOR, 0), (POP_TOP, 0)),
    "bound_in_a_loop": does((LOAD_CONST, 0), (STORE_FAST, 0), (LOAD_FAST, 0), (POP_JUMP_IF_NONE, 2), (CACHE, 0), (JUMP_BACKWARD, 5), (CACHE, 0), variables=(LOCAL,)),
    "cell": Code(code=units((MAKE_CELL, 0), START, END), variables=(CELL,)),
}  # fmt: skip


@pytest.mark.parametrize("made", WHOLE.values(), ids=WHOLE)
def test_whole_code_passes(made: Code) -> None:
    check(made.marshal())


# ---- What is not is refused, with the reason ------------------------------------

MADE: dict[str, tuple[Code, str]] = {
    "no_code": (Code(code=b"", linetable=b""), "0 bytes are no instructions"),
    "odd_code": (Code(code=units(START, END) + b"\x1e"), "5 bytes are no instructions"),
    "no_resume": (Code(code=units(END)), "not what the prologue has here"),
    "only_resume": (Code(code=units(START)), "RESUME 0) does not lead to an instruction"),
    "no_return": (Code(code=units(START, (NOP, 0))), "NOP 0) does not lead to an instruction"),
    "specialised": (does((LOAD_ATTR_SLOT, 0)), "200, which the compiler does not emit"),
    "instrumented": (does((INSTRUMENTED_CALL, 0)), "244, which the compiler does not emit"),
    "no_opcode": (does((130, 0)), "130, which the compiler does not emit"),
    "cache_alone": (does((CACHE, 0)), "0, which the compiler does not emit"),
    "prefix_of_nothing": (Code(code=units(START, (EXTENDED_ARG, 1))), "ends within an instruction"),
    "empty_prefix": (does((EXTENDED_ARG, 0), (NOP, 0)), "prefixes at unit 1 are no oparg's"),
    "four_prefixes": (does(*[(EXTENDED_ARG, 1)] * 4, (NOP, 0)), "prefixes at unit 1"),
    "caches_cut": (Code(code=units(START, (LOAD_GLOBAL, 0))), "ends within an instruction"),
    "caches_full": (does((LOAD_CONST, 0), (COPY, 1), (BINARY_OP, 0), (CACHE, 1), (POP_TOP, 0)), "caches that are not empty"),
    "oparg_of_none": (does((NOP, 1)), "NOP 1) has an impossible oparg"),
    "constant": (does((LOAD_CONST, 1), (POP_TOP, 0)), "LOAD_CONST 1) has an impossible oparg"),
    "name": (does((LOAD_NAME, 0), (POP_TOP, 0)), "LOAD_NAME 0) has an impossible oparg"),
    "shifted_name": (does((LOAD_GLOBAL, 2), *[(CACHE, 0)] * 4, (POP_TOP, 0), names=several(text("n"))), "LOAD_GLOBAL 2) has an impossible oparg"),
    "local": (does((LOAD_FAST, 0), (POP_TOP, 0)), "LOAD_FAST 0) has an impossible oparg"),
    "no_cell": (does((LOAD_DEREF, 0), (POP_TOP, 0), variables=(LOCAL,)), "LOAD_DEREF 0) has an impossible oparg"),
    "comparison": (does((LOAD_CONST, 0), (COPY, 1), (COMPARE_OP, 1), (CACHE, 0), (POP_TOP, 0)), "COMPARE_OP 1) has an impossible oparg"),
    "swap_of_one": (does((LOAD_CONST, 0), (SWAP, 1), (POP_TOP, 0)), "SWAP 1) has an impossible oparg"),
    "huge_oparg": (does((EXTENDED_ARG, 255), (EXTENDED_ARG, 255), (EXTENDED_ARG, 255), (BUILD_LIST, 255), (POP_TOP, 0)), "has an impossible oparg"),
    "underflow": (does((POP_TOP, 0)), "takes more than there is on the stack"),
    "deep_swap": (does((LOAD_CONST, 0), (SWAP, 2), (POP_TOP, 0)), "takes more than there is"),
    "unbound": (does((LOAD_FAST, 0), (POP_TOP, 0), variables=(LOCAL,)), "LOAD_FAST 0) reads a variable that may be unbound"),
    "unbound_after_delete": (inner(Code(code=units(START, (DELETE_FAST, 0), (LOAD_FAST, 0), (RETURN_VALUE, 0)), flags=FUNCTION, counts=(1, 0, 0), variables=(LOCAL,))), "reads a variable that may be unbound"),
    "unbound_on_one_path": (does((LOAD_CONST, 0), (POP_JUMP_IF_NONE, 2), (CACHE, 0), (LOAD_CONST, 0), (STORE_FAST, 0), (LOAD_FAST, 0), (POP_TOP, 0), variables=(LOCAL,)), "reads a variable that may be unbound"),
    "jump_to_itself": (does((JUMP_BACKWARD_NO_INTERRUPT, 1)), "has an impossible oparg"),
    "overflow": (does(*[(LOAD_CONST, 0)] * 3, *[(POP_TOP, 0)] * 3), "fills the stack beyond its size"),
    "unpacked_overflow": (does((LOAD_CONST, 0), (UNPACK_SEQUENCE, 3), (CACHE, 0), *[(POP_TOP, 0)] * 3), "fills the stack beyond its size"),
    "left_on_stack": (does((LOAD_CONST, 0)), "leaves something on the stack"),
    "jump_past_end": (does((JUMP_FORWARD, 9)), "does not lead to an instruction"),
    "jump_into_cache": (does((JUMP_FORWARD, 1), (LOAD_GLOBAL, 0), *[(CACHE, 0)] * 4, (POP_TOP, 0), names=several(text("n"))), "does not lead to an instruction"),
    "jump_before_start": (does((JUMP_BACKWARD, 9), (CACHE, 0)), "does not lead to an instruction"),
    "growing_stack": (does((LOAD_CONST, 0), (JUMP_BACKWARD, 3), (CACHE, 0)), "another depth of the stack"),
    "loop_without_end": (does((BUILD_LIST, 0), (GET_ITER, 0), (FOR_ITER, 0), (CACHE, 0), (POP_TOP, 0), (POP_TOP, 0)), "does not lead to its loop's end"),
    "yield_in_module": (does((LOAD_CONST, 0), (YIELD_VALUE, 0), (RESUME, 1), (POP_TOP, 0)), "is in no generator"),
    "second_start": (does((RESUME, 0), (YIELD_VALUE, 0)), "takes more than there is|is in no generator"),
    "function_of_none": (does((LOAD_CONST, 0), (MAKE_FUNCTION, 0), (POP_TOP, 0)), "MAKE_FUNCTION 0) is out of place"),
    "keywords_of_none": (does((LOAD_CONST, 0), (CALL_KW, 0), (POP_TOP, 0)), "CALL_KW 0) is out of place"),
    "no_closure": (inner(Code(code=units((COPY_FREE_VARS, 1), START, END), flags=FUNCTION, variables=(FREE,))), "POP_TOP 0) is out of place"),
    "frees_of_module": (Code(code=units((COPY_FREE_VARS, 1), START, END), variables=(FREE,)), "a module has free variables"),
    "no_cell_made": (Code(variables=(CELL,)), "not what the prologue has here"),
    "cell_made_twice": (Code(code=units((MAKE_CELL, 0), (MAKE_CELL, 0), START, END), variables=(LOCAL | CELL, CELL)), "makes a cell that there is already"),
    "generator_without_start": (inner(Code(flags=FUNCTION | GENERATOR)), "not what the prologue has here"),
    "negative_stack": (Code(stacksize=-1), "a stack of -1 is out of range"),
    "huge_stack": (Code(stacksize=2**30), "a stack of 1073741824 is out of range"),
    "unknown_flag": (Code(flags=0x100), "unknown flags in 0x100"),
    "half_a_function": (Code(flags=1), "exclude each other"),
    "function_as_module": (Code(flags=FUNCTION), "a module cannot be a function"),
    "unknown_kind": (Code(variables=(0x21,)), "impossible kind 0x21"),
    "local_after_cell": (Code(variables=(CELL, LOCAL)), "variable 1 has the impossible kind"),
    "too_few_locals": (inner(Code(flags=FUNCTION, counts=(1, 0, 1), variables=(LOCAL,))), "do not fit 1 locals"),
    "negative_count": (inner(Code(flags=FUNCTION, counts=(0, 0, -1))), "do not fit 0 locals"),
    "positional_only": (inner(Code(flags=FUNCTION, counts=(0, 1, 0), variables=(LOCAL,))), "do not fit"),
    "parameters_of_module": (Code(counts=(1, 0, 0), variables=(LOCAL,)), "has parameters"),
    "negative_line": (Code(firstlineno=-1), "starts before the file"),
    "short_lines": (Code(linetable=lines(1)), "line table is for 1 units of code, not 2"),
    "long_lines": (Code(linetable=lines(3)), "line table is for 3 units of code, not 2"),
    "no_line_entry": (Code(linetable=b"\x01"), "line table has no entry at byte 0"),
    "cut_line_entry": (Code(linetable=b"\x80"), "line table's entry before byte 1 is cut short"),
    "cut_line_number": (Code(linetable=b"\xe9\x40"), "line table has no number before byte 2"),
    "line_below_zero": (Code(linetable=b"\xe9\x05"), "leaves the file before byte 2"),
    "empty_range": (replace(WHOLE["handler"], exceptions=entry(1, 0, 3, 0)), "impossible range, 1 to 1"),
    "range_past_end": (replace(WHOLE["handler"], exceptions=entry(1, 9, 3, 0)), "impossible range, 1 to 10"),
    "handler_past_end": (replace(WHOLE["handler"], exceptions=entry(1, 1, 9, 0)), "impossible handler at 9"),
    "handler_too_deep": (replace(WHOLE["handler"], exceptions=entry(1, 1, 3, 4)), "too little on the stack for its handler"),
    "ranges_overlap": (replace(WHOLE["handler"], exceptions=entry(1, 1, 3, 0) * 2), "impossible range"),
    "cut_handler": (replace(WHOLE["handler"], exceptions=b"\x81\x01"), "exception table has no number before byte 2"),
    "endless_number": (replace(WHOLE["handler"], exceptions=b"\xc1" + b"\x41" * 9), "exception table has no number"),
    "names_of_bytes": (Code(names=several(blob(b"n"))), "names have the wrong type"),
    "constants_of_text": (Code(consts=text("c")), "constants have the wrong type"),
    "list": (Code(consts=several(b"[" + number(0))), "no constant has type 0x5b"),
    "old_float": (Code(consts=several(b"f\x011")), "no constant has type 0x66"),
    "null": (Code(consts=several(b"0")), "no constant has type 0x30"),
    "code_in_constant": (Code(consts=several(NONE, several(Code().marshal()))), "a code object is within a constant"),
    "reference_to_none": (Code(consts=several(b"r" + number(0))), "reference 0 is to one of 0 objects"),
    "reference_to_holder": (Code(consts=b"\xa9\x01r" + number(0)), "to an object that holds it"),
    "kept_none": (Code(consts=several(b"\xce")), "type 0x4e cannot be referred to"),
    "negative_length": (Code(consts=several(b"s" + number(-1))), "a length is negative"),
    "long_length": (Code(consts=several(b"s" + number(2**30))), "1073741824 bytes are announced"),
    "long_tuple": (Code(consts=b"(" + number(2**30)), "1073741824 objects are announced"),
    "not_ascii": (Code(consts=several(b"z\x01\xe9")), "a text marked ASCII is not"),
    "not_utf8": (Code(consts=several(b"u" + number(2) + b"\xc0\x80")), "a text is not UTF-8"),
    "plain_as_utf8": (Code(consts=several(b"u" + number(1) + b"a")), "is not marked as one"),
    "short_as_long": (Code(consts=several(b"a" + number(1) + b"a")), "a short text has a long one's type"),
    "short_tuple_as_long": (Code(consts=b"(" + number(1) + NONE), "a short tuple has a long one's type"),
    "zero_digit": (Code(consts=several(b"l" + number(4) + bytes([1, 0] * 3 + [0, 0]))), "starts with a zero digit"),
    "wide_digit": (Code(consts=several(b"l" + number(3) + b"\x01\x80" * 3)), "a digit out of range"),
    "small_long": (Code(consts=several(b"l" + number(-1) + b"\x01\x00")), "a small integer has a long one's type"),
    "too_deep": (Code(consts=b")\x01" * 600 + NONE), "objects nest too deep"),
}  # fmt: skip


@pytest.mark.parametrize(("made", "reason"), MADE.values(), ids=MADE)
def test_damage_is_refused_with_its_reason(made: Code, reason: str) -> None:
    with pytest.raises(BytecodeError, match=r"the bytecode is damaged at byte \d+: ") as caught:
        check(made.marshal())
    assert any(part in str(caught.value) for part in reason.split("|"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data + b"N", "1 bytes are left over"),
        (lambda data: data[1:], "it is no code object"),
        (lambda _: several(), "it is no code object"),
        (lambda data: b"\0" * 16 + data, "it is no code object"),  # the header is still there
    ],
    ids=["more", "less", "no_code", "header"],
)
def test_only_one_code_object_and_nothing_else(
    spoil: Callable[[bytes], bytes], reason: str
) -> None:
    assert reason in refusal(spoil(Code().marshal()))


def test_no_beginning_of_a_module_passes() -> None:
    whole = code(ECHO, "main.py")
    for n in range(1, len(whole)):
        refusal(whole[:n])


def test_references_cannot_make_a_constant_grow_without_end() -> None:
    """Each tuple holds the one before twice: to hash the last would take for ever."""
    doubling = [b"\xa9\x00", *(b"\xa9\x02" + (b"r" + number(i)) * 2 for i in range(100))]
    assert "too many objects" in refusal(Code(consts=several(*doubling)).marshal())


def test_references_cannot_nest_a_constant_without_end() -> None:
    made = b"\xa9\x00" + b"".join(b"\xa9\x01r" + number(i) for i in range(100_000))
    constants = b"(" + number(100_001) + made
    assert "objects nest too deep" in refusal(Code(consts=constants).marshal())


def test_a_message_names_the_function_and_the_module() -> None:
    made = does((POP_TOP, 0)).marshal()
    message = refusal(made)
    assert message.startswith("module 'main': ")
    assert "in 'f', line 1: instruction 1 (POP_TOP 0)" in message


# ---- Damage at random ------------------------------------------------------------

LOADS = """
import marshal, pathlib, sys
for path in pathlib.Path(sys.argv[1]).iterdir():
    marshal.loads(path.read_bytes())
"""


def test_what_passes_can_be_loaded(tmp_path: Path, rand: Seeded) -> None:
    """A flipped bit may well be harmless, in a constant for instance."""
    sdk = sanitize.recorded_sdk()
    assert sdk is not None
    source = (ROOT / "vm" / "build.py").read_text()
    whole = code(source, "main.py")
    passed = 0
    for i in range(2000):
        data = bytearray(whole)
        data[rand.randrange(len(data))] ^= 1 << rand.randrange(8)
        try:
            check(bytes(data))
        except BytecodeError:
            continue
        (tmp_path / str(i)).write_bytes(data)
        passed += 1
    assert 0 < passed < 2000
    subprocess.run([sdk / "bin" / "python", "-I", "-c", LOADS, tmp_path], check=True, timeout=120)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_verifier_under_the_sanitizers(tmp_path: Path, rand: Seeded) -> None:
    if not supported("address", tmp_path):
        pytest.skip("no address sanitizer here")
    executable = sanitize.build(sanitize.FUZZ, "address", sanitize.recorded_sdk(), tmp_path, 1)
    corpus = sanitize.write_corpus(tmp_path / "corpus")
    arguments = [str(corpus), "20000", str(rand.randrange(1, 2**31))]
    assert "verify_fuzz: ok" in sanitize.execute(executable, arguments, "address", 300)

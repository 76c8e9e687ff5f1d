"""A VM from creation to retirement, and every way to get it wrong."""

from __future__ import annotations

import threading

import pytest

from polyvm.vm import (
    BytecodeError,
    DecodeError,
    EntryError,
    Module,
    Outcome,
    Program,
    StateError,
    Vm,
    VmError,
    WrongThread,
    info,
    toolchain,
)
from tests.vm.programs import ECHO, NIL, code, failure_of, pack, program, value_of

COUNT = "count = 0\ndef run(x):\n    global count\n    count += x\n    return count\n"


def test_load_call_reset_retire() -> None:
    vm = Vm()
    first = vm.stats()
    assert (first.generation, first.calls) == (0, 0)
    assert first.create_ns > 0
    vm.load(program(COUNT))
    assert [value_of(vm.call(pack(n))) for n in (1, 2, 3)] == [1, 3, 6]
    vm.reset()
    vm.load(program(COUNT))
    assert value_of(vm.call(pack(5))) == 5
    stats = vm.stats()
    assert (stats.id, stats.generation, stats.calls) == (first.id, 1, 4)
    assert 0 < stats.bytes <= stats.peak_bytes
    vm.retire()


def test_ids_are_never_used_twice() -> None:
    seen = set()
    for _ in range(5):
        with Vm() as vm:
            seen.add(vm.stats().id)
    assert len(seen) == 5


def test_one_program_serves_many_vms() -> None:
    made = program(COUNT)
    vms = [Vm() for _ in range(4)]
    for vm in vms:
        vm.load(made)
    for n, vm in enumerate(vms):
        value_of(vm.call(pack(n)))
    assert [value_of(vm.call(pack(0))) for vm in vms] == [0, 1, 2, 3]
    for vm in vms:
        vm.retire()


def test_a_program_outlives_its_handle() -> None:
    with Vm() as vm:
        vm.load(program("import late\ndef run(x): return late.n", modules={"late": "n = 4"}))
        assert value_of(vm.call(NIL)) == 4
    with Vm() as vm:
        vm.load(
            program("def run(x):\n    import late\n    return late.n", modules={"late": "n = 4"})
        )
        assert value_of(vm.call(NIL)) == 4


def test_another_thread_is_refused_and_harmless() -> None:
    vm = Vm()
    vm.load(program(ECHO))
    seen: list[object] = []

    def trespass() -> None:
        for attempt in (
            vm.stats,
            vm.reset,
            vm.retire,
            lambda: vm.call(NIL),
            lambda: vm.load(program(ECHO)),
        ):
            try:
                attempt()
                seen.append("no error")
            except WrongThread as error:
                seen.append(str(error))

    thread = threading.Thread(target=trespass)
    thread.start()
    thread.join()
    assert seen == ["the VM belongs to another thread"] * 5
    assert value_of(vm.call(pack(1))) == 1
    vm.retire()


def test_use_after_retire() -> None:
    vm = Vm()
    vm.retire()
    for attempt in (
        vm.stats,
        vm.reset,
        vm.retire,
        lambda: vm.call(NIL),
        lambda: vm.load(program(ECHO)),
    ):
        with pytest.raises(StateError):
            attempt()


def test_call_before_load_and_load_twice() -> None:
    with Vm() as vm:
        with pytest.raises(StateError):
            vm.call(NIL)
        vm.load(program(ECHO))
        with pytest.raises(StateError):
            vm.load(program(ECHO))
        assert value_of(vm.call(pack("still"))) == "still"
        vm.reset()
        with pytest.raises(StateError):
            vm.call(NIL)
        vm.load(program(ECHO))
        assert value_of(vm.call(NIL)) is None


def test_the_entry_module_must_be_there() -> None:
    with pytest.raises(EntryError, match="t: the entry point's module 'other' is not among"):
        program(ECHO, entry="other:run")


@pytest.mark.parametrize("entry", ["", "main", ":run", "main:", "m" * 200 + ":run"])
def test_entries_that_are_none(entry: str) -> None:
    with pytest.raises(VmError, match="not valid names"):
        Program("t", "1", entry, {"main": Module(code(ECHO, "t/main.py"))})


@pytest.mark.parametrize("name", ["", "n" * 129, "é" * 65])
def test_names_that_are_none(name: str) -> None:
    module = Module(code(ECHO, "t/main.py"))
    for fields in ((name, "1"), ("t", name)):
        with pytest.raises(VmError, match="not valid names"):
            Program(*fields, "main:run", {"main": module})
    with pytest.raises(VmError):
        Program("t", "1", "main:run", {"main": module, name: module})


def test_the_longest_names_work() -> None:
    name, entry = "n" * 128, "m" * 64 + ":" + "f" * 63
    made = Program(
        name,
        "v" * 128,
        entry,
        {"m" * 64: Module(code(f"import polyvm\ndef {'f' * 63}(x): return polyvm.task.name", "f"))},
    )
    with Vm() as vm:
        vm.load(made)
        assert value_of(vm.call(NIL)) == name


def test_empty_code_is_refused() -> None:
    with pytest.raises(VmError):
        Program("t", "1", "main:run", {"main": Module(b"")})


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        ("def walk(x): pass", "main:run"),
        ("run = 5", "main:run"),
        ("class A:\n    run = 1", "main:A.run"),
        ("def __getattr__(name): raise ValueError(name)", "main:run"),
    ],
)
def test_an_entry_that_is_no_function(source: str, entry: str) -> None:
    with Vm() as vm:
        with pytest.raises(EntryError, match=f"t: module 'main' has no function '{entry[5:]}'"):
            vm.load(program(source, entry=entry))
        with pytest.raises(StateError):
            vm.call(NIL)
        with pytest.raises(StateError):
            vm.load(program(ECHO))
        vm.reset()
        vm.load(program(ECHO))
        assert value_of(vm.call(pack(3))) == 3


@pytest.mark.parametrize(
    "source",
    [
        "class Run:\n    def __call__(self, x): return x\nrun = Run()",
        "import functools\nrun = functools.partial(lambda a, x: x, 1)",
        "class run:\n    def __new__(cls, x): return x",
        "run = lambda x: x",
        "from other import run",
    ],
)
def test_any_callable_may_be_the_entry(source: str) -> None:
    with Vm() as vm:
        vm.load(program(source, modules={"other": ECHO}))
        assert value_of(vm.call(pack([1]))) == [1]


def test_an_entry_in_a_package() -> None:
    with Vm() as vm:
        vm.load(
            program(
                "",
                entry="pkg.sub:run",
                modules={"pkg": "n = 6", "pkg.sub": "from pkg import n\ndef run(x): return n"},
            )
        )
        assert value_of(vm.call(NIL)) == 6


def test_an_entry_that_takes_no_argument_fails_when_called() -> None:
    with Vm() as vm:
        vm.load(program("def run(): pass"))
        assert failure_of(vm.call(NIL)) == (
            "TypeError: run() takes 0 positional arguments but 1 was given"
        )


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("import nosuch\n", "ModuleNotFoundError: No module named 'nosuch'"),
        ("\n1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("import other\n", "ValueError: from other"),
    ],
)
def test_errors_at_import_have_a_traceback(source: str, last: str) -> None:
    with Vm() as vm:
        with pytest.raises(VmError) as caught:
            vm.load(
                program(source, modules={"other": "def f(): raise ValueError('from other')\nf()"})
            )
        assert str(caught.value) == "t: module 'main' cannot be imported"
        lines = caught.value.traceback.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].startswith('  File "t/main.py", line ')
        assert lines[-1] == last
        vm.reset()
        vm.load(program(ECHO))
        assert value_of(vm.call(NIL)) is None


def test_failed_calls_leave_the_vm_as_it_was() -> None:
    with Vm() as vm:
        vm.load(program(COUNT))
        assert value_of(vm.call(pack(1))) == 1
        assert "TypeError" in failure_of(vm.call(pack("x")))
        with pytest.raises(DecodeError):
            vm.call(b"")
        assert value_of(vm.call(pack(1))) == 2


@pytest.mark.parametrize("data", [b"N", b"i\x05\0\0\0", b"\xff", b"z\x03abc", b"[\x01\0\0\0N"])
def test_code_that_is_no_code(data: bytes) -> None:
    """Marshalled values of other types, and what is not marshalled at all."""
    with pytest.raises(BytecodeError, match=r"^module 'main': "):
        Program("t", "1", "main:run", {"main": Module(data)})


def test_code_that_is_cut_short() -> None:
    """Wherever the cut is, an error says so."""
    whole = code(
        "import json\nclass A:\n    def f(self): return json\n"
        "def run(x):\n    return [x, 'text', 1.5, 10**30, (1, 2), b'b', A]\n",
        "t/main.py",
    )
    for cut in range(1, len(whole)):
        with pytest.raises(BytecodeError, match=r"^module 'main': "):
            Program("t", "1", "main:run", {"main": Module(whole[:cut])})


def test_bytecode_of_another_optimisation_level_runs() -> None:
    source = b"def run(x):\n    'doc'\n    assert x\n    return __debug__, run.__doc__\n"
    seen = []
    for level in (0, 1, 2):
        with Vm() as vm:
            pyc = toolchain.compile(source, "t/main.py", level)
            assert pyc[:4] == info().bytecode_magic
            vm.load(Program("t", "1", "main:run", {"main": Module(pyc[16:])}))
            seen.append(vm.call(pack(0))[0])
    assert seen == [Outcome.FAILED, Outcome.DONE, Outcome.DONE]


def test_source_that_does_not_compile() -> None:
    cases = {
        b"def run(:\n": "t/main.py:1: invalid syntax",
        b"x = 1\n\nreturn 5\n": "t/main.py:3: 'return' outside function",
        b"x = '\xff'\n": "t/main.py:1: (unicode error) 'utf-8' codec can't decode",
        b"a\0b": "t/main.py:1: ",
        b"if 1:\n    x\n  y\n": "t/main.py:3: unindent does not match",
        b"(" * 300: "t/main.py:1: too many nested parentheses",
    }
    for source, message in cases.items():
        with pytest.raises(toolchain.CompileError) as caught:
            toolchain.compile(source, "t/main.py")
        assert str(caught.value).startswith(message)


def test_several_vms_on_one_thread_take_turns() -> None:
    vms = [Vm() for _ in range(3)]
    for n, vm in enumerate(vms):
        vm.load(program(f"import json\nk = {n}\ndef run(x): return json.loads(f'[{{x}}, {{k}}]')"))
    for turn in range(20):
        for n, vm in enumerate(vms):
            assert value_of(vm.call(pack(turn))) == [turn, n]
    vms[1].retire()
    vms[0].reset()
    assert value_of(vms[2].call(pack(1))) == [1, 2]
    vms[0].load(program(ECHO))
    assert value_of(vms[0].call(pack(1))) == 1
    vms[2].retire()
    vms[0].retire()


def test_info() -> None:
    about = info()
    assert about.flavour == "isolated"
    assert about.release.startswith("3.13.")
    assert about.has_compiler is False
    assert about.build in ("pgo", "quick", "small")
    assert {"json", "re", "_polyvm", "polyvm", "asyncio"} <= set(about.modules)
    assert list(about.modules) == sorted(about.modules)
    assert about.builtin_modules + about.frozen_modules >= len(about.modules)
    assert about.library_path.stat().st_size == about.library_bytes

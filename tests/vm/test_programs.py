"""What a program keeps for its VMs: regions, views of assets, bytecode without lines."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyvm.vm import Memory, Module, Program, Vm, VmError, toolchain, wipe
from tests.vm.programs import NIL, failure_of, pack, program, value_of


def test_memory_is_zeroed_writable_and_of_its_size() -> None:
    memory = Memory(5000)
    assert (len(memory), bytes(memory.buffer)) == (5000, bytes(5000))
    memory.buffer[4999] = 7
    assert memory.buffer[4999] == 7
    assert len(Memory(0)) == len(Memory(0).buffer) == 0


def test_too_much_memory() -> None:
    with pytest.raises(MemoryError, match="bytes of memory could not be had"):
        Memory(2**62)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_wipe(kind: type) -> None:
    data = bytearray(b"secret") * 3
    target = memoryview(data) if kind is memoryview else kind(data)
    wipe(target)
    assert bytes(target) == bytes(18)
    wipe(kind(b""))


def test_assets_of_all_sizes_arrive_whole() -> None:
    sizes = [0, 1, 15, 16, 17, 16_383, 16_384, 65_535, 65_536, 1_000_000]
    assets = {f"a{size}": (b"%d " % size * size)[:size] for size in sizes}
    source = """
        import hashlib, polyvm
        def run(names):
            return [hashlib.sha256(polyvm.asset(name)).hexdigest() for name in names]
    """
    with Vm() as vm:
        vm.load(program(source, assets=dict(assets)))
        told = value_of(vm.call(pack(list(assets))))
    assert told == [hashlib.sha256(data).hexdigest() for data in assets.values()]


def test_views_of_one_asset_share_memory_and_cannot_be_written() -> None:
    memory = Memory(200_000)
    memory.buffer[:5] = b"hello"
    source = """
        import polyvm
        view = polyvm.asset_view("big")
        def run(x):
            try:
                view[0] = 1
            except TypeError as error:
                refused = str(error)
            return [bytes(view[:5]), len(view), view.readonly, refused]
    """
    shared = program(source, assets={"big": memory})
    for _ in range(2):
        with Vm() as vm:
            vm.load(shared)
            before = vm.stats().bytes
            told = value_of(vm.call(NIL))
            assert told == [b"hello", 200_000, True, "cannot modify read-only memory"]
            assert vm.stats().bytes - before < 200_000


def test_memory_outlives_the_object_that_made_it() -> None:
    source = 'import polyvm\ndef run(x): return polyvm.asset("m")'
    made = program(source, assets={"m": Memory(3)})
    with Vm() as vm:
        vm.load(made)
        del made
        assert value_of(vm.call(NIL)) == bytes(3)


def test_an_asset_that_is_not_there() -> None:
    with Vm() as vm:
        vm.load(program('import polyvm\ndef run(x): return polyvm.asset_view("none")'))
        assert "FileNotFoundError: task 't' has no asset 'none'" in failure_of(vm.call(NIL))


HOLDER = """
import gc, os, sys
from polyvm.vm import Memory, Module, Program, Vm, protect_process, wipe

protect_process()

def receive(size):
    data = bytearray(size)
    view = memoryview(data)
    while view:
        view = view[os.readv(0, [view]):]
    made = bytes(data)
    wipe(data)
    return made

def tell_and_wait(word):
    print(word, flush=True)
    assert os.read(0, 1) == b"."

code, asset = receive(int(sys.argv[1])), receive(int(sys.argv[2]))
big = Memory(100_000)
big.buffer[: len(asset)] = asset
made = Program("t", "1", "main:run", {"main": Module(code)}, {"small": asset, "big": big})
wipe(code)
wipe(asset)
tell_and_wait("held")
with Vm() as vm:
    vm.load(made)
    outcome, data = vm.call(b"\\xc0")
    wipe(data)
tell_and_wait("used")
del made, big
gc.collect()
tell_and_wait("dropped")
"""


def copies(process: int, marker: bytes) -> int:
    """How often the marker is in the memory of another process."""
    found = 0
    with Path(f"/proc/{process}/maps").open() as maps:
        spans = [line.split()[:2] for line in maps if "[v" not in line]
    with Path(f"/proc/{process}/mem").open("rb", 0) as memory:
        for span, mode in spans:
            start, end = (int(part, 16) for part in span.split("-"))
            if mode.startswith("rw"):
                memory.seek(start)
                with contextlib.suppress(OSError):
                    found += memory.read(end - start).count(marker)
    return found


def test_code_and_assets_are_wiped_with_their_program() -> None:
    """Another process looks, so that looking leaves no copies."""
    marker = os.urandom(8).hex().encode()
    code = toolchain.compile(b"def run(x): return len('" + marker + b"')", "t/main.py")[16:]
    asset = marker * 10
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(len(code)), str(len(asset))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            holder.stdin.write(code + asset)
            seen = []
            for word in (b"held\n", b"used\n", b"dropped\n"):
                assert holder.stdout.readline() == word
                seen.append(copies(holder.pid, marker))
                holder.stdin.write(b".")
        except PermissionError:
            pytest.skip("only root may read the memory of a process that protects itself")
        finally:
            holder.stdin.close()
    assert seen == [21, 21, 0]


STRIPPED = '''"""module text"""
from __future__ import annotations
"another text"

class A:
    "class text"

class B:
    "class text"
    "more class text"
    field = 1

async def later():
    "async text"

def run(x):
    """function text"""
    assert x != 1, "asserted"
    def inner():
        "inner text"
    try:
        match x:
            case 2:
                def deep():
                    "deep text"
                inner = deep
    finally:
        pass
    if x == 3:
        1 / 0
    docs = [__doc__, A.__doc__, B.__doc__, later.__doc__, run.__doc__, inner.__doc__]
    return [docs, B.field, inner()]
'''


def stripped(source: str) -> Program:
    pyc = toolchain.compile(source.encode(), "t", strip=True)
    return Program("t", "1.0.0", "main:run", {"main": Module(pyc[16:])})


def test_stripping_takes_docstrings_and_lines_only() -> None:
    pyc = toolchain.compile(STRIPPED.encode(), "t", strip=True)
    assert b" text" not in pyc
    assert b"asserted" in pyc
    with Vm() as vm:
        vm.load(stripped(STRIPPED))
        assert value_of(vm.call(pack(0))) == [[None] * 6, 1, None]
        assert value_of(vm.call(pack(2))) == [[None] * 6, 1, None]
        assert "AssertionError: asserted" in failure_of(vm.call(pack(1)))
        failure = failure_of(vm.call(pack(3)))
    assert failure == (
        'Traceback (most recent call last):\n  File "t", in run\nZeroDivisionError: division by zero'
    )


def test_a_constant_that_is_also_the_docstring_stays() -> None:
    source = 'def run(x):\n    "twice"\n    return "twice"\n'
    with Vm() as vm:
        vm.load(stripped(source))
        assert value_of(vm.call(NIL)) == "twice"


def test_tracing_code_without_lines() -> None:
    source = """
def work():
    total = 0
    for n in range(5):
        total += n
    return total

def run(x):
    import sys
    seen = []
    sys.settrace(lambda frame, event, argument: seen.append((event, frame.f_lineno)))
    try:
        work()
    finally:
        sys.settrace(None)
    return [seen[0], list(work.__code__.co_lines()) != []]
"""
    with Vm() as vm:
        vm.load(stripped(source))
        assert value_of(vm.call(NIL))[0][0] == "call"


def test_a_program_of_nothing() -> None:
    with pytest.raises(VmError, match="module 'main' is not among its modules"):
        Program("t", "1", "main:run", {})

"""Tasks made from source text, what they print, and code run in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.vm import LogRecord, Memory, Module, Outcome, Program, Vm, collect_logs, toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ECHO = "def run(payload):\n    return payload\n"
NIL = b"\xc0"


def pack(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def unpack(data: bytes) -> Any:
    return msgspec.msgpack.decode(data)


def code(source: str, filename: str) -> bytes:
    """The marshalled code object of a module."""
    return toolchain.compile(textwrap.dedent(source).encode("utf-8", "surrogatepass"), filename)[
        16:
    ]


def program(
    source: str,
    name: str = "t",
    *,
    entry: str = "main:run",
    modules: Mapping[str, str] | None = None,
    assets: Mapping[str, bytes | Memory] | None = None,
    read: Sequence[str] = (),
    write: Sequence[str] = (),
) -> Program:
    """A program of one module, main, and of `modules`: dotted name -> source.

    A name that others lie below is a package.
    """
    sources = {"main": source, **(modules or {})}
    made = {}
    for dotted, text in sources.items():
        package = any(other.startswith(dotted + ".") for other in sources)
        path = dotted.replace(".", "/") + ("/__init__.py" if package else ".py")
        made[dotted] = Module(code(text, f"{name}/{path}"), package)
    return Program(name, "1.0.0", entry, made, assets, read=read, write=write)


def value_of(ended: tuple[Outcome, bytes]) -> Any:
    """What a call returned; the test fails with the traceback if it did not."""
    outcome, data = ended
    assert outcome is Outcome.DONE, data.decode()
    return unpack(data)


def failure_of(ended: tuple[Outcome, bytes]) -> str:
    """The traceback of a call that must have failed."""
    outcome, data = ended
    assert outcome is Outcome.FAILED, (outcome, data)
    return data.decode()


def once(source: str, payload: Any = None) -> tuple[Outcome, bytes]:
    """One call in a VM that lives no longer."""
    with Vm() as vm:
        vm.load(program(source))
        return vm.call(pack(payload))


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for the condition; the test fails when it does not come true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def logs_of(task: str, is_enough: Callable[[list[LogRecord]], bool]) -> list[LogRecord]:
    """The records of one task; those that other tests left behind are dropped."""
    got: list[LogRecord] = []

    def enough() -> bool:
        got.extend(record for record in collect_logs(timeout_ms=50)[0] if record.task == task)
        return is_enough(got)

    until(enough)
    return got


def apart(source: str, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run host code in a process of its own, which may crash."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def apart_ok(source: str, *arguments: str, seconds: float = 120) -> str:
    """As `apart`; the process must end well and write nothing to stderr."""
    done = apart(source, *arguments, seconds=seconds)
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stdout, done.stderr)
    return done.stdout

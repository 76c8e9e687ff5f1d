"""Which library is loaded, and what is in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from . import errors

try:
    from . import _isolated
except ImportError as error:  # pragma: no cover - seen only in an unbuilt checkout
    raise ImportError(
        f"polyvm's library is not built ({error}): run `make build` in the project, "
        "or install the wheel"
    ) from error

# cffi's objects have no types that a checker knows.
ffi: Any = _isolated.ffi
lib: Any = _isolated.lib

ERR_MAX = 512  # PVM_ERR_MAX
LIBRARY = Path(__file__).parent / "lib" / "libpolyvm-isolated.so"


@dataclass(frozen=True)
class Info:
    """What the loaded library is.

    flavour: "isolated" or "free-threaded".
    release: CPython's, such as "3.13.15"; compiler: what built it.
    build: how the SDK was optimised: "pgo", "quick" or "small".
    bytecode_magic: the first 4 bytes of every .pyc it runs.
    builtin_modules, frozen_modules: how many; modules: their names.
    frozen_bytes: size of the frozen modules' bytecode.
    landlock_abi, has_seccomp: what the running kernel has to confine workers with (0: nothing).
    library_path, library_bytes: the file and its size.
    """

    flavour: str
    release: str
    compiler: str
    build: str
    has_compiler: bool
    bytecode_magic: bytes
    builtin_modules: int
    frozen_modules: int
    frozen_bytes: int
    landlock_abi: int
    has_seccomp: bool
    modules: tuple[str, ...]
    library_path: Path
    library_bytes: int


_ERRORS: dict[int, type[errors.VmError]] = {
    lib.PVM_E_STATE: errors.StateError,
    lib.PVM_E_THREAD: errors.WrongThread,
    lib.PVM_E_FORKED: errors.ForkedError,
    lib.PVM_E_ENTRY: errors.EntryError,
    lib.PVM_E_DECODE: errors.DecodeError,
    lib.PVM_E_FULL: errors.QueueFull,
    lib.PVM_E_UNKNOWN: errors.UnknownTask,
    lib.PVM_E_BYTECODE: errors.BytecodeError,
    lib.PVM_E_BREAKER: errors.BreakerOpen,
    lib.PVM_E_RATE: errors.RateLimited,
    lib.PVM_E_STORE: errors.StoreError,
}


def fail(status: int, message: str = "", traceback: str = "") -> NoReturn:
    """Raise the exception of a negative status, with its own sentence if there is no better."""
    raise refusal(status, message, traceback)


def refusal(status: int, message: str = "", traceback: str = "") -> errors.VmError:
    """Make the exception that `fail` raises."""
    kind = _ERRORS.get(status, errors.VmError)
    return kind(status, message or text(lib.pvm_strerror(status)), traceback)


def text(pointer: Any) -> str:
    """A C string as str."""
    raw: bytes = ffi.string(pointer)
    return raw.decode("utf-8", "replace")


def take(buffer: Any) -> bytes:
    """The bytes of a pvm_buffer, which is freed; a Message where it names shared arrays."""
    data: bytes = ffi.unpack(ffi.cast("char *", buffer.data), buffer.len) if buffer.len else b""
    if buffer.held != ffi.NULL:
        from .messages import holding

        data = holding(data)
    lib.pvm_buffer_free(ffi.addressof(buffer))
    return data


def check(status: int, err: Any = None, traceback: str = "") -> int:
    """`status` if it is no error; else the exception that belongs to it."""
    if status >= 0:
        return status
    message = text(err) if err is not None else ""
    fail(status, message, traceback)


@cache
def info() -> Info:
    """Describe the library. Starts nothing."""
    raw = ffi.new("pvm_info *")
    check(lib.pvm_runtime_info(raw))
    return Info(
        flavour=text(raw.flavour),
        release=text(raw.release),
        compiler=text(raw.compiler),
        build=text(raw.build),
        has_compiler=bool(raw.has_compiler),
        bytecode_magic=int(raw.bytecode_magic).to_bytes(4, "little"),
        builtin_modules=raw.builtin_modules,
        frozen_modules=raw.frozen_modules,
        frozen_bytes=raw.frozen_bytes,
        landlock_abi=raw.landlock_abi,
        has_seccomp=bool(raw.has_seccomp),
        modules=tuple(text(lib.pvm_runtime_modules()).split()),
        library_path=LIBRARY,
        library_bytes=os.path.getsize(LIBRARY),
    )


def report_crashes(report: Path | None) -> None:
    """From now on a fault in a VM is reported before it ends the process.

    report: a file to make; None: stderr. Once a process, before executors start. Raises VmError.
    """
    err = ffi.new("char[]", ERR_MAX)
    path = ffi.new("char[]", os.fsencode(report)) if report is not None else ffi.NULL
    check(lib.pvm_crash_report(path, err), err)

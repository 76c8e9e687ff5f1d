"""The compiler, in a library of its own: bytecode for exactly the release that VMs run."""

from __future__ import annotations

from typing import Any

from . import _toolchain

ffi: Any = _toolchain.ffi
lib: Any = _toolchain.lib


class CompileError(Exception):
    """Source text that does not compile; `str()` is "file:line: message"."""


def compile(source: bytes, filename: str, optimize: int = 0, *, strip: bool = False) -> bytes:
    """A whole .pyc (PEP 552, hash-based, unchecked) from the bytes of a source file.

    filename: what tracebacks will show. optimize: 0, 1 or 2 as in the builtin. strip: leave
    out docstrings and line numbers.
    """
    pyc, error = ffi.new("pvm_buffer *"), ffi.new("pvm_buffer *")
    flags = lib.PVM_COMPILE_STRIP if strip else 0
    status = lib.pvm_compile(source, len(source), filename.encode(), optimize, flags, pyc, error)
    data, message = _take(pyc[0]), _take(error[0]).decode("utf-8", "replace")
    if status != 0:
        raw: bytes = ffi.string(lib.pvm_strerror(status))
        raise CompileError(message or f"{filename}:1: {raw.decode()}")
    return data


def _take(buffer: Any) -> bytes:
    data: bytes = ffi.unpack(ffi.cast("char *", buffer.data), buffer.len) if buffer.len else b""
    lib.pvm_buffer_free(ffi.addressof(buffer))
    return data

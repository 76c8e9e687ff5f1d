"""What holds a process that runs a task in a Python of its own; the process applies it itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .library import ERR_MAX, check, ffi, lib, take


def process_ruleset(
    folder: str | None, read: Sequence[str], write: Sequence[str], *, network: bool
) -> int | None:
    """Return the descriptor of a Landlock ruleset, to be closed; None if the kernel has none.

    folder: the process's own, where it may make everything but devices. read, write: absolute
    paths, beneath which files may be read, or written as well.
    network: sockets may be opened. Raises VmError for a path that cannot be opened.
    """
    names = [ffi.new("char[]", path.encode()) for path in (*read, *write)]
    access = [lib.PVM_READ] * len(read) + [lib.PVM_WRITE] * len(write)
    rules = ffi.new("pvm_process_rule[]", list(zip(names, access, strict=True)))
    out = ffi.new("int *")
    err = ffi.new("char[]", ERR_MAX)
    own = ffi.new("char[]", os.fsencode(folder)) if folder is not None else ffi.NULL
    check(lib.pvm_process_ruleset(own, rules, len(names), int(network), out, err), err)
    descriptor: int = out[0]
    return descriptor if descriptor >= 0 else None


def process_filter(*, network: bool) -> bytes:
    """Return a seccomp filter, an array of struct sock_filter; empty if the kernel has none."""
    buffer = ffi.new("pvm_buffer *")
    check(lib.pvm_process_filter(int(network), buffer))
    return take(buffer[0])

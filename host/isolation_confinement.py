"""Confines the process that this runs in, for good: called once, before the task's code is known.

What may be opened and called was worked out by the host, with the VMs' library, which is not
loaded here. Only where this Python's own files are is known nowhere else.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import stat
import struct
import sys

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_FILTER = 2  # SECCOMP_MODE_FILTER
_INSTRUCTION_BYTES = 8  # struct sock_filter

# Landlock's, the same on every architecture; see landlock(7).
_ADD_RULE = 445
_RESTRICT_SELF = 446
_PATH_BENEATH = 1
_EXECUTE_AND_READ = 0b1101
_EXECUTE_AND_READ_A_FILE = 0b0101
_RULE = struct.Struct("=Qi")


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def enter(ruleset: int | None, program: bytes) -> None:
    """Hold this process, and all that it starts, to a Landlock ruleset and a seccomp filter.

    ruleset: a descriptor, which is closed; None: no ruleset. program: empty for no filter.
    Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if ruleset is not None or program:
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if ruleset is not None:
        for path in _own_paths():
            _permit(libc, ruleset, path)
        # Kept open: the rule is for the folder as it is known to the kernel now.
        _add_rule(libc, ruleset, os.open("/proc/self", os.O_PATH | os.O_CLOEXEC))
        _check(libc.syscall(_RESTRICT_SELF, ruleset, 0), "Landlock")
        os.close(ruleset)
    if program:
        described = _Program(len(program) // _INSTRUCTION_BYTES, program)
        _check(libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(described), 0, 0), "seccomp")


def _own_paths() -> set[str]:
    """Where this Python imports from, and the libraries that it may load."""
    paths = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path}
    paths.update(os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    for name in (
        "polyvm",
        "polyvm.np",
        "polyvm.engine",
    ):  # in a checkout they are in folders of their own
        spec = importlib.util.find_spec(name)
        paths.update(spec.submodule_search_locations or () if spec is not None else ())
    return {path for path in paths if path.startswith("/")}


def _permit(libc: ctypes.CDLL, ruleset: int, path: str) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # as on sys.path: what is not there is not there
    try:
        _add_rule(libc, ruleset, descriptor)
    finally:
        os.close(descriptor)


def _add_rule(libc: ctypes.CDLL, ruleset: int, descriptor: int) -> None:
    folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    rights = _EXECUTE_AND_READ if folder else _EXECUTE_AND_READ_A_FILE
    rule = _RULE.pack(rights, descriptor)
    _check(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), "a rule of Landlock")


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"the process cannot be confined: {what}: {os.strerror(error)}")

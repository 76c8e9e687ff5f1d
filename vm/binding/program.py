"""Programs: the code and assets of one version of a task, shared by all VMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .library import ERR_MAX, check, fail, ffi, lib
from .memory import Memory


@dataclass(frozen=True)
class Module:
    """One module. code: a marshalled code object (a .pyc without its 16-byte header)."""

    code: bytes
    package: bool = False


class Program:
    """Immutable. entry is "module:function"; modules are named in dotted form.

    read, write: absolute paths beneath which VMs on an executor's workers may open files;
    by default they may open none.

    Raises EntryError if the entry's module is missing, BytecodeError for a module that no
    compiler made, VmError for names that are empty or longer than 128 bytes of UTF-8.
    """

    def __init__(
        self,
        name: str,
        version: str,
        entry: str,
        modules: Mapping[str, Module],
        assets: Mapping[str, bytes | Memory] | None = None,
        *,
        read: Sequence[str] = (),
        write: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.version = version
        self.entry = entry
        self.size = 0
        raw = lib.pvm_program_new(name.encode(), version.encode(), entry.encode())
        if not raw:
            names = f"task {name!r}, version {version!r}, entry {entry!r}"
            fail(lib.PVM_E_INVALID, f"{names}: not valid names")
        self.handle: Any = ffi.gc(raw, lib.pvm_program_release)
        err = ffi.new("char[]", ERR_MAX)
        for module, item in modules.items():
            flags = lib.PVM_MODULE_PACKAGE if item.package else 0
            check(
                lib.pvm_program_add_module(
                    self.handle, module.encode(), flags, item.code, len(item.code), err
                ),
                err,
            )
            self.size += len(item.code)
        for path, data in (assets or {}).items():
            if isinstance(data, Memory):
                check(lib.pvm_program_add_region(self.handle, path.encode(), data.handle))
            else:
                check(lib.pvm_program_add_asset(self.handle, path.encode(), data, len(data)))
            self.size += len(data)
        for access, paths in ((lib.PVM_READ, read), (lib.PVM_WRITE, write)):
            for path in paths:
                check(lib.pvm_program_permit(self.handle, access, path.encode()))
        check(lib.pvm_program_finish(self.handle, err), err)

    def __repr__(self) -> str:
        return f"Program({self.name!r}, {self.version!r}, {self.entry!r})"

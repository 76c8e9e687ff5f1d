"""Programs: the code and assets of one version of a task, shared by all VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .library import ERR_MAX, check, fail, ffi, lib


@dataclass(frozen=True)
class Module:
    """One module. code: a marshalled code object (a .pyc without its 16-byte header)."""

    code: bytes
    package: bool = False


class Program:
    """Immutable. entry is "module:function"; modules are named in dotted form.

    Raises EntryError if the entry's module is missing, VmError for names that are empty
    or longer than 128 bytes of UTF-8.
    """

    def __init__(
        self,
        name: str,
        version: str,
        entry: str,
        modules: Mapping[str, Module],
        assets: Mapping[str, bytes] | None = None,
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
        for module, item in modules.items():
            flags = lib.PVM_MODULE_PACKAGE if item.package else 0
            check(
                lib.pvm_program_add_module(
                    self.handle, module.encode(), flags, item.code, len(item.code)
                )
            )
            self.size += len(item.code)
        for path, data in (assets or {}).items():
            check(lib.pvm_program_add_asset(self.handle, path.encode(), data, len(data)))
            self.size += len(data)
        err = ffi.new("char[]", ERR_MAX)
        check(lib.pvm_program_seal(self.handle, err), err)

    def __repr__(self) -> str:
        return f"Program({self.name!r}, {self.version!r}, {self.entry!r})"

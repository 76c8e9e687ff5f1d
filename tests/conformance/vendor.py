"""The program that carries a test module into a VM: the module, and what it imports.

Everything comes from the SDK's `Lib` folder, compiled when it is needed. Nothing replaces a
module that a VM has: the program's modules are looked up last.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from polyvm import vm
from polyvm.vm import toolchain

from .place import ABSENT, CARRIED, CHANGES

HERE = Path(__file__).parent
IN_VM = HERE / "in_vm"
ENTRY = "conformance_entry"


class VendorError(Exception):
    """A test module cannot be carried into a VM; the text says why."""


@dataclass
class Source:
    """A module's source. path: the file it was read from, in `Lib` or in `in_vm`."""

    path: Path
    package: bool
    text: bytes


class Library:
    """The `Lib` folder of an SDK, and the compiled modules cached in `cache`."""

    def __init__(self, lib: Path, cache: Path) -> None:
        self.lib = lib
        self.cache = cache
        self.present = frozenset(vm.info().modules)
        stamp = f"{vm.info().release} {vm.info().bytecode_magic.hex()}"
        self._stamp = stamp.encode()

    def source(self, name: str) -> Source | None:
        """The module's source if the program carries it; None if not."""
        if name in self.present or name == "__main__":
            return None
        if name == ENTRY or (IN_VM / f"{name}.py").is_file():
            return self._read(name, IN_VM / f"{name}.py", package=False)
        if name in ABSENT:
            return self._read(name, IN_VM / "absent.py", package=True)
        if CARRIED.isdisjoint([name, *parents(name)]):
            return None
        folder = self.lib.joinpath(*name.split("."))
        if (folder / "__init__.py").is_file():
            return self._read(name, folder / "__init__.py", package=True)
        file = folder.with_suffix(".py")
        if file.is_file():
            return self._read(name, file, package=False)
        if folder.is_dir() and name.startswith("test."):
            return Source(folder / "__init__.py", True, b"")
        return None

    def closure(self, roots: list[str]) -> dict[str, Source]:
        """The modules that `roots` import, at any depth, as far as the program carries them."""
        found: dict[str, Source] = {}
        wanted = list(roots)
        while wanted:
            name = wanted.pop()
            if name in found:
                continue
            source = self.source(name)
            if source is None:
                continue
            found[name] = source
            wanted.extend(parents(name))
            wanted.extend(imports(name, source))
        return found

    def program(self, modules: list[str], also: list[str]) -> vm.Program:
        """A program with the modules, and an asset that names the file of each one's source."""
        roots = [ENTRY, "unittest", "test.support", *modules, *also]
        sources = self.closure(roots)
        missing = [name for name in modules if name not in sources]
        if missing:
            raise VendorError(f"{self.lib} has no {', '.join(missing)}")
        compiled: dict[str, vm.Module] = {}
        for name, source in sources.items():
            try:
                compiled[name] = vm.Module(self._compile(source), source.package)
            except toolchain.CompileError:
                if name in roots:
                    raise
                # There are files that are meant not to compile.
        files = {name: str(s.path) for name, s in sources.items() if self.lib in s.path.parents}
        assets = {"files.json": json.dumps(files).encode()}
        return vm.Program("conformance", "1.0.0", f"{ENTRY}:run", compiled, assets)

    def _read(self, name: str, path: Path, *, package: bool) -> Source:
        text = path.read_bytes()
        for old, new in CHANGES.get(name, []):
            if text.count(old.encode()) != 1:
                raise VendorError(f"{path}: {old!r} does not stand there once; adapt place.toml")
            text = text.replace(old.encode(), new.encode())
        return Source(path, package, text)

    def _compile(self, source: Source) -> bytes:
        """Marshalled code, from the cache if it is there."""
        named = str(source.path).encode() + b"\0" + self._stamp + b"\0" + source.text
        cached = self.cache / f"{hashlib.sha256(named).hexdigest()}.pyc"
        if cached.is_file():
            return cached.read_bytes()[16:]
        pyc = toolchain.compile(source.text, str(source.path))
        self.cache.mkdir(parents=True, exist_ok=True)
        part = cached.with_suffix(f".{os.getpid()}")
        part.write_bytes(pyc)
        part.replace(cached)
        return pyc[16:]


def parents(name: str) -> list[str]:
    """The packages a module is in: "a.b.c" -> ["a", "a.b"]."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def imports(name: str, source: Source) -> list[str]:
    """Every module that the source may mean: by an import statement, or named in a string.

    Found by pattern, for this Python may be too old to parse the release's syntax. What only
    looks like an import does no harm: it is one module more in the program.
    """
    package = name if source.package else name.rpartition(".")[0]
    text = source.text.decode("utf-8", "replace")
    found = [match["name"] for match in _NAMED.finditer(text)]
    for match in _IMPORT.finditer(text):
        found.extend(part.split()[0] for part in match["names"].split(",") if part.split())
    for match in _FROM.finditer(text):
        base = match["base"].lstrip(".")
        level = len(match["base"]) - len(base)
        if level:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - level + 1], *([base] if base else [])])
        found.append(base)
        found.extend(f"{base}.{item}" for item in re.findall(r"\w+", match["names"]))
    return [item for item in found if item]


_IMPORT = re.compile(r"^[ \t]*import[ \t]+(?P<names>[\w., \t]+)", re.MULTILINE)
_FROM = re.compile(
    r"^[ \t]*from[ \t]+(?P<base>[\w.]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|.*)", re.MULTILINE
)
_NAMED = re.compile(r"""["'](?P<name>test\.\w+(\.\w+)*)["']""")

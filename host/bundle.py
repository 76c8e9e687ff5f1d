"""Bundles: reading what a task ships as, and refusing what is not sound.

A bundle is a zip of ``task.toml``, ``.pyc`` files beside their module's path, and assets; or a
folder with the same content. Nothing is unmarshalled here: bytecode is checked by its header
and goes to the VM as it is. A task that runs in processes has ``.py`` files instead.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import manifest as manifests
from polyvm.host import models, triggers
from polyvm.host.deferred_models import DeferredModels
from polyvm.host.errors import BundleError, ManifestError
from polyvm.host.sources import Sources
from polyvm.vm import Memory, Module, Program, VmError, wipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from polyvm.host.manifest import Manifest

MAX_FILES = 4096
MAX_FILE_BYTES = 64 * 2**20
MAX_TOTAL_BYTES = 256 * 2**20
PYC_HEADER_BYTES = 16

# Windows' separators, control characters, and bytes of a file name that were not UTF-8.
_UNSOUND = re.compile(r"[\\:\x00-\x1f\x7f\ud800-\udfff]")

# Names that a task's modules must not have: `import json` in any task means the library's.
RESERVED = frozenset(sys.stdlib_module_names) | {"polyvm", "_polyvm"}

_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Seal:
    """What is known of a bundle that came sealed, its signature having been checked."""

    publisher: str  # key id, hexadecimal
    sequence: int
    created: int  # seconds since the epoch
    expires: int | None  # the same
    digest: bytes  # of the whole file


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of one task, checked, its code and assets in memory made for those who run it."""

    manifest: Manifest
    program: Program | Sources
    source: Path
    seal: Seal | None = None
    models: tuple[Any, ...] = ()  # those of the manifest that are kept ready
    deferred: DeferredModels | None = None  # those that a trigger loads


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a bundle, checked by name, size and kind.

    The modules' code is source text if the task runs in processes.
    """

    manifest: Manifest
    modules: Mapping[str, Module]
    assets: Mapping[str, bytes | Memory]
    source: Path

    def bundle(self, seal: Seal | None = None) -> Bundle:
        """Copy the files to where VMs or processes use them; usable once.

        The VMs' library checks bytecode. What came sealed is wiped here afterwards. Raises
        BundleError.
        """
        try:
            program = (
                self._sources(secret=seal is not None)
                if self.manifest.isolation == "process"
                else self._program()
            )
            # a process of its own shares nothing with this one
            wanted = self.manifest.models if self.manifest.isolation == "vm" else ()
            at_once = [entry for entry in wanted if entry.load == "deploy"]
            ready = models.preload(at_once, self.assets, self.source)
            later = [entry for entry in wanted if entry.load == "preload"]
            deferred = DeferredModels(later, self.assets, self.source) if later else None
        finally:
            if seal is not None:
                self.wipe()
        return Bundle(self.manifest, program, self.source, seal, ready, deferred)

    def _program(self) -> Program:
        try:
            return Program(
                name=self.manifest.name,
                version=self.manifest.version,
                entry=self.manifest.entry,
                modules=self.modules,
                assets=self.assets,
                read=self.manifest.permissions.read,
                write=self.manifest.permissions.write,
            )
        except VmError as error:
            raise BundleError(f"{self.source}: {error}; pack it anew") from None

    def _sources(self, *, secret: bool) -> Sources:
        try:
            return Sources(
                name=self.manifest.name,
                version=self.manifest.version,
                entry=self.manifest.entry,
                modules=self.modules,
                assets=self.assets,
                permissions=self.manifest.permissions,
                secret=secret,
            )
        except MemoryError as error:
            raise BundleError(f"{self.source}: {error}; ship less data") from None

    def wipe(self) -> None:
        """Overwrite the files in this process's own memory."""
        for module in self.modules.values():
            wipe(module.code)
        for data in self.assets.values():
            if isinstance(data, bytes):
                wipe(data)


def read(path: Path, magic: bytes) -> Contents:
    """Read a plain bundle, or a folder of .pyc files.

    ``magic`` is the 4-byte bytecode magic that the VMs take. Raises BundleError or ManifestError,
    one sentence that names the file; nothing else, whatever the bytes are.
    """
    try:
        if path.is_dir():
            files = dict(_folder_files(path))
        else:
            if path.stat().st_size > MAX_TOTAL_BYTES:
                raise BundleError(f"{path}: larger than {MAX_TOTAL_BYTES} bytes; ship less data")
            return from_zip(path.read_bytes(), path, magic)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from None
    return assemble(files, path, magic)


def from_zip(content: bytes, source: Path, magic: bytes) -> Contents:
    """Read a plain bundle from the bytes of its zip; ``source`` names it in errors."""
    try:
        files = dict(_zip_files(content, source))
    except _BROKEN_ZIP as error:
        raise BundleError(
            f"{source}: not a sound zip file ({error}); copy it again, or pack it anew with "
            "`polyvm pack`"
        ) from None
    return assemble(files, source, magic)


def _zip_files(content: bytes, source: Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    seen: set[str] = set()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_FILES:
            raise BundleError(f"{source}: holds {len(entries)} files; at most {MAX_FILES} may be")
        for entry in entries:
            # ZipInfo cuts names at a NUL byte; orig_filename shows what the file really says.
            name = entry.orig_filename
            if name.endswith("/"):
                continue
            check_path(name, source)
            if name in seen:
                raise BundleError(f"{source}: holds {name!r} twice; pack it anew")
            seen.add(name)
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
                raise BundleError(f"{source}: {name!r} is a link or a device, not a plain file")
            if entry.flag_bits & 0x1:
                raise BundleError(f"{source}: {name!r} is encrypted, which plain bundles are not")
            with archive.open(entry) as file:
                data = file.read(MAX_FILE_BYTES + 1)
            total += len(data)
            _check_size(name, len(data), total, source)
            yield name, data


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    for count, path in enumerate(folder_paths(folder), start=1):
        name = path.relative_to(folder).as_posix()
        if count > MAX_FILES:
            raise BundleError(f"{folder}: holds more than {MAX_FILES} files")
        check_path(name, folder)
        size = path.stat().st_size
        total += size
        _check_size(name, size, total, folder)
        yield name, path.read_bytes()


def folder_paths(folder: Path) -> Iterator[Path]:
    """Yield the files of a task folder, sorted; hidden ones and ``__pycache__`` are no part of it.

    Raises BundleError for a link that leads out of the folder.
    """
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if not path.resolve().is_relative_to(root):
            raise BundleError(f"{path}: a link that leads out of the task's folder; copy the file")
        if path.is_file():
            yield path


def check_path(name: str, source: Path) -> None:
    """Refuse the path of a bundle's member that is not plain and relative."""
    parts = name.split("/")
    if len(name) > 512 or _UNSOUND.search(name) or any(part in {"", ".", ".."} for part in parts):
        raise BundleError(
            f"{source}: path {name[:80]!r} is not allowed; paths are relative, with / between "
            "plain names"
        )


def _check_size(name: str, size: int, total: int, source: Path) -> None:
    if size > MAX_FILE_BYTES:
        raise BundleError(f"{source}: {name!r} is larger than {MAX_FILE_BYTES} bytes unpacked")
    if total > MAX_TOTAL_BYTES:
        raise BundleError(f"{source}: larger than {MAX_TOTAL_BYTES} bytes unpacked; ship less data")


def assemble(files: Mapping[str, bytes | Memory], source: Path, magic: bytes) -> Contents:
    """Check a bundle's files and sort them into manifest, modules and assets.

    ``source`` names the bundle in errors. Raises BundleError or ManifestError.
    """
    text = files.get(manifests.FILE_NAME)
    if not isinstance(text, bytes):
        raise ManifestError(
            f"{source}: holds no {manifests.FILE_NAME}; a task needs one with name, version, entry"
        )
    manifest = manifests.parse(text, f"{source}/{manifests.FILE_NAME}")
    manifest = with_triggers(manifest, files.get(triggers.FILE_NAME), source)
    modules: dict[str, Module] = {}
    assets: dict[str, bytes | Memory] = {}
    processes = manifest.isolation == "process"
    for name, data in files.items():
        if name in (manifests.FILE_NAME, triggers.FILE_NAME):
            continue
        path = PurePosixPath(name)
        if path.suffix == ".py" and processes:
            code = _text(name, data, source)
        elif path.suffix == ".pyc" and not processes and isinstance(data, bytes):
            code = _code(name, data, source, magic)
        elif path.suffix in {".py", ".pyc"}:
            raise BundleError(_wrong_kind(name, manifest, source))
        else:
            assets[name] = data
            continue
        module, package = module_of(path, source)
        if module in modules:
            raise BundleError(
                f"{source}: module {module!r} is there twice, as a file and as a package; drop one"
            )
        modules[module] = Module(code=code, package=package)
    check_packages(modules, source)
    if manifest.entry_module not in modules:
        raise BundleError(
            f"{source}: entry {manifest.entry!r} names module {manifest.entry_module!r}, which is "
            f"not in the bundle; it holds {', '.join(sorted(modules)) or 'no module'}"
        )
    return Contents(manifest=manifest, modules=modules, assets=assets, source=source)


def with_triggers(manifest: Manifest, file: bytes | Memory | None, source: Path) -> Manifest:
    """Return the manifest with the triggers of a triggers.json added, if there is one.

    Raises ManifestError.
    """
    if file is None:
        return manifest
    where = f"{source}/{triggers.FILE_NAME}"
    with memoryview(file) if isinstance(file, bytes) else file.buffer as view:
        text = bytes(view[: triggers.MAX_FILE_BYTES + 1])
    added = triggers.parse_json(text, where, manifest.name)
    manifest = msgspec.structs.replace(manifest, triggers=(*manifest.triggers, *added))
    manifests.check(manifest, where)
    return manifest


def _wrong_kind(name: str, manifest: Manifest, source: Path) -> str:
    if manifest.isolation == "process":
        return (
            f"{source}: {name!r} is bytecode; bundles of tasks that run in processes hold sources: "
            "pack the folder with `polyvm pack`"
        )
    return (
        f"{source}: {name!r} is source; bundles hold bytecode only: pack the folder with "
        "`polyvm pack`"
    )


def module_of(path: PurePosixPath, source: Path) -> tuple[str, bool]:
    """Return the dotted module of a relative .py or .pyc path, and whether it is a package.

    Raises BundleError for a path that no import statement can name, or a reserved name.
    """
    parts = [*path.parts[:-1], path.stem]
    package = parts[-1] == "__init__"
    if package:
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        raise BundleError(
            f"{source}: {str(path)!r} is no importable module; name modules with letters, digits "
            "and underscores"
        )
    if parts[0] in RESERVED:
        raise BundleError(
            f"{source}: module {parts[0]!r} has the name of a standard library module, which would "
            "never be found; rename it"
        )
    return ".".join(parts), package


def check_packages(modules: Iterable[str], source: Path) -> None:
    """Refuse modules in folders that are no package: VMs know no namespace packages."""
    names = set(modules)
    for name in sorted(names):
        parent = name.rpartition(".")[0]
        if parent and parent not in names:
            raise BundleError(
                f"{source}: module {name!r} is in a folder without __init__.py; add an empty one"
            )


def _code(name: str, data: bytes, source: Path, magic: bytes) -> bytes:
    if len(data) <= PYC_HEADER_BYTES or data[2:4] != b"\r\n":
        raise BundleError(f"{source}: {name!r} is not a .pyc file; pack it anew")
    if data[:4] != magic:
        raise BundleError(
            f"{source}: {name!r} is compiled for another Python (magic {data[:4].hex()}, these VMs "
            f"take {magic.hex()}); repack with `polyvm pack`"
        )
    return data[PYC_HEADER_BYTES:]


def _text(name: str, data: bytes | Memory, source: Path) -> bytes:
    """Return a copy of a module's source text: who wipes the file leaves the module."""
    if len(data) > MAX_FILE_BYTES:
        raise BundleError(f"{source}: {name!r} is larger than {MAX_FILE_BYTES} bytes unpacked")
    with memoryview(data) if isinstance(data, bytes) else data.buffer as view:
        return bytes(view)

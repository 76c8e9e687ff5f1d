"""`polyvm pack`: a task folder in, a bundle out. The same input gives the same bytes."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from polyvm.host import manifest as manifests
from polyvm.host import triggers
from polyvm.host.bundle import (
    MAX_FILE_BYTES,
    MAX_FILES,
    check_packages,
    check_path,
    folder_paths,
    module_of,
    with_triggers,
)
from polyvm.host.errors import BundleError, ManifestError, MissingError, PackError, WriteError
from polyvm.vm import toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polyvm.host.manifest import Manifest

LARGE_BYTES = 64 * 1024  # assets beyond are left in their files until they are written

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_TEST_NAMES = ("test_*.py", "conftest.py")


def is_source_folder(folder: Path) -> bool:
    """Whether ``folder`` is a task's source: a manifest and at least one .py file that ships."""
    return (folder / manifests.FILE_NAME).is_file() and any(
        path.suffix == ".py" for path in task_paths(folder)
    )


def task_paths(folder: Path) -> list[Path]:
    """Return the files of a source folder that a bundle is made of, sorted.

    Left out: tests, hidden files, ``__pycache__``, stray .pyc files and bundles.
    """
    return [
        path
        for path in folder_paths(folder)
        if path.suffix not in {".pyc", ".bundle"}
        and not any(path.match(pattern) for pattern in _TEST_NAMES)
    ]


def pack(folder: Path, output: Path | None = None) -> Path:
    """Pack a task folder and return the bundle's path.

    ``output`` is a file, or an existing folder to put NAME-VERSION.bundle in; by default the
    working directory. The file appears whole or not at all.
    """
    manifest, content = build(folder)
    if output is None:
        output = Path(manifest.bundle_name)
    elif output.is_dir():
        output = output / manifest.bundle_name
    _write(output, content)
    return output


def build(folder: Path) -> tuple[Manifest, bytes]:
    """Pack a task folder in memory: its manifest and the bytes of the bundle.

    Raises ManifestError, PackError or MissingError; syntax errors come with file and line.
    """
    manifest, found = members(folder)
    with _pack_errors(folder):
        content = {name: _small(data) for name, data in found.items()}
    return manifest, _zip(content)


def members(folder: Path, *, strip: bool = False) -> tuple[Manifest, dict[str, bytes | Path]]:
    """Compile and collect what a bundle of a task folder holds, by member name.

    Larger assets are not read: they come as paths. ``strip`` leaves docstrings and line
    numbers out of the bytecode. What runs in processes is compiled to find mistakes, and ships
    as source. Raises as `build` does.
    """
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder; name the folder that holds the task.toml")
    with _pack_errors(folder):
        return _members(folder, strip=strip)


@contextlib.contextmanager
def _pack_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except BundleError as error:  # from the checks that packing and reading share
        raise PackError(str(error)) from None
    except OSError as error:
        raise PackError(f"{error.filename or folder}: {error.strerror or error}") from None


def _members(folder: Path, *, strip: bool) -> tuple[Manifest, dict[str, bytes | Path]]:
    file = folder / manifests.FILE_NAME
    if not file.is_file():
        raise ManifestError(
            f"{folder}: holds no {manifests.FILE_NAME}; add one with name, version and entry"
        )
    manifest = manifests.parse(file.read_bytes(), str(file))
    added = folder / triggers.FILE_NAME
    if added.is_file():  # a mistake in it is found here; it ships as it is
        with_triggers(manifest, _small(added), folder)
    sources_ship = manifest.isolation == "process"
    if sources_ship and strip:
        raise PackError(
            f"{file}: a task that runs in processes ships as source, of which nothing can be "
            "stripped; leave --strip out"
        )
    paths = task_paths(folder)
    if len(paths) > MAX_FILES:
        raise PackError(f"{folder}: holds {len(paths)} files; at most {MAX_FILES} can be packed")
    found: dict[str, bytes | Path] = {}
    sources: dict[str, tuple[Path, bytes]] = {}
    for path in paths:
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        check_path(str(relative), folder)
        if path.suffix != ".py":
            large = path != file and path.stat().st_size > LARGE_BYTES
            found[str(relative)] = path if large else path.read_bytes()
            continue
        data = _small(path)
        module, _ = module_of(relative, folder)
        if module in sources:
            raise PackError(
                f"{folder}: module {module!r} is there twice, as a file and as a package; drop one"
            )
        sources[module] = path, data
        try:
            pyc = toolchain.compile(data, f"{manifest.name}/{relative}", strip=strip)
        except toolchain.CompileError as error:
            place = str(error).removeprefix(f"{manifest.name}/{relative}")
            raise PackError(f"{path}{place}") from None
        if sources_ship:
            found[str(relative)] = data
        else:
            found[str(relative.with_suffix(".pyc"))] = pyc
    check_packages(sources, folder)
    _check_entry(manifest, sources, file)
    return manifest, found


def _small(data: bytes | Path) -> bytes:
    if isinstance(data, bytes):
        return data
    content = data.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        raise PackError(f"{data}: larger than {MAX_FILE_BYTES} bytes; ship less data")
    return content


def _zip(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(members, key=lambda name: (name != manifests.FILE_NAME, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, on whatever system the packer runs
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, members[name])
    return content.getvalue()


def _write(output: Path, content: bytes) -> None:
    part: str | None = None
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(part).chmod(0o644)
        Path(part).replace(output)
    except OSError as error:
        if part is not None:
            with contextlib.suppress(OSError):
                Path(part).unlink()
        raise WriteError(f"cannot write {output}: {error.strerror or error}") from None


def _check_entry(manifest: Manifest, sources: dict[str, tuple[Path, bytes]], file: Path) -> None:
    found = sources.get(manifest.entry_module)
    if found is None:
        raise PackError(
            f"{file}: entry {manifest.entry!r} names module {manifest.entry_module!r}, but there "
            f"is no {manifest.entry_module.replace('.', '/')}.py in {file.parent}"
        )
    path, text = found
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        # It has compiled, so it is only this host's older parser that does not know the syntax.
        # The VM checks the entry again when it loads the task.
        return
    name = manifest.entry_function
    bindings = dict(_bindings(tree.body))
    if "*" in bindings and name not in bindings:
        return  # a star import may bring the function
    node = bindings.get(name)
    if node is None:
        raise PackError(f"{file}: entry {manifest.entry!r}: {path} defines no {name!r}")
    if isinstance(node, ast.AsyncFunctionDef):
        raise PackError(
            f"{path}:{node.lineno}: entry {name!r} is async, but entries are called, not awaited; "
            "make it a plain function that calls asyncio.run"
        )
    if isinstance(node, ast.FunctionDef) and not _takes_one(node.args):
        raise PackError(
            f"{path}:{node.lineno}: entry {name!r} cannot be called with one positional argument, "
            f"the payload; write `def {name}(payload):`"
        )


def _takes_one(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    keywords_required = any(default is None for default in arguments.kw_defaults)
    fits = required <= 1 and (positional >= 1 or arguments.vararg is not None)
    return fits and not keywords_required


def _bindings(body: list[ast.stmt]) -> list[tuple[str, ast.AST]]:
    """List the names that a module's top level binds, also inside if, try and with blocks."""
    found: list[tuple[str, ast.AST]] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # A decorator may return anything callable: only a bare function is judged further.
            found.append((node.name, node if not node.decorator_list else ast.Pass()))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [(alias.asname or alias.name.partition(".")[0], node) for alias in node.names]
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For):
            found += [
                (inner.id, inner)
                for inner in ast.walk(node)
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
            ]
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found += _bindings(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            found += _bindings(handler.body)
    return found

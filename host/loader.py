"""From a path that a user names to a bundle in memory, whatever form the task has there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host import bundle, manifest, packer
from polyvm.host.errors import ManifestError, MissingError, WriteError

if TYPE_CHECKING:
    from polyvm.host.bundle import Bundle

SUFFIX = ".bundle"
PACKED = Path("build/bundles")  # where bundles of source folders land


def load(path: Path, magic: bytes, packed: Path = PACKED) -> Bundle:
    """Read a bundle, a folder of .pyc files, or a source folder, which is packed first.

    The bundle of a source folder lands in the folder ``packed``. Raises PolyvmError.
    """
    if not packer.is_source_folder(path):
        return bundle.read(path, magic)
    try:
        packed.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make folder {packed} for the bundle of {path}: {error.strerror}"
        ) from None
    made = bundle.read(packer.pack(path, packed), magic)
    return dataclasses.replace(made, source=path)


def find(task: str, folder: Path = Path("tasks")) -> Path:
    """Return where the task is that a user calls by a path, or by its name under ``tasks``.

    A name stands for the folder of that name, else for its bundle of the highest version.
    Raises MissingError.
    """
    path = Path(task)
    if path.exists():
        return path
    if "/" not in task:
        if (folder / task).is_dir():
            return folder / task
        bundles = [(_version(found), found) for found in folder.glob(f"{task}-*{SUFFIX}")]
        named = [(order, found) for order, found in bundles if order is not None]
        if named:
            return max(named)[1]
    raise MissingError(
        f"no task {task!r}: it is neither a bundle, nor a folder, nor a name under {folder}/"
    )


def _version(path: Path) -> tuple[tuple[int, ...], int, str] | None:
    # The file's name says it all here; whether its content agrees, reading will tell.
    name, _, version = path.name.removesuffix(SUFFIX).rpartition("-")
    try:
        text = f'name = "{name}"\nversion = "{version}"\nentry = "main:run"'
        return manifest.parse(text.encode(), str(path)).order
    except ManifestError:
        return None

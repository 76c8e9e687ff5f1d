"""Where a task is that a user names."""

from __future__ import annotations

import glob
from pathlib import Path

from polyvm.host import manifest
from polyvm.host.errors import ManifestError, MissingError

SUFFIX = ".bundle"


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
        pattern = f"{glob.escape(task)}-*{SUFFIX}"
        bundles = [(_version(found), found) for found in folder.glob(pattern)]
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

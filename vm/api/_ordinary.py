"""`_polyvm`'s part for tasks under ordinary Python: files come from the task's folder.

The task is found by the code that asks: the nearest ``task.toml`` at or above the file of the
innermost calling function that has one, else at or above the working directory. So the same
call works under ``polyvm dev``, in a unit test beside the task, and in a debugger.

A process that runs one task alone has no such folder: it calls `install`.

Not imported in VMs.
"""

from __future__ import annotations

import sys
import tomllib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = "task.toml"
_PACKAGE = str(Path(__file__).parent)


class Interrupted(BaseException):
    """Never raised under ordinary Python; see `polyvm.Interrupted`."""


class _Installed(NamedTuple):
    name: str
    version: str
    assets: Mapping[str, memoryview]


_installed: _Installed | None = None


def install(name: str, version: str, assets: Mapping[str, memoryview]) -> None:
    """Let this process be one task, whoever asks; its assets, by path, are read-only views."""
    global _installed  # noqa: PLW0603 - the process is the task
    _installed = _Installed(name, version, assets)


def is_asset(path: PurePosixPath) -> bool:
    """Whether a file of a task folder, given by its relative path, is an asset of its bundle."""
    return (
        path != PurePosixPath(MANIFEST)
        and path.suffix not in {".py", ".pyc", ".bundle"}
        and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    )


def asset(path: str) -> bytes:
    """Return the bytes of one asset; see `polyvm.asset`."""
    if _installed is not None:
        return bytes(asset_view(path))
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not is_asset(relative):
        raise FileNotFoundError(f"task has no asset {path!r}")
    folder = _folder()
    try:
        return (folder / relative).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise FileNotFoundError(f"task has no asset {path!r}: not a file in {folder}") from None


def asset_view(path: str) -> memoryview:
    """Return a read-only view of one asset; see `polyvm.asset_view`."""
    if _installed is not None:
        try:
            return _installed.assets[path]
        except KeyError:
            raise FileNotFoundError(f"task {_installed.name!r} has no asset {path!r}") from None
    return memoryview(asset(path))


def _no_host(*_: object) -> NoReturn:
    """Stand for what only a host's VMs have."""
    raise RuntimeError(
        "tables of features and kept events are those of a running host, and its VMs have them: "
        "run the task with `polyvm run`, without a process of its own"
    )


feature_table = feature_get = feature_get_many = feature_history = _no_host
feature_put = feature_remove = append_events = kept_events = kept_series = _no_host


def task() -> tuple[str, str]:
    """Return the name and the version in the calling task's manifest."""
    if _installed is not None:
        return _installed.name, _installed.version
    return _identity(_folder())


@cache
def _identity(folder: Path) -> tuple[str, str]:
    with (folder / MANIFEST).open("rb") as file:
        manifest = tomllib.load(file)
    return str(manifest["name"]), str(manifest["version"])


@cache
def _nearest(folder: Path) -> Path | None:
    return next((at for at in (folder, *folder.parents) if (at / MANIFEST).is_file()), None)


def _folder() -> Path:
    frame = sys._getframe(1)  # noqa: SLF001 - the caller is the only witness of which task asks
    while frame is not None:
        file = frame.f_globals.get("__file__")
        if isinstance(file, str) and not file.startswith(_PACKAGE):
            found = _nearest(Path(file).resolve().parent)
            if found is not None:
                return found
        if frame.f_back is None:
            break
        frame = frame.f_back
    found = _nearest(Path.cwd())
    if found is None:
        raise FileNotFoundError(
            f"no {MANIFEST} at or above the calling code or the working directory; "
            "asset() and task need the folder of a task"
        )
    return found

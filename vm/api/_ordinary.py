"""`_polyvm`'s part for tasks under ordinary Python: files come from the task's folder.

The task is found by the code that asks: the nearest ``task.toml`` at or above the file of the
innermost calling function that has one, else at or above the working directory. So the same
call works under ``polyvm dev``, in a unit test beside the task, and in a debugger.

A process that runs one task alone has no such folder: it calls `install`.

Tables of features and events are those of whoever calls `serve`: `polyvm.host.dev`, or the host of
a task's process.

Not imported in VMs.
"""

from __future__ import annotations

import sys
import tomllib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

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


# ---- Tables of features, events ----


class Store(Protocol):
    """What a task reaches of a host's store. Tables go by name; the rest is as `_polyvm` has it."""

    def find(self, table: str) -> None:
        """Raise LookupError if there is none."""

    def get(self, table: str, key: Any, at: Any) -> dict[str, Any] | None:
        """Return one row."""

    def get_many(self, table: str, keys: Any, at: Any) -> list[dict[str, Any] | None]:
        """Return rows."""

    def history(self, table: str, key: Any) -> list[tuple[float, dict[str, Any]]]:
        """Return the rows of a key."""

    def put(self, table: str, key: Any, values: Any, at: Any, merge: object) -> None:
        """Put a row."""

    def remove(self, table: str, key: Any, at: Any) -> None:
        """Take a key out."""

    def append(self, events: Any) -> int:
        """Hand in events."""

    def kept(self, *query: Any) -> list[tuple[Any, ...]]:
        """Read events: stream, key, since, until, after, most."""

    def series(self, *query: Any) -> list[list[Any]]:
        """Read a series: stream, field, key, since, until, step, functions, fill, value."""


_stores: dict[Path | None, list[Store]] = {}  # by the task's folder; of each the latest counts
_tables: list[str] = []  # by the numbers that tasks have of them, whatever the store


def serve(store: Store, folder: Path | None = None) -> None:
    """Let the task of this folder, or the installed one, use a store until `retire`."""
    _stores.setdefault(folder.resolve() if folder is not None else None, []).append(store)


def retire(store: Store, folder: Path) -> None:
    """Take it away again."""
    served = _stores[folder.resolve()]
    served.remove(store)
    if not served:
        del _stores[folder.resolve()]


def _store() -> Store:
    try:
        served = _stores.get(None if _installed is not None else _folder())
    except FileNotFoundError:
        served = None
    if served:
        return served[-1]
    raise RuntimeError(
        "tables of features and kept events are a host's: run the task with `polyvm run`, or with "
        "`polyvm dev`; a test opens it with polyvm.host.dev.opened"
    )


def feature_table(name: str) -> int:
    """Return a number for a table, by its name."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a table is text, not '{type(name).__name__}'")
    _store().find(name)
    if name not in _tables:
        _tables.append(name)
    return _tables.index(name)


def feature_get(table: int, key: Any, at: Any) -> dict[str, Any] | None:
    """See `polyvm.tables.Table.get`."""
    return _store().get(_tables[table], key, at)


def feature_get_many(table: int, keys: Any, at: Any) -> list[dict[str, Any] | None]:
    """See `polyvm.tables.Table.get_many`."""
    return _store().get_many(_tables[table], keys, at)


def feature_history(table: int, key: Any) -> list[tuple[float, dict[str, Any]]]:
    """See `polyvm.tables.Table.history`."""
    return _store().history(_tables[table], key)


def feature_put(table: int, key: Any, values: Any, at: Any, merge: object) -> None:
    """See `polyvm.tables.Table.put`."""
    _store().put(_tables[table], key, values, at, merge)


def feature_remove(table: int, key: Any, at: Any) -> None:
    """See `polyvm.tables.Table.remove`."""
    _store().remove(_tables[table], key, at)


def append_events(events: Any) -> int:
    """See `polyvm.append`."""
    return _store().append(events)


def kept_events(*query: Any) -> list[tuple[Any, ...]]:
    """See `polyvm.events`."""
    return _store().kept(*query)


def kept_series(*query: Any) -> list[list[Any]]:
    """See `polyvm.series`."""
    return _store().series(*query)


# ---- The task ----


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

"""Read manifest.toml and checks it against a release's ``Lib/`` folder.

The manifest is the single place that says which standard library modules a VM has. Reading
it never guesses: a module of the release that no group names, a name in two groups, or an
unknown key is an error that says where.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent

KINDS = ("kept", "builtin", "dropped")
_GROUP_KEYS = {"title", "reason", "dropped_encodings", *KINDS}
_FUNCTION_KEYS = {"reason", "keep", "drop", "refuse"}

# Packages whose submodules the manifest lists one by one where the package is kept.
_SKIPPED_FOLDERS = {"test", "tests", "idle_test", "__pycache__", "site-packages", "lib2to3"}


class ManifestError(Exception):
    """The manifest does not fit itself or the release; the text says what to change."""


@dataclass(frozen=True)
class Group:
    """Modules that share one reason. ``kind`` is one of ``KINDS``."""

    title: str
    reason: str
    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Functions:
    """What is cut from one C module. ``keep``, unless None, names all that stay."""

    module: str
    reason: str
    keep: frozenset[str] | None
    drop: tuple[str, ...]
    refuse: tuple[str, ...]

    def fate(self, function: str) -> str:
        """Return "kept", "dropped" or "refused"."""
        if function in self.refuse:
            return "refused"
        if function in self.drop or (self.keep is not None and function not in self.keep):
            return "dropped"
        return "kept"


@dataclass(frozen=True)
class Elsewhere:
    """Modules outside the standard library that get an explanation of their own."""

    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Manifest:
    """What manifest.toml says, in its order."""

    groups: tuple[Group, ...]
    functions: tuple[Functions, ...]
    elsewhere: tuple[Elsewhere, ...]

    def names(self, kind: str) -> tuple[str, ...]:
        """Return all module names of one kind, sorted."""
        return tuple(sorted(n for g in self.groups if g.kind == kind for n in g.names))

    def reasons(self) -> dict[str, str]:
        """Return, for each dropped module, why it is not there."""
        found = {n: g.reason for g in self.groups if g.kind == "dropped" for n in g.names}
        for entry in self.elsewhere:
            found.update((n, entry.reason) for n in entry.names)
        return found


def read(
    lib: Path,
    top_level: frozenset[str] = sys.stdlib_module_names,
    path: Path = HERE / "manifest.toml",
) -> Manifest:
    """Return the manifest, checked against the release whose library is ``lib``.

    top_level: names of that release's top-level modules; by default those of the running
    Python, which is the release's own while freezing. Raises ManifestError for anything
    that does not fit.
    """
    with path.open("rb") as file:
        data = tomllib.load(file)
    unknown = set(data) - {"group", "functions", "elsewhere"}
    if unknown:
        raise ManifestError(f"{path.name}: unknown key {min(unknown)!r}")
    groups = list(_groups(path.name, data["group"]))
    named = _names_once(path.name, groups)
    for index, group in enumerate(groups):
        if group.kind == "dropped" and group.names and group.names[-1] == "encodings.*":
            rest = {n for n in _submodules(lib, "encodings") if n not in named}
            groups[index] = Group(
                group.title, group.reason, "dropped", (*group.names[:-1], *sorted(rest))
            )
            named |= rest
    kept = {n for g in groups if g.kind == "kept" for n in g.names}
    _check_release(path.name, lib, named, set(top_level), kept)
    functions = tuple(_functions(path.name, data.get("functions", {})))
    elsewhere = tuple(
        Elsewhere(tuple(entry["names"]), entry["reason"]) for entry in data.get("elsewhere", [])
    )
    return Manifest(tuple(groups), functions, elsewhere)


def source_of(lib: Path, name: str) -> tuple[Path, bool] | None:
    """Return the file of a Python module and whether it is a package; None if there is none."""
    name = {
        "_frozen_importlib": "importlib._bootstrap",
        "_frozen_importlib_external": "importlib._bootstrap_external",
    }.get(name, name)
    base = lib.joinpath(*name.split("."))
    if (base / "__init__.py").is_file():
        return base / "__init__.py", True
    file = base.with_name(base.name + ".py")
    return (file, False) if file.is_file() else None


def _groups(where: str, tables: list[dict[str, Any]]) -> Iterator[Group]:
    for table in tables:
        unknown = set(table) - _GROUP_KEYS
        if unknown:
            raise ManifestError(f"{where}: unknown key {min(unknown)!r} in a group")
        for kind in KINDS:
            names = tuple(table.get(kind, ()))
            if kind == "dropped" and table.get("dropped_encodings") == "rest":
                names = (*names, "encodings.*")
            if names:
                yield Group(table["title"], table["reason"], kind, names)


def _functions(where: str, tables: dict[str, dict[str, Any]]) -> Iterator[Functions]:
    for module, table in tables.items():
        unknown = set(table) - _FUNCTION_KEYS
        if unknown:
            raise ManifestError(f"{where}: unknown key {min(unknown)!r} in [functions.{module}]")
        keep = frozenset(table["keep"]) if "keep" in table else None
        drop, refuse = tuple(table.get("drop", ())), tuple(table.get("refuse", ()))
        yield Functions(module, table["reason"], keep, drop, refuse)


def _names_once(where: str, groups: list[Group]) -> set[str]:
    seen: set[str] = set()
    for group in groups:
        for name in group.names:
            if name in seen:
                raise ManifestError(f"{where}: {name} is listed twice")
            seen.add(name)
    return seen


def _submodules(lib: Path, package: str) -> Iterator[str]:
    folder = lib.joinpath(*package.split("."))
    for path in sorted(folder.iterdir()):
        if path.name in _SKIPPED_FOLDERS or path.name == "__init__.py":
            continue
        if path.suffix == ".py":
            yield f"{package}.{path.stem}"
        elif (path / "__init__.py").is_file():
            yield f"{package}.{path.name}"


def _check_release(
    where: str, lib: Path, named: set[str], expected: set[str], kept: set[str]
) -> None:
    """Every top-level module, and every submodule of a kept package, must be named."""
    for name in kept:
        found = source_of(lib, name)
        if found is None:
            raise ManifestError(f"{where}: {name} is kept, but the release has no such module")
        if found[1]:
            expected.update(_submodules(lib, name))
    missing = sorted(expected - named)
    if missing:
        raise ManifestError(
            f"{where}: the release has {', '.join(missing)}: list under kept or dropped"
        )

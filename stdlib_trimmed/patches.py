"""Changes to standard library sources, applied while freezing.

A change is data beside the freezer, ``overrides/NAME.patch.toml``::

    why = "one sentence"

    [[replace]]          # `old` becomes `new`; it must occur `count` times (1 if not given)
    old = '''...'''      # or a list, one text a release: the first that occurs counts
    new = '''...'''
    optional = true      # only if some release has no such text at all

    [[define]]           # a top-level function or class is replaced or removed
    name = "f"           # "Class.method" names a method; a list is as in `old`
    was = ["1a2b3c4d"]   # accepted fingerprints of the original's text
    new = '''...'''

    [[remove]]           # functions, classes and methods that a VM has no use for
    names = ["f", "Class.method"]

    [[borrow]]           # a copy of another module's function, added at the end
    module = "m"
    name = "f"

    [[append]]           # text added at the end of the module
    new = '''...'''

``overrides/NAME.py`` instead holds a whole module: one that the release does not have, or
one that a VM needs in an entirely different form. Nothing is applied loosely: text that is
not there, or a definition that reads differently from what the change was written for, is
a PatchError naming the file, so that another release fails when it is built, not when it
runs.
"""

from __future__ import annotations

import ast
import hashlib
import tomllib
from typing import TYPE_CHECKING, Any

import manifest as manifests

if TYPE_CHECKING:
    from pathlib import Path

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_KEYS = {"why", "replace", "define", "remove", "borrow", "append"}


class PatchError(Exception):
    """A change does not fit the release's source; the text names the file and the place."""


def override(folder: Path, name: str) -> Path | None:
    """Return the file that replaces module ``name`` as a whole, if there is one."""
    path = folder / f"{name}.py"
    return path if path.is_file() else None


def apply(folder: Path, name: str, source: str, lib: Path) -> str:
    """Return ``source`` of module ``name`` with its changes; unchanged if it has none.

    lib: the release's library, for what is borrowed from other modules.
    """
    path = folder / f"{name}.patch.toml"
    if not path.is_file():
        return source
    with path.open("rb") as file:
        changes = tomllib.load(file)
    unknown = set(changes) - _KEYS
    if unknown or "why" not in changes:
        raise PatchError(f"{path.name}: needs `why` and knows only {', '.join(sorted(_KEYS))}")
    for change in changes.get("define", []):
        source = _define(path.name, source, change)
    for change in changes.get("remove", []):
        for definition in change["names"]:
            start, end = span(path.name, source, definition)
            lines = source.splitlines(keepends=True)
            source = "".join([*lines[:start], *lines[end:]])
    for change in changes.get("replace", []):
        source = _replace(path.name, source, change)
    for change in changes.get("borrow", []):
        found = manifests.source_of(lib, change["module"])
        text = found[0].read_text() if found is not None else ""
        start, end = span(path.name, text, change["name"])
        source += "\n\n" + "".join(text.splitlines(keepends=True)[start:end])
    for change in changes.get("append", []):
        source = source.rstrip("\n") + "\n\n" + change["new"].lstrip("\n")
    return source


def defined(source: str, names: list[str]) -> str:
    """Return the first of ``names`` that ``source`` defines, or else the first."""
    body = {node.name for node in ast.parse(source).body if isinstance(node, _DEFINITIONS)}
    return next((name for name in names if name.partition(".")[0] in body), names[0])


def _list(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


def fingerprint(text: str) -> str:
    """Return eight hexadecimal digits that stand for a definition's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _replace(where: str, source: str, change: dict[str, Any]) -> str:
    olds, new, expected = _list(change["old"]), change["new"], change.get("count", 1)
    old = next((text for text in olds if text in source), olds[0])
    count = source.count(old)
    if count == 0 and change.get("optional", False):
        return source
    if count != expected:
        line = next((text for text in old.splitlines() if text.strip()), "")
        raise PatchError(f"{where}: {line.strip()!r} occurs {count} times, not {expected}")
    return source.replace(old, new)


def _define(where: str, source: str, change: dict[str, Any]) -> str:
    name = defined(source, _list(change["name"]))
    start, end = span(where, source, name)
    lines = source.splitlines(keepends=True)
    found = fingerprint("".join(lines[start:end]))
    if found not in change["was"]:
        raise PatchError(
            f"{where}: {name} reads differently in this release (fingerprint {found}, "
            f"known: {', '.join(change['was'])}); review the change and add it"
        )
    return "".join([*lines[:start], change["new"].lstrip("\n"), *lines[end:]])


def span(where: str, source: str, name: str) -> tuple[int, int]:
    """Return the first line and the line after the last of a definition with its decorators."""
    body: list[ast.stmt] = ast.parse(source).body
    node: ast.stmt | None = None
    for part in name.split("."):
        node = next(
            (item for item in body if isinstance(item, _DEFINITIONS) and item.name == part),
            None,
        )
        if node is None:
            raise PatchError(f"{where}: {name} is not defined in this release")
        body = node.body if isinstance(node, ast.ClassDef) else []
    assert isinstance(node, _DEFINITIONS)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    assert node.end_lineno is not None
    return first - 1, node.end_lineno

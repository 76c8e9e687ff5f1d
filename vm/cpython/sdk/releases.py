"""The pinned releases."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sdk.errors import SdkError

if TYPE_CHECKING:
    from pathlib import Path

FIELD_FORMS = {
    "version": r"3\.\d+\.\d+",
    "sha256": r"[0-9a-f]{64}",
    "url": r"https://\S+\.tar\.xz",
    "package": r"[a-z0-9][a-z0-9.+-]+",
    "suite": r"[a-z][a-z0-9-]*",
}


@dataclass(frozen=True)
class Release:
    """One release: where its tarball is found and what its bytes must be."""

    version: str
    sha256: str
    url: str
    package: str
    suite: str

    @property
    def file_name(self) -> str:
        """Name of the tarball, upstream and in the cache."""
        return f"Python-{self.version}.tar.xz"


def load_releases(path: Path) -> tuple[Release, ...]:
    """Read releases.toml, best release first; SdkError says what is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SdkError(f"{path}: cannot read the pinned releases: {error}") from error
    entries = document.get("release")
    if not isinstance(entries, list) or not entries:
        raise SdkError(f"{path}: no [[release]] is pinned; add at least one")
    releases = tuple(_release(entry, f"{path}: release {n}") for n, entry in enumerate(entries, 1))
    for name in ("version", "sha256"):
        values = [getattr(release, name) for release in releases]
        if len(set(values)) != len(values):
            raise SdkError(f"{path}: two releases have the same {name}; remove one")
    return releases


def _release(entry: object, where: str) -> Release:
    names = [field.name for field in fields(Release)]
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise SdkError(f"{where}: needs exactly the fields {', '.join(names)}")
    for name, form in FIELD_FORMS.items():
        value = entry[name]
        if not isinstance(value, str) or not re.fullmatch(form, value):
            raise SdkError(f"{where}: {name} = {value!r} does not have the form {form}")
    return Release(**entry)

"""``polyvm inspect FILE [--json]``."""

from __future__ import annotations

import json
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import bundle
from polyvm.host.admission import is_sealed
from polyvm.host.errors import BundleError, ExitCode, PolyvmError
from polyvm.host.sealing import format as formats
from polyvm.host.sealing import keyring
from polyvm.host.sealing.keyring import Keyring
from polyvm.host.sealing.opener import open_sealed
from polyvm.vm import info

if TYPE_CHECKING:
    import argparse

_UNPROVEN = "nothing above is proven: anybody can write it; `polyvm verify` proves it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="FILE", type=Path, help="sealed or plain bundle")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument("--keys", metavar="DIR", type=Path, help="the key folder")


def run(options: argparse.Namespace) -> ExitCode:
    """Print what can be read without any key."""
    path = options.file
    folder = options.keys or keyring.default_folder()
    sealed = is_sealed(path)
    facts = _sealed(path, folder) if sealed else _plain(path)
    if options.json:
        print(json.dumps(facts, indent=2))
        return ExitCode.OK
    width = max(map(len, facts))
    for name, value in facts.items():
        size = name.endswith("bytes") and isinstance(value, int)
        first, *more = [f"{value:,}"] if size else _text(value)
        print(f"{name.replace('_', ' '):{width}}  {first}")
        for line in more:
            print(f"{'':{width}}  {line}")
    if sealed:
        print(f"\n{_UNPROVEN}")
    return ExitCode.OK


def _sealed(path: Path, folder: Path) -> dict[str, Any]:
    with open_sealed(path) as sealed:
        header = sealed.header
        return {
            "kind": "sealed bundle",
            "proven": False,
            "format_version": formats.VERSION,
            "name": header.name,
            "version": header.version,
            "sequence": header.sequence,
            "publisher": header.publisher.hex(),
            "publisher_is": _standing(header.publisher, folder),
            "recipients": [key_id.hex() for key_id, _ in header.recipients],
            "created": _moment(header.created),
            "expires": None if header.expires is None else _moment(header.expires),
            "expired": header.expires is not None and header.expires <= time.time(),
            **_python(header.python),
            "isolation": header.isolation,
            "permissions": msgspec.to_builtins(header.permissions),
            "content_bytes": header.content,
            "file_bytes": sealed.size,
        }


def _plain(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise BundleError(f"{path}: a folder; inspect takes a bundle, as `polyvm pack` makes them")
    magic = _magic(path)
    contents = bundle.read(path, magic)
    manifest = contents.manifest
    return {
        "kind": "plain bundle",
        **msgspec.to_builtins(manifest),
        **_python(magic),
        "modules": {name: len(module.code) for name, module in sorted(contents.modules.items())},
        "assets": {name: len(data) for name, data in sorted(contents.assets.items())},
        "file_bytes": path.stat().st_size,
    }


def _magic(path: Path) -> bytes:
    """Return the magic of the first module, so that bundles for any Python can be inspected."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".pyc"))
            with archive.open(name) as file:
                return file.read(4)
    except (*bundle._BROKEN_ZIP, StopIteration):  # noqa: SLF001 - reading it all will say why
        return info().bytecode_magic


def _python(magic: bytes) -> dict[str, Any]:
    return {"bytecode_magic": magic.hex(), "fits_these_vms": magic == info().bytecode_magic}


def _standing(publisher: bytes, folder: Path) -> str | None:
    """What this host's key folder says of the publisher; None if there is no folder."""
    if not folder.is_dir():
        return None
    ring = Keyring(folder)
    if ring.is_revoked(publisher):
        return "revoked"
    try:
        ring.trusted(publisher)
    except PolyvmError:
        return "unknown"
    return "trusted"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _text(value: Any) -> list[str]:
    """Return the lines that show a value."""
    if isinstance(value, dict):
        return [f"{name}  {', '.join(_text(item))}" for name, item in value.items()] or ["-"]
    if isinstance(value, list | tuple):
        return [str(item) for item in value] or ["-"]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return ["-" if value in {None, ""} else str(value)]

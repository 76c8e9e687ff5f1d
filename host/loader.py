"""From a path that a user names to a bundle in memory, whatever form the task has there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host import bundle, packer
from polyvm.host.admission import is_sealed
from polyvm.host.errors import BundleError, WriteError

if TYPE_CHECKING:
    from polyvm.host.admission import Admission
    from polyvm.host.bundle import Bundle

PACKED = Path("build/bundles")  # where bundles of source folders land


def load(path: Path, admission: Admission, packed: Path = PACKED) -> Bundle:
    """Read a sealed or a plain bundle, a folder of .pyc files, or a source folder, packed first.

    The bundle of a source folder lands in the folder ``packed``; nothing of a sealed one lands
    anywhere. Raises PolyvmError.
    """
    if is_sealed(path):
        return admission.open(path)
    admission.refuse_plain(path)
    try:
        source = packer.is_source_folder(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not source:
        return _plain(path, admission)
    try:
        packed.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make folder {packed} for the bundle of {path}: {error.strerror}"
        ) from None
    made = _plain(packer.pack(path, packed), admission)
    return dataclasses.replace(made, source=path)


def _plain(path: Path, admission: Admission) -> Bundle:
    contents = bundle.read(path, admission.magic)
    admission.check_isolation(contents.manifest.isolation, path)
    return contents.bundle()

"""The source tree: unpacked and patched."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from typing import TYPE_CHECKING

from sdk.errors import SdkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sdk.progress import Progress

OLDEST = (3, 13)


def unpack(tarball: Path, folder: Path) -> Path:
    """Extract a source archive and return its one top folder; folder is emptied first."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    try:
        with tarfile.open(tarball) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # 3.11.0 to 3.11.3
                archive.extractall(folder)  # noqa: S202 - its hash is pinned or vouched for
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SdkError(f"{tarball} does not unpack: {error}; take another copy") from error
    tops = list(folder.iterdir())
    if len(tops) != 1 or not (tops[0] / "Include/patchlevel.h").is_file():
        raise SdkError(f"{tarball} is not a CPython source archive: it has no Include/patchlevel.h")
    return tops[0]


def release_of(source: Path) -> str:
    """Tell the release of a source tree, such as 3.13.15; SdkError if it is too old."""
    text = (source / "Include/patchlevel.h").read_text(encoding="utf-8")
    found = re.search(r'^#define PY_VERSION\s+"((\d+)\.(\d+)[^"]*)"', text, re.MULTILINE)
    if found is None:
        raise SdkError(f"{source}: Include/patchlevel.h names no PY_VERSION")
    if (int(found[2]), int(found[3])) < OLDEST:
        raise SdkError(f"CPython {found[1]} is too old: VMs need {OLDEST[0]}.{OLDEST[1]} or later")
    return found[1]


def apply_patches(source: Path, patches: Sequence[Path], progress: Progress) -> None:
    """Apply patches in order; SdkError names the one that does not fit."""
    # git would otherwise take a checkout around the cache for the patches' root, and then
    # skip, without a word, files outside it.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(source.parent), "LC_ALL": "C"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        env.pop(name, None)
    for patch in patches:
        try:
            progress.run(["git", "apply", "--whitespace=nowarn", str(patch)], cwd=source, env=env)
        except SdkError as error:
            raise SdkError(
                f"patch {patch.name} does not apply to CPython {release_of(source)}; use a pinned "
                f"release, or adapt the patch",
                error.log_tail,
            ) from error

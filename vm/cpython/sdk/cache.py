"""Where finished SDKs live, what names them, and who may build one.

A finished SDK appears in one atomic rename, so whoever sees its folder sees all of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sdk.errors import SdkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sdk.options import Options

# Raised when the scripts lay out or compile an SDK differently without any of the inputs
# below changing.
RECIPE = 2

ABANDONED_S = 3 * 24 * 3600.0

# An SDK that lacks one of these was damaged from outside and is rebuilt.
REQUIRED = ("sdk.json", "bin/python", "lib/libpython.a", "include/Python.h", "Lib/os.py")


def cache_root() -> Path:
    """Return the user's cache folder of this project; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "polyvm"


def compiler_version(compiler: str) -> str:
    """First line of `cc --version` and the machine it compiles for."""
    command = compiler.split()
    try:
        version, machine = (
            subprocess.run([*command, option], capture_output=True, text=True, check=True).stdout
            for option in ("--version", "-dumpmachine")
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SdkError(
            f"the C compiler `{compiler}` does not run ({error}); install one, such as Debian's "
            "build-essential, or name another in the environment variable CC"
        ) from error
    return f"{version.splitlines()[0]}, {machine.strip()}"


def sdk_key(
    source_sha256: str, options: Options, compiler: str, build_files: tuple[Path, ...]
) -> str:
    """16 hex digits that name an SDK by all that its bytes depend on.

    build_files are the patches, the module list and, for a trained build, the training
    program: their names and contents count, their folders do not.
    """
    digest = hashlib.sha256()
    facts = [RECIPE, source_sha256, options.variant, options.flavour, options.sanitize]
    facts += [*options.configure, *options.opt, *options.cflags, compiler]
    digest.update(json.dumps(facts).encode())
    for path in sorted(build_files, key=lambda path: path.name):
        content = path.read_bytes()
        digest.update(f"\n{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def finished_sdk(root: Path, key: str) -> Path | None:
    """Return the cached SDK of that key, or None if there is none or it is damaged."""
    path = root / f"sdk-{key}"
    if not all((path / name).is_file() for name in REQUIRED):
        return None
    try:
        document = json.loads((path / "sdk.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return path if isinstance(document, dict) and document.get("key") == key else None


def publish(root: Path, key: str, built: Path) -> Path:
    """Move a finished SDK to its place; the caller holds the lock of its key."""
    path = root / f"sdk-{key}"
    if path.exists():  # damaged, otherwise nothing would have been built
        shutil.rmtree(path)
    built.rename(path)
    return path


def remove_abandoned(root: Path, now: float) -> None:
    """Remove what builds have left that nobody has gone on with for days."""
    for work in root.glob("work-*"):
        if now - work.stat().st_mtime < ABANDONED_S:
            continue
        # A builder holds the lock of its key for as long as it works there.
        with (
            contextlib.suppress(BlockingIOError),
            (root / f"sdk-{work.name.removeprefix('work-')}.lock").open("w") as file,
        ):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(work)


@contextlib.contextmanager
def locked(root: Path, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `name`; on_wait is called once if another process holds it.

    The kernel releases it when its holder ends, however that happens.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""State that outlives the process: files replaced whole or not at all, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from polyvm.host.errors import StateFileError


def replace(path: Path, content: bytes) -> None:
    """Put new content in place of a state file's old, durably. Call it with the folder locked.

    Raises StateFileError; then the old content is still there.
    """
    rest = memoryview(content)
    part = path.with_suffix(".new")  # one name: no leftovers pile up
    try:
        try:
            # Not truncated while another name may lead to it: a link in its place is replaced.
            part.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(part, flags, 0o600), "wb", buffering=0) as file:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise StateFileError(
            f"{path}: cannot be written: {error.strerror or error}; the old state is kept"
        ) from None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes and threads from writing. A killed process gives the lock back.

    The folder is made if it is not there. Raises StateFileError.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(folder / "lock", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StateFileError(
            f"{folder}: cannot be used: {error.strerror or error}; name a folder that can "
            "be written, with --state"
        ) from None


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

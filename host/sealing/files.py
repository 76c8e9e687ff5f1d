"""Files of keys: read only from safe hands, made whole or not at all, never overwritten."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from pathlib import Path
from shlex import quote

from polyvm.host.durable import sync_folder
from polyvm.host.errors import KeyFileError, WriteError

MAX_BYTES = 16 * 1024

_NOT_OURS = "belongs to user {}, but must belong to the user who runs polyvm, or to root"


def read(path: Path, *, private: bool) -> bytearray:
    """Read a small file, for the caller to wipe; raises KeyFileError.

    Private files must be closed to everybody but their owner, others to writing only.
    """
    try:
        # Not to wait for the writer of a FIFO.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise KeyFileError(f"{path}: not a regular file; name the key file itself")
            _check(path, facts, private=private)
            if facts.st_size > MAX_BYTES:
                raise KeyFileError(f"{path}: larger than {MAX_BYTES} bytes; no key file is")
            # Exactly as large: to resize it would leave a copy behind.
            content = bytearray(facts.st_size)
            if os.readv(descriptor, [content]) != facts.st_size:
                raise KeyFileError(f"{path}: changed while it was read; try again")
            return content
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror or error}") from None


def listed(folder: Path) -> list[Path]:
    """Return what is in the folder, if it exists, oldest first.

    Raises KeyFileError where others could put files into it.
    """
    try:
        facts = folder.stat()
        if not stat.S_ISDIR(facts.st_mode):
            raise KeyFileError(f"{folder}: not a folder; name a folder of keys")
        _check(folder, facts, private=False)
        paths = [(path.stat().st_mtime_ns, path.name) for path in folder.iterdir()]
    except FileNotFoundError as error:
        if error.filename == str(folder):
            return []
        raise KeyFileError(f"{error.filename}: leads nowhere; delete it") from None
    except OSError as error:
        raise KeyFileError(f"{folder}: cannot be read: {error.strerror or error}") from None
    return [folder / name for _, name in sorted(paths)]


def _check(path: Path, facts: os.stat_result, *, private: bool) -> None:
    if facts.st_uid not in {0, os.geteuid()}:
        raise KeyFileError(f"{path}: {_NOT_OURS.format(facts.st_uid)}; change its owner")
    if private and facts.st_mode & 0o077:
        raise KeyFileError(
            f"{path}: open to others than its owner; run `chmod 600 {quote(str(path))}`"
        )
    if facts.st_mode & 0o022:
        raise KeyFileError(
            f"{path}: others than its owner can write; run `chmod go-w {quote(str(path))}`"
        )


def make_folder(folder: Path) -> None:
    """Make a folder that is closed to others, unless it is there. Raises WriteError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make {folder}: {error.strerror or error}") from None
    listed(folder)


def create(path: Path, content: bytes | bytearray, *, private: bool, after: int = 0) -> bool:
    """Write a new file, durably; False if there is one of that name, which stays as it is.

    Its time of modification, by which keys are told older from newer, is the present, or one
    nanosecond past ``after`` where the clock is behind. Raises WriteError.
    """
    part: str | None = None
    try:
        # Mode 0600 from the first byte on.
        descriptor, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            if not private:
                os.fchmod(descriptor, 0o644)
            moment = max(time.time_ns(), after + 1)
            os.utime(descriptor, ns=(moment, moment))
            os.fsync(descriptor)
        # Unlike a rename, a link replaces nothing.
        os.link(part, path)
        sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                Path(part).unlink()
    return True

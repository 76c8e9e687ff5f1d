"""State that outlives the process: files replaced whole or not at all, one writer at a time.

What cannot be read is an error, never a new beginning.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from polyvm.host.errors import StateFileError

_T = TypeVar("_T", bound=msgspec.Struct)


class _Version(msgspec.Struct):
    format: int


_VERSION = msgspec.json.Decoder(_Version)


class StateFile(Generic[_T]):
    """A JSON file of one kind of state, which has a field ``format``.

    kind: its struct; other fields than its own are refused. new: makes the state of a file that is
    not there. sound: raises ValueError for a state that contradicts itself. unreadable, damaged:
    what a file means to the user that cannot be read, or is not as it was written; the ends of
    sentences.
    """

    def __init__(
        self,
        path: Path,
        kind: type[_T],
        *,
        format: int,  # noqa: A002 - as the field is called
        max_bytes: int,
        new: Callable[[], _T],
        sound: Callable[[_T], None] | None = None,
        unreadable: str,
        damaged: str,
    ) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._format = format
        self._max_bytes = max_bytes
        self._new = new
        self._sound = sound
        self._unreadable = unreadable
        self._damaged = damaged

    def read(self) -> _T:
        """Return the state. Raises StateFileError."""
        try:
            with self._path.open("rb") as file:
                content = file.read(self._max_bytes + 1)
        except FileNotFoundError:
            return self._new()
        except OSError as error:
            raise StateFileError(
                f"{self._path}: cannot be read: {error.strerror or error}; {self._unreadable}"
            ) from None
        try:
            return self._decode(content)
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise StateFileError(
                f"{self._path}: not the state as polyvm writes it ({error}); restore it from a "
                f"copy, or {self._damaged}"
            ) from None

    def write(self, state: _T) -> None:
        """Replace the state durably, as `replace` does. Call it with the folder locked."""
        content = msgspec.json.format(msgspec.json.encode(state), indent=1)
        replace(self._path, content + b"\n")

    def _decode(self, content: bytes) -> _T:
        if len(content) > self._max_bytes:
            raise ValueError(f"larger than {self._max_bytes} bytes")
        version = _VERSION.decode(content).format
        if version != self._format:
            raise ValueError(f"format {version}, but this polyvm reads {self._format}")
        state = self._decoder.decode(content)
        if self._sound is not None:
            self._sound(state)
        return state


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

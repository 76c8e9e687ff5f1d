"""What a host that died left behind: which invocations to run again, and which task is to blame.

vm/src/journal.h has the format. A host writes one journal in its life, named after its epoch; the
next one reads it before it makes its own. An invocation that was accepted and whose result was
not handed out is run again, under its old id: at least once, in the end, however often hosts die.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import re
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.errors import StateFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
_MAGIC = b"PVMJRNL\0"
_ORDER = 0x01020304
_LIVE = 0x4556494C4D565076
_NONE = 2**32 - 1
_PAGE = 4096
_FIXED = struct.Struct("=8sIIQQQIIIII")  # the header, without its checksum
_CHANGING = struct.Struct("=I4xQ")
_THREAD = struct.Struct("=IIQQQIIq16x160s160s")
_BLOCK = struct.Struct("=QII")
_FIELDS = struct.Struct("=QQQQQIII4xQ")
_DOING = (None, "load", "call", "unload")
_NAME = re.compile(r"journal-(\d{6,18})")
_REPORT = re.compile(r"crash-(\d{6,18})\.txt")
_KEPT_REPORTS = 20


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An accepted invocation whose result nobody has seen."""

    id: int
    task: str
    payload: bytes
    tag: int
    attempt: int  # the one that was begun or waited for: 1 at first
    ids: int  # how many it had, from `id` on: more than 1 if it started a chain
    crashed: int  # bit i: its invocation id + i took an earlier process down
    accepted_ns: int  # since the epoch, as all times here
    deadline_ns: int | None
    trigger: int = 0  # of one that an earlier one of its chain stands for: that one's id


@dataclass(frozen=True, slots=True)
class Activity:
    """What a thread was doing when its process ended."""

    thread: int
    worker: int
    task: str
    version: str
    doing: str  # "load", "call" or "unload"
    invocation: int | None
    started_ns: int
    signal: int | None  # the one that it crashed by
    address: int


@dataclass(frozen=True, slots=True)
class Life:
    """What one process wrote into its journal."""

    path: Path
    epoch: int
    pid: int
    orderly: bool  # it ended its work; what is unfinished was given up on purpose
    position: int  # how much of its input was accepted
    unfinished: tuple[Unfinished, ...]
    damaged: int  # records that are not as they were written, and are left out
    threads: tuple[Activity, ...]

    @property
    def culprits(self) -> tuple[Activity, ...]:
        """Return what crashed. Empty when the process was killed, or the host itself crashed."""
        return tuple(activity for activity in self.threads if activity.signal is not None)


def read(path: Path) -> Life:
    """Read the journal of a process that has ended.

    Raises StateFileError for one that is in use, damaged, or of another version. A file whose
    making was not completed is the journal of a life without work.
    """
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateFileError(
                    f"{path}: a running host writes this journal; stop that host first"
                ) from None
            if not any(file.read(len(_MAGIC))):
                return Life(path, 0, 0, True, 0, (), 0, ())
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(path, data).life()
    except OSError as error:
        raise StateFileError(f"{path}: the journal cannot be read: {error.strerror}") from None


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        if len(data) < _PAGE or data[: len(_MAGIC)] != _MAGIC:
            raise self._error("is no journal of polyvm; name another folder, or delete it")
        magic, version, order, size, epoch, _, pid, threads, thread_size, block_size, blocks = (
            _FIXED.unpack_from(data)
        )
        if order != _ORDER:
            raise self._error("was written on a machine with another byte order")
        if version != VERSION:
            raise self._error(
                f"is a journal of version {version}, and this host reads version {VERSION}; start "
                "the host that wrote it to finish its work, or delete it"
            )
        (checksum,) = struct.unpack_from("=I", data, _FIXED.size)
        if zlib.crc32(data[: _FIXED.size]) != checksum:
            raise self._error("has a damaged header; delete it, what it held is lost")
        self._first_block = _PAGE + threads * thread_size
        if size != len(data) or self._first_block + blocks * block_size > size:
            raise self._error(
                f"has {len(data)} bytes and was made with {size}; delete it, what it held is lost"
            )
        del magic
        self._epoch, self._pid, self._threads, self._blocks = epoch, pid, threads, blocks
        self._thread_size, self._block_size = thread_size, block_size

    def _error(self, text: str) -> StateFileError:
        return StateFileError(f"{self._path}: {text}")

    def life(self) -> Life:
        closed, position = _CHANGING.unpack_from(self._data, _FIXED.size + 4)
        found = [self._record(head) for head in self._heads()]
        whole = [record for record in found if record is not None]
        return Life(
            path=self._path,
            epoch=self._epoch,
            pid=self._pid,
            orderly=closed == 1,
            position=position,
            unfinished=tuple(sorted(whole, key=lambda record: (record.accepted_ns, record.id))),
            damaged=len(found) - len(whole),
            threads=tuple(self._activities()),
        )

    def _heads(self) -> list[int]:
        end = self._first_block + self._blocks * self._block_size
        with memoryview(self._data)[self._first_block : end] as blocks, blocks.cast("Q") as words:
            states = words[:: self._block_size // 8].tolist()
        return [block for block, state in enumerate(states) if state == _LIVE]

    def _chain(self, block: int, size: int) -> bytes | None:
        """The data of `size` bytes that begins in this block; None if it does not go as far."""
        parts = []
        while size > 0:
            if block >= self._blocks:
                return None
            at = self._first_block + block * self._block_size
            _, block, _ = _BLOCK.unpack_from(self._data, at)
            count = min(size, self._block_size - _BLOCK.size)
            parts.append(self._data[at + _BLOCK.size : at + _BLOCK.size + count])
            size -= count
        return b"".join(parts) if block == _NONE else None

    def _record(self, head: int) -> Unfinished | None:
        at = self._first_block + head * self._block_size
        _, _, checksum = _BLOCK.unpack_from(self._data, at)
        fields = _FIELDS.unpack_from(self._data, at + _BLOCK.size)
        number, tag, accepted, deadline, size, attempt, ids, name_size, crashed = fields
        payload_at = _FIELDS.size + _filled(name_size)
        whole = payload_at + _filled(size)
        if whole > self._blocks * self._block_size:
            return None
        data = self._chain(head, whole)
        if data is None or zlib.crc32(data) != checksum:
            return None
        return Unfinished(
            id=number,
            task=data[_FIELDS.size : _FIELDS.size + name_size].decode(errors="replace"),
            payload=data[payload_at : payload_at + size],
            tag=tag,
            attempt=attempt,
            ids=ids,
            crashed=crashed,
            accepted_ns=accepted,
            deadline_ns=deadline or None,
        )

    def _activities(self) -> Iterator[Activity]:
        for index in range(self._threads):
            entry = _THREAD.unpack_from(self._data, _PAGE + index * self._thread_size)
            thread, doing, number, started, address, signal, worker, _, name, version = entry
            if thread == 0 or not 0 < doing < len(_DOING):
                continue
            yield Activity(
                thread=thread,
                worker=worker,
                task=_text(name),
                version=_text(version),
                doing=str(_DOING[doing]),
                invocation=number or None,
                started_ns=started,
                signal=signal or None,
                address=address,
            )


def _filled(size: int) -> int:
    return (size + 15) & ~15


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")


class Journals:
    """The journals in one folder, which one host at a time may have.

    A tmpfs keeps them from ever waiting for a disk, and they are for the death of a process, not
    of the machine. They hold payloads as they are: the folder is for its owner's eyes only.
    All methods raise StateFileError if the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = _lock(folder)
        try:
            found = self._numbered(_NAME)
            self.epoch = max(found, default=0) + 1
            self.lives = [read(path) for _, path in sorted(found.items())]
        except BaseException:
            self.release()
            raise
        self.path = folder / f"journal-{self.epoch:06}"
        self.report = folder / f"crash-{self.epoch:06}.txt"

    def _numbered(self, name: re.Pattern[str]) -> dict[int, Path]:
        with _reported(self.folder):
            matches = {path: name.fullmatch(path.name) for path in self.folder.iterdir()}
        return {int(match[1]): path for path, match in matches.items() if match}

    @property
    def last(self) -> Life | None:
        """The life before this one; those before it were its to judge. None for the first."""
        return self.lives[-1] if self.lives else None

    def unfinished(self) -> list[Unfinished]:
        """Return what to run again, in the order of acceptance, as the attempt that comes now.

        A host that died before it had taken everything over has left some of it in two journals.
        """
        latest: dict[int, Unfinished] = {}
        for life in self.lives:
            for record in () if life.orderly else life.unfinished:
                latest[record.id] = record  # lives come in their order: the last attempt wins
        again = sorted(latest.values(), key=lambda record: (record.accepted_ns, record.id))
        return [replace(record, attempt=record.attempt + 1) for record in again]

    def guilty(self) -> set[int]:
        """Return the ids of the invocations that took a host down, in whichever life."""
        return {
            culprit.invocation
            for life in self.lives
            for culprit in life.culprits
            if culprit.invocation is not None
        }

    def crash_report(self) -> Path | None:
        """Return the report of the last life's crash, if it wrote one."""
        last = self.last
        if last is None:
            return None
        path = last.path.with_name(last.path.name.replace("journal-", "crash-") + ".txt")
        return path if path.exists() and path.stat().st_size > 0 else None

    def settle(self) -> None:
        """Forget the former lives: all that was unfinished is accepted again."""
        with _reported(self.folder):
            for life in self.lives:
                life.path.unlink(missing_ok=True)
            reports = sorted(self._numbered(_REPORT).items(), reverse=True)
            old = [path for epoch, path in reports if epoch != self.epoch]
            empty = [path for path in old if path.stat().st_size == 0]
            full = [path for path in old if path not in empty]
            for path in [*empty, *full[_KEPT_REPORTS:]]:
                path.unlink()
        self.lives = []

    def end(self, *, mapped: bool = False) -> None:
        """After the own journal's orderly close: keep nothing of it but its number.

        ``mapped``: threads that were given up may still write to it; then the next host does it.
        """
        if not mapped:
            with _reported(self.folder), contextlib.suppress(FileNotFoundError):
                os.truncate(self.path, 0)
        self.release()

    def release(self) -> None:
        """Let go of the folder, which stays as it is."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _lock(folder: Path) -> int:
    with _reported(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StateFileError(
                f"{folder}: another host keeps its journal here; stop it, or name another folder"
            ) from None
    return descriptor


@contextlib.contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateFileError(
            f"{error.filename or folder}: journals cannot be kept here: {error.strerror}"
        ) from None

"""What a sealed bundle encrypts: a table of contents, then the members back to back.

Writing streams large assets from their files. Reading takes decrypted chunks as they come, puts
large assets straight into memory that VMs use, and wipes everything else that it used up.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from polyvm.host import manifest as manifests
from polyvm.host.bundle import MAX_FILE_BYTES, MAX_FILES, check_path
from polyvm.host.errors import PackError, SealedFormatError
from polyvm.host.sealing.format import CHUNK_BYTES, printable
from polyvm.vm import Memory, wipe

MAX_TABLE_BYTES = 2**20
MAX_ASSET_BYTES = 16 * 2**30
MAX_UNPACKED_BYTES = 256 * 2**20  # of all compressed members together
COMPRESS_BYTES = 2**20  # larger assets are stored as they are, so that they can be streamed
MEMORY_BYTES = 64 * 2**10  # assets from here on go into memory that VMs use without a copy

_STEP_BYTES = 2**20  # unpacked at once
_DEFLATE_RATIO = 1032  # deflate spends at least two bits on at most 258 bytes
_LENGTH = struct.Struct("<I")


class Codec(enum.IntEnum):
    """How a member is stored."""

    AS_IS = 0
    ZLIB = 1


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One member in the table of contents."""

    name: str
    size: int
    stored: int
    codec: Codec

    @property
    def is_bytecode(self) -> bool:
        """Whether it is a module."""
        return PurePosixPath(self.name).suffix == ".pyc"

    @property
    def is_asset(self) -> bool:
        """Whether it is neither a module nor the manifest."""
        return not self.is_bytecode and self.name != manifests.FILE_NAME


_Table = list[Entry]
_decoder = msgspec.msgpack.Decoder(_Table)
_encoder = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Plan:
    """Content that is about to be sealed: its length is settled, its assets are still in files."""

    entries: list[Entry]
    members: Mapping[str, bytes | Path]
    source: Path

    @property
    def table(self) -> bytes:
        """The table of contents, with its length before it."""
        table = _encoder.encode(self.entries)
        return _LENGTH.pack(len(table)) + table

    @property
    def size(self) -> int:
        """The length of the plaintext."""
        return len(self.table) + sum(entry.stored for entry in self.entries)

    def pieces(self) -> Iterator[bytes]:
        """Yield the plaintext. Raises PackError if a file is not any more what it was."""
        yield self.table
        for entry in self.entries:
            count = 0
            for piece in _stored(self.members[entry.name], entry.codec):
                count += len(piece)
                yield piece
            if count != entry.stored:
                raise PackError(
                    f"{self.source}: {entry.name!r} changed while it was sealed; seal it again"
                )


def plan(members: Mapping[str, bytes | Path], source: Path) -> Plan:
    """Settle how each member is stored; members that are paths are assets in files.

    Raises PackError for what the format does not hold; ``source`` names the task in it.
    """
    if len(members) > MAX_FILES:
        raise PackError(f"{source}: {len(members)} files; at most {MAX_FILES} can be sealed")
    names = sorted(members, key=lambda name: (name != manifests.FILE_NAME, name))
    room = MAX_UNPACKED_BYTES
    entries = []
    for name in names:
        data = members[name]
        size = _file_size(data) if isinstance(data, Path) else len(data)
        entry = Entry(name, size, size, Codec.AS_IS)
        limit = MAX_FILE_BYTES if entry.is_bytecode else MAX_ASSET_BYTES
        if size > limit:
            raise PackError(f"{source}: {name!r} is larger than {limit} bytes; ship less data")
        if size <= room and (size <= COMPRESS_BYTES or entry.is_bytecode):
            packed = sum(map(len, _stored(data, Codec.ZLIB)))
            if packed <= size - size // 8 and packed < size:
                entry = Entry(name, size, packed, Codec.ZLIB)
                room -= size
        entries.append(entry)
    made = Plan(entries, members, source)
    if len(made.table) > MAX_TABLE_BYTES:
        raise PackError(f"{source}: the files' names are too long in all; shorten their paths")
    return made


def _stored(data: bytes | Path, codec: Codec) -> Iterator[bytes]:
    pieces = _file_pieces(data) if isinstance(data, Path) else iter((data,))
    if codec is Codec.AS_IS:
        return pieces
    return _deflate(pieces)


def _deflate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    deflater = zlib.compressobj(9)
    for piece in pieces:
        yield deflater.compress(piece)
    yield deflater.flush()


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None


def _file_pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> PackError:
    return PackError(f"{path}: cannot be read: {error.strerror or error}")


def read(chunks: Iterator[bytes], size: int, source: Path) -> dict[str, bytes | Memory]:
    """Read the members from ``size`` bytes of plaintext, which come in chunks.

    Chunks are wiped when used up, and what was read is if the rest is not sound. The caller holds
    the only references to the members. Raises SealedFormatError or BundleError.
    """
    files: dict[str, bytes | Memory] = {}
    plaintext = _Plaintext(chunks)
    try:
        for entry in _read_table(plaintext, size, source):
            files[entry.name] = _read_member(plaintext, entry, source)
    except BaseException:
        for data in files.values():
            if isinstance(data, bytes):
                forget(data)
        raise
    finally:
        plaintext.close()
    return files


def forget(data: bytes) -> None:
    """Wipe bytes that nobody else holds; empty and single ones are CPython's own, and shared."""
    if len(data) > 1:
        wipe(data)


class _Plaintext:
    """Chunks of plaintext as one stream, each wiped when it is used up."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Yield the next ``count`` bytes; a piece is gone when the next is asked for."""
        while count > 0:
            if self._at == len(self._chunk):
                self.close()
                self._chunk = next(self._chunks)  # as many as the lengths in the header say
            piece = memoryview(self._chunk)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def fill(self, target: memoryview) -> None:
        """Put the next bytes into ``target``."""
        at = 0
        for piece in self.pieces(len(target)):
            target[at : at + len(piece)] = piece
            at += len(piece)

    def close(self) -> None:
        """Wipe what is there."""
        forget(self._chunk)
        self._chunk = b""
        self._at = 0


def _read_table(plaintext: _Plaintext, size: int, source: Path) -> _Table:
    prefix = bytearray(_LENGTH.size)
    plaintext.fill(memoryview(prefix))
    (length,) = _LENGTH.unpack(prefix)
    if length > min(MAX_TABLE_BYTES, size - _LENGTH.size):
        raise SealedFormatError(_table_error(source, f"its length is given as {length} bytes"))
    raw = bytearray(length)
    plaintext.fill(memoryview(raw))
    try:
        table = _decoder.decode(raw)
        canonical = _encoder.encode(table) == raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SealedFormatError(_table_error(source, printable(error))) from None
    finally:
        wipe(raw)
    if not canonical:
        raise SealedFormatError(_table_error(source, "it is not in the one form it may have"))
    _check_table(table, size - _LENGTH.size - length, source)
    return table


def _check_table(table: _Table, size: int, source: Path) -> None:
    if len(table) > MAX_FILES:
        raise SealedFormatError(
            _table_error(source, f"it lists {len(table)} files, and at most {MAX_FILES} may be")
        )
    if not table or table[0].name != manifests.FILE_NAME:
        raise SealedFormatError(_table_error(source, f"{manifests.FILE_NAME} does not come first"))
    names: set[str] = set()
    unpacked = 0
    for entry in table:
        check_path(entry.name, source)
        if entry.name in names:
            raise SealedFormatError(_table_error(source, f"it lists {entry.name!r} twice"))
        names.add(entry.name)
        _check_entry(entry, source)
        if entry.codec is Codec.ZLIB:
            unpacked += entry.size
    if unpacked > MAX_UNPACKED_BYTES:
        raise SealedFormatError(
            f"{source}: larger than {MAX_UNPACKED_BYTES} bytes unpacked; ship less data"
        )
    stored = sum(entry.stored for entry in table)
    if stored != size:
        raise SealedFormatError(
            _table_error(source, f"it lists {stored} bytes of members, and {size} are there")
        )


def _check_entry(entry: Entry, source: Path) -> None:
    if entry.name == manifests.FILE_NAME:
        limit = manifests.MAX_BYTES
    else:
        limit = MAX_FILE_BYTES if entry.is_bytecode else MAX_ASSET_BYTES
    if entry.size > limit:
        raise SealedFormatError(f"{source}: {entry.name!r} is larger than {limit} bytes unpacked")
    if entry.codec is Codec.AS_IS:
        sound = 0 <= entry.stored == entry.size
    else:
        sound = 0 < entry.stored < entry.size <= entry.stored * _DEFLATE_RATIO
    if not sound:
        raise SealedFormatError(
            _table_error(
                source,
                f"{entry.name!r} is said to have {entry.size} bytes, stored as {entry.stored}",
            )
        )


def _table_error(source: Path, what: str) -> str:
    return f"{source}: table of contents: {what}; seal the task anew"


def _read_member(plaintext: _Plaintext, entry: Entry, source: Path) -> bytes | Memory:
    memory = None
    try:
        if entry.size >= MEMORY_BYTES and entry.is_asset:
            memory = Memory(entry.size)
            target = memory.buffer
        else:
            target = memoryview(bytearray(entry.size))
    except MemoryError:
        raise SealedFormatError(
            f"{source}: {entry.name!r} needs {entry.size} bytes of memory, which are not to be "
            "had; ship less data, or run it on a larger host"
        ) from None
    try:
        if entry.codec is Codec.AS_IS:
            plaintext.fill(target)
        else:
            _unpack(plaintext, entry, target, source)
        return bytes(target) if memory is None else memory
    finally:
        if memory is None:
            wipe(target)


def _unpack(plaintext: _Plaintext, entry: Entry, target: memoryview, source: Path) -> None:
    """Decompress exactly ``entry.size`` bytes, and stop at the first that is too many."""
    inflater = zlib.decompressobj()
    at = 0
    for piece in plaintext.pieces(entry.stored):
        rest: memoryview | bytes = piece
        while True:
            limit = min(_STEP_BYTES, entry.size - at + 1)
            try:
                data = inflater.decompress(rest, limit)
            except zlib.error as error:
                raise SealedFormatError(_member_error(source, entry, str(error))) from None
            finally:
                if isinstance(rest, bytes):
                    forget(rest)
            if inflater.unused_data or len(data) > entry.size - at:
                forget(data)
                raise SealedFormatError(_member_error(source, entry, "more is there"))
            target[at : at + len(data)] = data
            at += len(data)
            forget(data)
            rest = inflater.unconsumed_tail
            if not rest and len(data) < limit:
                break
    if not inflater.eof or at != entry.size:
        raise SealedFormatError(_member_error(source, entry, "less is there"))


def _member_error(source: Path, entry: Entry, what: str) -> str:
    return (
        f"{source}: {entry.name!r} does not unpack to {entry.size} bytes ({what}); seal the task "
        "anew"
    )

"""What the host and a task's process say to each other: MessagePack, each message after its length.

Imported on both sides, so nothing here may import the VMs' library.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

# Comes first, with descriptors: of the memory that holds the task's files, of the socket on which
# it asks for tables and events, if there are any, and of a Landlock ruleset, if there is one.
HANDOVER = b"\0"
MAX_BYTES = 2**30  # of one message

_LENGTH = struct.Struct("<I")


class Member(msgspec.Struct, frozen=True, array_like=True):
    """Where a module or an asset lies in the memory that comes with the process."""

    name: str
    offset: int
    size: int


class SourceFile(Member, frozen=True, array_like=True):
    """A module, by its dotted name; ``path`` is what tracebacks call it."""

    path: str
    package: bool


class Load(msgspec.Struct, frozen=True, array_like=True, tag="load"):
    """The first message to a process: become this task."""

    name: str
    version: str
    entry: str
    modules: tuple[SourceFile, ...]
    assets: tuple[Member, ...]
    image_bytes: int
    secret: bool  # came sealed: keep it from other processes
    filter: bytes  # of system calls, an array of struct sock_filter; empty: none
    asks: bool  # there is a socket to ask on
    nice: int
    memory_bytes: int  # 0: no limit, as for the next
    cpu_ns: int


class Run(msgspec.Struct, frozen=True, array_like=True, tag="run"):
    """Call the entry. One at a time: the next follows its answer."""

    number: int
    payload: bytes


class Loaded(msgspec.Struct, frozen=True, array_like=True, tag="loaded"):
    """The task is imported."""


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    """The answer to a `Run`, also if it could not be loaded; ``outcome`` in the usual words."""

    number: int
    outcome: str
    data: bytes
    last: bool = False  # the process is good for no other one


class Logged(msgspec.Struct, frozen=True, array_like=True, tag="logged"):
    """A record of the standard library's logging that no handler of the task took."""

    level: int
    logger: str
    text: str


Order: TypeAlias = Load | Run
Report: TypeAlias = Loaded | Ended | Logged

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Order | Report] = msgspec.msgpack.Decoder(Order | Report)


def pack(message: Order | Report) -> bytes:
    """Return the message as it is sent. Raises ValueError for one that is too long."""
    body = _encoder.encode(message)
    if len(body) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Cuts what comes in into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, data: bytes) -> Iterator[Order | Report]:
        """Add what has come, and yield the messages that are whole.

        Raises msgspec.DecodeError or ValueError for what is no message; nothing can follow it.
        """
        self._bytes += data
        while len(self._bytes) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes)
            if length > MAX_BYTES:
                raise ValueError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._bytes) < end:
                return
            message = _decoder.decode(memoryview(self._bytes)[_LENGTH.size : end])
            del self._bytes[:end]
            yield message

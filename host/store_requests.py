"""What a task outside of VMs asks of its host's store, and what it is told: tables, events, series.

`store_client` asks, `store_server` answers: in one process under `polyvm dev`, over a socket where
the task has a process. Imported on both sides, so nothing here may import the VMs' library. Keys
are bytes, times nanoseconds since the epoch, values and events MessagePack.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 2**26  # of a request or an answer

LENGTH = struct.Struct("<I")  # of one that crosses a socket, before it


class FindTable(msgspec.Struct, frozen=True, array_like=True, tag="table"):
    """Is there a table of this name? Answered with nil."""

    name: str


class GetRows(msgspec.Struct, frozen=True, array_like=True, tag="get"):
    """The rows of keys at a time: an array of nil or [time, version, values]."""

    table: str
    keys: tuple[bytes, ...]
    at_ns: int


class GetHistory(msgspec.Struct, frozen=True, array_like=True, tag="history"):
    """All rows of a key: an array of [key, time, version, values], the oldest first."""

    table: str
    key: bytes


class PutRow(msgspec.Struct, frozen=True, array_like=True, tag="put"):
    """Let a key have values, or with None nothing, from a time on. Answered with nil."""

    table: str
    key: bytes
    time_ns: int
    values: bytes | None
    merge: bool


class Append(msgspec.Struct, frozen=True, array_like=True, tag="append"):
    """Take these events, one behind the other: how many were, but for duplicates and dead ones."""

    events: bytes
    count: int


class ReadEvents(msgspec.Struct, frozen=True, array_like=True, tag="events"):
    """Kept events: an array of [sequence, time, arrival, key, event].

    Of a key, the latest first, in a span of time if until_ns is not 0; else of a span, else from a
    sequence number on.
    """

    stream: str
    key: bytes | None
    from_ns: int
    until_ns: int
    sequence: int
    most: int


class ReadSeries(msgspec.Struct, frozen=True, array_like=True, tag="series"):
    """A time series: an array of [time, value, ...]."""

    stream: str
    field: str
    key: bytes | None
    from_ns: int
    until_ns: int
    step_ns: int
    functions: str
    fill: str
    value: float


Request: TypeAlias = FindTable | GetRows | GetHistory | PutRow | Append | ReadEvents | ReadSeries


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """The answer, as MessagePack."""

    data: bytes


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """Why there is none: the exception that the task gets."""

    kind: Literal["LookupError", "MemoryError", "OSError", "RuntimeError", "ValueError"]
    text: str


Answer: TypeAlias = Done | Refused

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def pack(message: Request | Answer) -> bytes:
    """Return the message as it crosses a socket. Raises ValueError for one that is too long."""
    body = _encoder.encode(message)
    if len(body) > MAX_BYTES:
        raise ValueError(f"it takes more than {MAX_BYTES} bytes")
    return LENGTH.pack(len(body)) + body


def read_request(receive: Callable[[int], bytes]) -> Request | None:
    """Receive the next one; None at the end. Raises ValueError for what is none."""
    body = _read(receive)
    return _requests.decode(body) if body is not None else None


def read_answer(receive: Callable[[int], bytes]) -> Answer | None:
    """Receive the answer; None: there is nobody any more."""
    body = _read(receive)
    return _answers.decode(body) if body is not None else None


def _read(receive: Callable[[int], bytes]) -> bytes | None:
    head = _exactly(receive, LENGTH.size)
    if head is None:
        return None
    (length,) = LENGTH.unpack(head)
    if length > MAX_BYTES:
        raise ValueError(f"a message of {length} bytes")
    return _exactly(receive, length)


def _exactly(receive: Callable[[int], bytes], count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        more = receive(min(count - len(data), 1 << 20))
        if not more:
            return None
        data += more
    return bytes(data)

"""The folder in which a host keeps events, and what is read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from polyvm.host import codec, retention, stream_versions, streams
from polyvm.host.errors import KeyFileError, MissingError, PolyvmError, WriteError
from polyvm.host.sealing import events_key
from polyvm.vm import EventStore, Level, UnknownTask, VmError, rekey, seal_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from polyvm.vm import EventColumn, StreamStats


Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # since the epoch


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """Where events are kept, and for how long. 0: no limit."""

    folder: Path
    bytes: int = 0  # of each stream
    events: int = 0
    ns: int = 0  # since they came
    synced: bool = False  # what is accepted outlives the machine too
    streams: dict[str, streams.Declared] = {}  # by name
    key: str | None = None  # of sealed streams: PATH, env:NAME or cmd:COMMAND


def keeping(
    folder: Path,
    limits: Iterable[str],
    *,
    synced: bool,
    declared: Path | None = None,
    key: str | None = None,
) -> Keeping:
    """Read limits such as "7d", and a file of declared streams. Raises PolyvmError."""
    return Keeping(
        folder=folder,
        synced=synced,
        streams=streams.read(declared) if declared is not None else {},
        key=key,
        **retention.parse(limits),
    )


def open_store(keeping: Keeping) -> EventStore:
    """Open it, or make it, with its streams as they are declared.

    Raises WriteError with the reason; StreamsFileError where kept events need not fit;
    KeyFileError.
    """
    for name, declared in keeping.streams.items():
        streams.check(name, declared, f"stream {name[:80]!r}")
    key = events_key.load(keeping.key) if keeping.key is not None else None
    sensitive = [name for name, declared in keeping.streams.items() if declared.sensitive]
    if sensitive and key is None:
        raise KeyFileError(
            f"stream {sensitive[0]}: it is sensitive, and there is no key to seal its events with; "
            f"name one with --events-key or in {events_key.VARIABLE}"
        )
    try:
        store = EventStore(
            keeping.folder,
            keep_bytes=keeping.bytes,
            keep_events=keeping.events,
            keep_ns=keeping.ns,
            level=Level.SYNCED if keeping.synced else Level.FLUSHED,
            sealing=key.sealing() if key is not None else None,
        )
    except VmError as error:
        raise WriteError(f"events: {error}") from None
    finally:
        if key is not None:
            key.wipe()
    try:
        if keeping.streams:
            streams.settle(store, keeping.streams)
            stream_versions.declare(keeping.folder, keeping.streams, store)
            streams.retain(store, keeping.streams)
    except (PolyvmError, VmError) as error:
        store.close()
        raise error if isinstance(error, PolyvmError) else WriteError(f"events: {error}") from None
    return store


def change_key(folder: Path, old: str, newer: str) -> int:
    """Have a store's sealed segments opened by another key; how many have that now.

    Nobody may have the store open. Raises WriteError with the reason; KeyFileError.
    """
    before, after = events_key.load(old), events_key.load(newer)
    try:
        return rekey(folder, before.sealing(), after.sealing())
    except VmError as error:
        raise WriteError(f"events: {error}") from None
    finally:
        before.wipe()
        after.wipe()


def seal_plain(folder: Path, stream: str, key: str) -> int | None:
    """Seal a stream that was kept plain; how many events it has. None: it was sealed already.

    Nobody may have the store open. Raises WriteError with the reason; KeyFileError; MissingError
    for a stream that is not there.
    """
    loaded = events_key.load(key)
    try:
        return seal_stream(folder, stream, loaded.sealing())
    except UnknownTask:
        raise MissingError(f"{folder}: there is no stream {stream!r}") from None
    except VmError as error:
        raise WriteError(f"events: {error}") from None
    finally:
        loaded.wipe()


class Kept(NamedTuple):
    """An event as it was kept."""

    sequence: int  # within its stream
    time_ns: int  # when it happened
    arrival_ns: int  # when it came
    key: str
    event: Any


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of a stream.

    Of a key the latest first; otherwise in the order of their arrival, from a sequence number on,
    all or, with ``until_ns``, of a span of time.
    """

    stream: str = "events"
    key: str | None = None
    from_ns: Nanoseconds = 0
    until_ns: Nanoseconds = 0
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    most: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] = 1000


class Fields(NamedTuple):
    """Which fields some events have, in the order of their first coming."""

    behind: int  # the sequence number behind the last of them
    events: int  # how many they are
    names: list[str]


def read(store: EventStore, query: Query) -> list[Kept]:
    """Return what is there. Raises MissingError for a stream that is not."""
    try:
        packed = store.read(
            query.stream,
            key=query.key.encode() if query.key is not None else None,
            **_span(query),
        )
    except UnknownTask:
        raise _missing(store, query) from None
    return [
        Kept(sequence, time_ns, arrival_ns, key.decode("utf-8", "replace"), event)
        for sequence, time_ns, arrival_ns, key, event in codec.decode(packed)
    ]


def fields(store: EventStore, query: Query) -> Fields:
    """Return which fields there are, whatever the key. Raises MissingError likewise."""
    try:
        return Fields(*codec.decode(store.fields(query.stream, **_span(query))))
    except UnknownTask:
        raise _missing(store, query) from None


def columns_of(
    store: EventStore, query: Query, columns: Sequence[EventColumn | str]
) -> tuple[bytes, int]:
    """Return rows of columns, as `EventStore.columns` does. Raises MissingError likewise."""
    try:
        return store.columns(query.stream, msgspec.msgpack.encode(columns), **_span(query))
    except UnknownTask:
        raise _missing(store, query) from None


def _span(query: Query) -> dict[str, int]:
    return {
        "from_ns": query.from_ns,
        "until_ns": query.until_ns,
        "sequence": query.sequence,
        "most": query.most,
    }


def _missing(store: EventStore, query: Query) -> MissingError:
    known = ", ".join(one.name for one in store.streams()) or "none"
    return MissingError(f"there is no stream {query.stream!r}; there are: {known}")


def losses(stream: StreamStats) -> str | None:
    """Tell what opening a stream found wrong; None if nothing was."""
    said = []
    if stream.damaged:
        said.append(f"{stream.damaged} events are lost: their file is damaged")
    if stream.aside:
        said.append(f"{stream.aside} files could not be read and were put aside as *.damaged")
    if stream.sealed and stream.cleared:  # an end that was changed looks like one that was torn
        said.append(
            f"{stream.cleared} bytes at its end were no whole block and were cleared: a host died "
            "while it wrote them, or somebody changed them"
        )
    return f"stream {stream.name}: {'; '.join(said)}" if said else None

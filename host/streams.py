"""Streams as operators declare them, in a file of ``[streams.NAME]`` tables.

What they ask of an event is checked in C, engine/include/intake.h; `stream_versions` keeps what was
declared before.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from polyvm.host import durations, retention
from polyvm.host.errors import MissingError, StreamsFileError, UsageError
from polyvm.vm import Level

if TYPE_CHECKING:
    from pathlib import Path

    from polyvm.vm import EventStore

MAX_BYTES = 2**20  # of a file
MAX_FIELDS = 256  # STREAM_FIELDS_MAX of engine/stream/schema.h
MAX_NAME = 64  # bytes; STORE_NAME_MAX of engine/include/store.h
STREAM = "events"  # of events that name none
DEAD = "dead-letters"
OWN = "features."  # the store's own streams
COUNTS = ("features..counters", "features..counted")  # of them, how far counters have come
TYPES = ("str", "int", "float", "bool", "time", "any", "list", "map")
_IDS = 2**22


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one stream's events are like, and for how long they are kept."""

    fields: dict[str, str] | None = None  # types, with "?" for those that may be missing; None: any
    open: bool = False  # others may be there, too
    id: str | None = None  # the field whose duplicates are passed over
    duplicates: str | None = None  # for how long ids are known
    ids: Annotated[int, msgspec.Meta(ge=1, lt=2**40)] = _IDS  # known at a time, at most, about
    clock: str = "1d"  # how far ahead of the clock a time may be
    keep: str | tuple[str, ...] = ()  # limits, instead of those of --keep
    version: Annotated[int, msgspec.Meta(ge=1, lt=2**62)] | None = None
    sensitive: bool = False  # its events are encrypted where they are kept
    level: Literal["memory", "flushed", "synced"] | None = None  # what they outlive; else --synced

    @property
    def limits(self) -> dict[str, int]:
        """Its limits as fields of Keeping; empty: it has none of its own. Raises UsageError."""
        return retention.parse((self.keep,) if isinstance(self.keep, str) else self.keep)

    @property
    def rules(self) -> dict[str, Any]:
        """What engine/include/intake.h asks for."""
        rules: dict[str, Any] = {"clock_ns": durations.parse(self.clock), "open": self.open}
        if self.fields is not None:
            rules["fields"] = self.fields
        if self.id is not None and self.duplicates is not None:
            rules |= {"id": self.id, "span_ns": durations.parse(self.duplicates), "most": self.ids}
        return rules


def read(path: Path) -> dict[str, Declared]:
    """Read the declarations of a file. Raises StreamsFileError, MissingError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MissingError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(text) > MAX_BYTES:
        raise StreamsFileError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        table = tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise StreamsFileError(f"{path}: byte {error.start} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StreamsFileError(f"{path}: not TOML: {error}") from None
    unknown = sorted(table.keys() - {"streams"})
    if unknown or "streams" not in table:
        what = repr(unknown[0][:40]) if unknown else "nothing"
        raise StreamsFileError(f"{path}: it has tables [streams.NAME]; {what} is none")
    streams = table["streams"]
    if not isinstance(streams, dict):
        raise StreamsFileError(f"{path}: streams is to be tables [streams.NAME]")
    found = {}
    for name, declared in streams.items():
        where = f"{path}: stream {name[:80]!r}"
        try:
            found[name] = msgspec.convert(declared, Declared)
        except msgspec.ValidationError as error:
            what, _, place = str(error).partition(" - at `$.")
            field = f" {place.rstrip('`')}:" if place else ""
            raise StreamsFileError(f"{where}:{field} {what[0].lower()}{what[1:]}") from None
        check(name, found[name], where)
    return found


def check(name: str, declared: Declared, where: str) -> None:
    """Refuse what the types allow and a stream must not have. Raises StreamsFileError."""
    if not 0 < len(name.encode()) <= MAX_NAME or "\0" in name:
        raise StreamsFileError(f"{where}: a name has 1 to {MAX_NAME} bytes")
    kept = Declared(keep=declared.keep, sensitive=declared.sensitive, level=declared.level)
    if (name == DEAD or name.startswith(OWN)) and declared != kept:
        raise StreamsFileError(
            f"{where}: its events are the host's; only keep, sensitive and level count"
        )
    _check_fields(declared.fields or {}, where)
    if (declared.id is None) != (declared.duplicates is None):
        raise StreamsFileError(
            f"{where}: id and duplicates go together: the field, and for how long its values are "
            'known, such as "10m"'
        )
    if declared.id is not None and declared.fields and declared.id in declared.fields:
        kind = declared.fields[declared.id]
        if kind not in {"str", "int", "any"}:
            raise StreamsFileError(
                f"{where}: its id {declared.id!r} is to be str or int, not {kind!r}"
            )
    for field in ("duplicates", "clock"):
        text = getattr(declared, field)
        try:
            if text is not None and durations.parse(text) == 0:
                raise StreamsFileError(f"{where}: {field} is more than 0")
        except ValueError as error:
            raise StreamsFileError(f"{where}: {field} {error}") from None
    try:
        declared.limits  # noqa: B018 - it checks
    except UsageError as error:
        raise StreamsFileError(f"{where}: keep: {error}") from None


def _check_fields(fields: dict[str, str], where: str) -> None:
    if len(fields) > MAX_FIELDS:
        raise StreamsFileError(f"{where}: it has more than {MAX_FIELDS} fields")
    for name, kind in fields.items():
        if not 0 < len(name.encode()) <= 256:
            raise StreamsFileError(f"{where}: field {name[:40]!r} has no name of 1 to 256 bytes")
        if kind.removesuffix("?") not in TYPES:
            raise StreamsFileError(
                f"{where}: field {name[:80]!r} has the type {kind[:40]!r}; write one of "
                f'{", ".join(TYPES)}, with "?" behind it if it may be missing'
            )


def packed(streams: dict[str, Declared]) -> bytes:
    """Return the declarations for pvm_trigger_config."""
    rules = {
        name: declared.rules
        for name, declared in streams.items()
        if name != DEAD and not name.startswith(OWN)
    }
    return msgspec.msgpack.encode(rules)


def settle(store: EventStore, streams: dict[str, Declared]) -> None:
    """Have the streams kept as they are declared; what is refused of a sensitive one is, too.

    Raises VmError with the reason.
    """
    for name, declared in streams.items():
        level = Level[declared.level.upper()] if declared.level is not None else None
        if level is not None or declared.sensitive:
            store.declare(name, level=level, sealed=declared.sensitive)
    if any(declared.sensitive for declared in streams.values()):
        store.declare(DEAD, sealed=True)


def settle_counts(store: EventStore, streams: dict[str, Declared]) -> None:
    """Have what is known of counters, which has keys, sealed where any stream is sensitive.

    Raises VmError with the reason.
    """
    if any(declared.sensitive for declared in streams.values()):
        for name in COUNTS:
            store.declare(name, sealed=True)


def retain(store: EventStore, streams: dict[str, Declared]) -> None:
    """Give the streams their limits."""
    for name, declared in streams.items():
        limits = declared.limits
        if limits:
            store.retain(name, **{f"keep_{what}": value for what, value in limits.items()})

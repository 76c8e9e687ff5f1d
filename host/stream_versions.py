"""What was declared of streams before: kept events fit the schema that is declared now.

A file beside the store has each version of each schema, and from which event on it holds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec

from polyvm.host.durable import StateFile
from polyvm.host.errors import StreamsFileError

if TYPE_CHECKING:
    from pathlib import Path

    from polyvm.host.streams import Declared
    from polyvm.vm import EventStore

NAME = "streams.json"
_FORMAT = 1
_MAX_BYTES = 2**26


class Version(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schema, from the event with the sequence number ``since`` on."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    since: Annotated[int, msgspec.Meta(ge=1)]
    fields: dict[str, str] | None = None
    open: bool = False

    def fits(self, other: Version) -> bool:
        """Whether it asks for the same."""
        return (self.fields, self.open) == (other.fields, other.open)


class Versions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state in the file: versions of each stream, the oldest first."""

    format: int = _FORMAT
    streams: dict[str, list[Version]] = {}


def _file(folder: Path) -> StateFile[Versions]:
    return StateFile(
        folder / NAME,
        Versions,
        format=_FORMAT,
        max_bytes=_MAX_BYTES,
        new=Versions,
        unreadable="what was declared of its streams is there",
        damaged="remove it, if all kept events fit what is declared",
    )


def read(folder: Path) -> dict[str, list[Version]]:
    """Return the versions of each stream. Raises StateFileError."""
    return _file(folder).read().streams


def declare(folder: Path, streams: dict[str, Declared], store: EventStore) -> None:
    """Note what is declared now, for the store in the folder, which is open.

    Raises StreamsFileError for a schema that kept events of an older one need not fit, and then
    nothing was noted; StateFileError.
    """
    file = _file(folder)
    known = file.read().streams
    kept = {each.name: each for each in store.streams()}
    added = {}
    for name, declared in streams.items():
        before = known.get(name, [])
        stats = kept.get(name)
        version = Version(
            version=_number(name, declared, before),
            since=stats.next if stats is not None else 1,
            fields=declared.fields,
            open=declared.open,
        )
        first = stats.first if stats is not None else 1
        if before and before[-1].fits(version):
            continue
        for older, later in pairwise([*before, version]):
            if (
                later.since > max(first, older.since)
                and (why := objection(older, version)) is not None
            ):
                raise StreamsFileError(
                    f"stream {name!r}: {why}, and events that were kept under version "
                    f"{older.version} need not fit; add fields as optional ones, make fields "
                    "optional, widen int to float, or use another stream"
                )
        added[name] = [*before, version]
    if added:
        file.write(Versions(streams={**known, **added}))


def _number(name: str, declared: Declared, before: list[Version]) -> int:
    if not before:
        return declared.version or 1
    last = before[-1]
    same = (last.fields, last.open) == (declared.fields, declared.open)
    number = declared.version or last.version + (not same)
    if same and number == last.version:
        return number
    if number <= last.version:
        what = "is older than" if number < last.version else "asks for other fields than"
        raise StreamsFileError(
            f"stream {name!r}: version {number} {what} version {last.version} that was declared "
            f"before; declare version {last.version + 1}"
        )
    return number


def objection(older: Version, newer: Version) -> str | None:
    """Say which field events of the older schema may have wrong for the newer; None: none."""
    if newer.fields is None:
        return None
    if older.fields is None:
        return "its fields were not declared"
    if older.open and not newer.open:
        return "fields that are not declared may not be there any more"
    for name, kind in newer.fields.items():
        before = older.fields.get(name)
        if before is None:
            if not kind.endswith("?"):
                return f"field {name!r} is new and not optional"
        elif not _widens(before, kind):
            return f"field {name!r} was {before!r} and is {kind!r}"
    gone = [name for name in older.fields if name not in newer.fields]
    return f"field {gone[0]!r} is gone" if gone and not newer.open else None


def _widens(before: str, now: str) -> bool:
    if before.endswith("?") and not now.endswith("?"):
        return False
    was, becomes = before.removesuffix("?"), now.removesuffix("?")
    return becomes in {was, "any"} or (was, becomes) in {("int", "float"), ("time", "float")}

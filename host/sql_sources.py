"""Where SQL reads events and rows of feature tables: part by part, of a span of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from polyvm.host import sql_values, stream_versions, table_ttls
from polyvm.host.event_store import Fields, Kept, Query, columns_of, fields, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from polyvm.vm import EventColumn, EventStore

TABLES = "features."  # what the streams of feature tables begin with
LOOKED_AT = 200_000  # events whose fields are looked at in one call, which nothing interrupts
_EVER = 2**63 - 1


class Span(NamedTuple):
    """Which events, by their own time: from one on, up to another one; None: whenever."""

    from_ns: int | None = None
    until_ns: int | None = None

    def of(self, stream: str, sequence: int, most: int) -> Query:
        """Ask for some of them. Rows of feature tables are seen whatever their time."""
        query = Query(stream=stream, sequence=sequence, most=most)
        if stream.startswith(TABLES) or self == Span():
            return query
        return msgspec.structs.replace(
            query,
            from_ns=-(2**63) if self.from_ns is None else self.from_ns,
            until_ns=_EVER if self.until_ns is None else self.until_ns,
        )


class Source(ABC):
    """Streams by name. Sequence numbers are within a stream; 0 is before the first."""

    @abstractmethod
    def streams(self) -> list[str]:
        """Name the streams that there are."""

    @abstractmethod
    def declared(self, stream: str) -> list[str]:
        """Name the fields that are declared for a stream; empty: none are."""

    @abstractmethod
    def fields(self, stream: str, sequence: int) -> Fields:
        """Look at the fields of some events from a sequence number on; none: that was all."""

    @abstractmethod
    def events(self, stream: str, sequence: int, most: int) -> list[Kept]:
        """Read events from a sequence number on, in the order of arrival; empty: that was all."""

    def rows(
        self, stream: str, sequence: int, most: int, columns: Sequence[EventColumn | str]
    ) -> tuple[list[list[Any]], int]:
        """Read columns of such events, fields by their names; and the number behind the last."""
        found = self.events(stream, sequence, most)
        behind = found[-1].sequence + 1 if found else 0
        return [sql_values.row(each, columns) for each in found], behind

    @abstractmethod
    def in_memory(self, stream: str) -> bool:
        """Whether its events must not come to a disk as they are: sealed ones, or in memory."""

    @abstractmethod
    def ttl_ns(self, stream: str) -> int:
        """How long after its last row a key of a feature table expires; 0: it does not."""


class StoreSource(Source):
    """Streams of an open store."""

    def __init__(
        self,
        store: EventStore,
        folder: Path,
        span: Span = Span(),  # noqa: B008 - it is immutable
        ttls: Callable[[], Mapping[str, int]] | None = None,
    ) -> None:
        """Read ``store``, which lies in ``folder``; of events those of a span.

        ttls: of live feature tables, by name; None: what was noted of them in the folder.
        Raises StateFileError.
        """
        self._store = store
        self._span = span
        self._versions = stream_versions.read(folder)
        self._ttls = ttls() if ttls is not None else table_ttls.read(folder)
        self._in_memory = {
            each.name for each in store.streams() if each.sealed or each.level == "memory"
        }

    def streams(self) -> list[str]:
        """Name them."""
        return [each.name for each in self._store.streams()]

    def declared(self, stream: str) -> list[str]:
        """Name the fields of all versions, the latest version's first."""
        versions = reversed(self._versions.get(stream, []))
        return list(dict.fromkeys(name for each in versions for name in each.fields or {}))

    def fields(self, stream: str, sequence: int) -> Fields:
        """Look at some events, in C."""
        return fields(self._store, self._span.of(stream, sequence, LOOKED_AT))

    def events(self, stream: str, sequence: int, most: int) -> list[Kept]:
        """Read some events."""
        return read(self._store, self._span.of(stream, sequence, most))

    def rows(
        self, stream: str, sequence: int, most: int, columns: Sequence[EventColumn | str]
    ) -> tuple[list[list[Any]], int]:
        """Read columns of some events, in C."""
        query = self._span.of(stream, sequence, most)
        packed, behind = columns_of(self._store, query, columns)
        return sql_values.rows(packed), behind

    def in_memory(self, stream: str) -> bool:
        """Whether it is sealed, or of the level memory."""
        return stream in self._in_memory

    def ttl_ns(self, stream: str) -> int:
        """As `ttls` says."""
        return self._ttls.get(stream.removeprefix(TABLES), 0)

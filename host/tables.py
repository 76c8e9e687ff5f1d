"""What authors and operators write of tables of features: [[tables]] and [tables.NAME]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from polyvm.host import durations, sizes
from polyvm.host.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_NAME_BYTES = 54  # FEATURE_NAME_MAX of feature.h
MAX_VERSIONS = 4096


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a table holds. None and 0: no limit.

    versions: rows of a key. ttl: since a key's last row was put. max_keys, max_bytes: the keys that
    were written least recently go first.
    """

    versions: Annotated[int, msgspec.Meta(ge=1, le=MAX_VERSIONS)] = 1
    ttl: str | None = None
    max_keys: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    max_bytes: str | None = None

    @property
    def amounts(self) -> dict[str, int]:
        """The same in nanoseconds and bytes, as `Features.open` names them."""
        return {
            "versions": self.versions,
            "ttl_ns": durations.parse(self.ttl) if self.ttl is not None else 0,
            "max_keys": self.max_keys,
            "max_bytes": sizes.parse(self.max_bytes) if self.max_bytes is not None else 0,
        }


class Table(Bounds, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a manifest's [[tables]]."""

    name: str

    @property
    def bounds(self) -> Bounds:
        """Without the name."""
        fields: dict[str, Any] = {each: getattr(self, each) for each in Bounds.__struct_fields__}
        return Bounds(**fields)


def check(tables: Iterable[Table], where: str) -> None:
    """Check a manifest's tables. Raises ManifestError."""
    seen: set[str] = set()
    for table in tables:
        if table.name in seen:
            raise ManifestError(f"{where}: two tables are named {table.name[:80]!r}")
        seen.add(table.name)
        check_one(table.name, table, where)


def check_all(tables: Mapping[str, Bounds], where: str) -> None:
    """Check tables by name. Raises ManifestError."""
    for name, bounds in tables.items():
        check_one(name, bounds, where)


def check_one(name: str, bounds: Bounds, where: str) -> None:
    """Check one. Raises ManifestError."""
    if not 1 <= len(name.encode()) <= MAX_NAME_BYTES or "\0" in name:
        raise ManifestError(
            f"{where}: the name of a table has 1 to {MAX_NAME_BYTES} bytes, not {name[:80]!r}"
        )
    for field, parse in (("ttl", durations.parse), ("max_bytes", sizes.parse)):
        text = getattr(bounds, field)
        try:
            least = parse(text) if text is not None else 1
        except ValueError as error:
            raise ManifestError(f"{where}: table {name!r}: {field} {error}") from None
        if least == 0:
            raise ManifestError(f"{where}: table {name!r}: {field} must be more than 0")

"""For how long keys of feature tables live, noted beside the store that keeps their rows.

Whoever reads the store without its host, as `polyvm sql` does, passes over the same keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from polyvm.host.durable import StateFile

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tables.json"
_FORMAT = 1
_MAX_BYTES = 2**24


class _Noted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int = _FORMAT
    ttl_ns: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}  # of tables that have one


def _file(folder: Path) -> StateFile[_Noted]:
    return StateFile(
        folder / NAME,
        _Noted,
        format=_FORMAT,
        max_bytes=_MAX_BYTES,
        new=_Noted,
        unreadable="how long rows of its tables live is there",
        damaged="remove it: the next host that has these tables makes it anew",
    )


def read(folder: Path) -> dict[str, int]:
    """Return the time to live of the tables that have one, in ns. Raises StateFileError."""
    return _file(folder).read().ttl_ns


def note(folder: Path, table: str, ttl_ns: int) -> None:
    """Note a table's, 0 for none. The store in the folder is open. Raises StateFileError."""
    file = _file(folder)
    known = file.read().ttl_ns
    if known.get(table, 0) == ttl_ns:
        return
    rest = {name: ttl for name, ttl in known.items() if name != table}
    file.write(_Noted(ttl_ns=rest | ({table: ttl_ns} if ttl_ns else {})))

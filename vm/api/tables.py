"""Tables of features: for each key the latest values, and those before.

Frozen into every VM, and imported when a task first asks for a table.
"""

from __future__ import annotations

# Set, not imported: typing alone costs a VM more than the rest of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

try:
    import _polyvm as _runtime
except ImportError:
    from polyvm import _ordinary as _runtime


class Table:
    """A table by its name. Reading takes no lock; rows are copies, which are the task's own.

    A key is text, bytes, or an int, which counts as its digits. Times are seconds since the epoch;
    ``at`` is the time at which a row is to be valid, by default whatever is the latest.
    Every method raises LookupError if no table of this name was declared, and RuntimeError where
    there is no host with tables.
    """

    __slots__ = ("_name", "_number")

    def __init__(self, name: str) -> None:
        self._name = name
        self._number: int | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def __repr__(self) -> str:
        return f"<table {self._name}>"

    def _find(self) -> int:
        number: int = _runtime.feature_table(self._name)
        self._number = number
        return number

    def get(self, key: Any, at: float | None = None) -> dict[str, Any] | None:
        """Return the values of a key; None if it has none, or had none at that time."""
        number = self._number
        if number is None:
            number = self._find()
        row: dict[str, Any] | None = _runtime.feature_get(number, key, at)
        return row

    def get_many(self, keys: Iterable[Any], at: float | None = None) -> list[dict[str, Any] | None]:
        """Return `get` of each key, in order."""
        number = self._number
        if number is None:
            number = self._find()
        rows: list[dict[str, Any] | None] = _runtime.feature_get_many(number, keys, at)
        return rows

    def history(self, key: Any) -> list[tuple[float, dict[str, Any]]]:
        """Return all versions that are there of a key, as (from when, values), oldest first."""
        number = self._number
        if number is None:
            number = self._find()
        rows: list[tuple[float, dict[str, Any]]] = _runtime.feature_history(number, key)
        return rows

    def put(
        self, key: Any, values: Mapping[str, Any], *, at: float | None = None, merge: bool = False
    ) -> None:
        """Let a key have these values from that time on, by default from now on.

        A row of the same time is replaced; one that is older than the latest goes in where it
        belongs. merge: features that ``values`` does not name are taken over from the row that
        was valid then. Raises TypeError and ValueError for what a row cannot hold, and OSError
        with the reason if the host could not keep it: then nothing has changed.
        """
        number = self._number
        if number is None:
            number = self._find()
        _runtime.feature_put(number, key, values, at, merge)

    def remove(self, key: Any, *, at: float | None = None) -> None:
        """Let a key have nothing from that time on, until its next row's."""
        number = self._number
        if number is None:
            number = self._find()
        _runtime.feature_remove(number, key, at)

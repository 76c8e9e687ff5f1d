"""Results of several parts: tuples whose items have names."""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class Result(tuple):  # type: ignore[type-arg]
    """A tuple whose items are attributes, too: those that a subclass names in ``_fields``.

    As typing.NamedTuple makes them, but that module costs more than all of this package to import.
    """

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        for place, name in enumerate(cls._fields):
            setattr(cls, name, property(itemgetter(place)))

    def __new__(cls, *items: Any) -> Self:
        """Take one item for each name. Raises TypeError for any other number."""
        if len(items) != len(cls._fields):
            raise TypeError(f"{cls.__name__} has {len(cls._fields)} items, not {len(items)}")
        return tuple.__new__(cls, items)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        pairs = zip(self._fields, self, strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={item!r}' for name, item in pairs)})"

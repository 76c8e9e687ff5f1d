"""A page and how long the visitor stayed on it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Visit(NamedTuple):
    """One page of a session."""

    page: str
    at: int  # seconds since 1970
    dwell: int | None  # seconds until the next page; None for the last, which nobody measured

    @classmethod
    def sequence(cls, events: Sequence[Sequence[Any]]) -> list[Visit]:
        """Make visits of [page, time] pairs."""
        if not events:
            raise ValueError("a session has at least one event")
        visits = [cls(page, at, max(0, after - at)) for (page, at), (_, after) in pairwise(events)]
        page, at = events[-1]
        return [*visits, cls(page, at, None)]

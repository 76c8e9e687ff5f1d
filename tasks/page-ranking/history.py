"""What a visitor has seen so far, as the network wants it; the same in training and in the task."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LENGTH = 12  # pages that count, the nearest last
NONE, END = "<none>", "<end>"
"""Pages 0 and 1: what stands before a short history, and the end of a session."""


@dataclass(frozen=True)
class Vocabulary:
    """Names by number. dwells: seconds, the borders between kinds of stay."""

    pages: Sequence[str]
    dwells: Sequence[int]
    traits: Mapping[str, Sequence[str]]

    def numbers_of(self, visitor: Mapping[str, Any]) -> list[int]:
        """The visitor's traits as numbers. ValueError for one that training did not see."""
        found = []
        for name, values in self.traits.items():
            if visitor[name] not in values:
                raise ValueError(f"{name} {visitor[name]!r} is none of {', '.join(values)}")
            found.append(values.index(visitor[name]))
        return found

    def histories(self, events: Sequence[Sequence[Any]]) -> tuple[list[list[int]], list[list[int]]]:
        """Pages, and kinds of stay, before each next page: a row after each of the events.

        events: [page, seconds since 1970] pairs in the order of time. Unknown pages are none.
        """
        index = {page: at for at, page in enumerate(self.pages)}
        pages = [index.get(page, 0) for page, _ in events]
        times = [ts for _, ts in events]
        stays = [bisect_right(self.dwells, after - before) + 1 for before, after in pairwise(times)]
        seen_rows, stay_rows = [], []
        for at in range(1, len(pages) + 1):
            first = max(0, at - LENGTH)
            # How long the last page will be looked at is not known yet: kind 0.
            seen, stay = pages[first:at], [*stays[first : at - 1], 0]
            pad = [0] * (LENGTH - len(seen))
            seen_rows.append(pad + seen)
            stay_rows.append(pad + stay)
        return seen_rows, stay_rows

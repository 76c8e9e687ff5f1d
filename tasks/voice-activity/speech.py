"""From the probability that somebody speaks, window by window, to stretches of speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGINS, ENDS = 0.5, 0.35
"""Speech begins at or above the one, and has ended when it stays below the other."""
SILENCE = 4  # windows below ENDS that end a stretch
SHORTEST = 8  # windows; a shorter stretch is a noise


@dataclass
class Speech:
    """What is known after `at` windows. began, quiet: numbers of windows, None if there is none."""

    at: int = 0
    began: int | None = None
    quiet: int | None = None

    def follow(self, probabilities: Iterable[float]) -> list[tuple[int, int]]:
        """Take the next windows; the stretches that have ended, as [first, after the last)."""
        found = []
        for probability in probabilities:
            if probability >= BEGINS:
                self.quiet = None
                if self.began is None:
                    self.began = self.at
            elif probability < ENDS and self.began is not None:
                if self.quiet is None:
                    self.quiet = self.at
                if self.at - self.quiet + 1 >= SILENCE:
                    found += self.end()
            self.at += 1
        return found

    def end(self) -> list[tuple[int, int]]:
        """End the stretch that is open, if there is one; it, if it is long enough."""
        began, self.began = self.began, None
        last = self.at if self.quiet is None else self.quiet
        self.quiet = None
        return [(began, last)] if began is not None and last - began >= SHORTEST else []

"""What a task in a chain comes after."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class AfterFailure(enum.IntEnum):
    """What becomes of a task in a chain when one that it comes after was not done."""

    SKIP = 0  # it ends as CANCELLED
    STOP = 1  # likewise, with all of the graph that has not started
    CONTINUE = 2  # it runs, and sees the failures


@dataclass(slots=True, frozen=True)
class ChainNode:
    """A task of a chain: its id, and those that it comes after.

    after: places in the chain, 0 for its first task, i for node i - 1; earlier ones only.
    """

    task: int
    after: tuple[int, ...]
    failure: AfterFailure = AfterFailure.SKIP

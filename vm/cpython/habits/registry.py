"""The list of habits; a module adds its own when it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HABITS: list[Callable[[], object]] = []


def habit(function: Callable[[], object]) -> Callable[[], object]:
    """Register a function as one habit."""
    HABITS.append(function)
    return function

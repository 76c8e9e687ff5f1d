"""The numbers that the design promises, and whether this run reached them."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One promise: what is measured, against which reference, what is to be reached."""

    what: str
    reference: str
    to_reach: str
    reached: str
    ratio: float | None
    """Ours to the reference's, as `to_reach` words it; None for an absolute number."""
    good: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Table:
    """A table for a person: the first column names things, the others are numbers."""

    title: str
    columns: list[str]
    lines: list[list[str]]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def at_least(
    what: str, reference: str, target: float, ratio: float, *, reached: str | None = None
) -> Row:
    """A row whose ratio must not fall below `target`."""
    return Row(
        what, reference, f">= {target:g}x", reached or f"{ratio:.3g}x", ratio, ratio >= target
    )


def at_most(
    what: str, reference: str, to_reach: str, target: float, *, value: float, reached: str
) -> Row:
    """A row whose value must not exceed `target`, both in the unit that `to_reach` names."""
    return Row(what, reference, to_reach, reached, value, value <= target)


def duration(ns: float) -> str:
    """Nanoseconds for a person."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def size(count: float) -> str:
    """Bytes for a person, in decimal units, as the design's numbers are."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count:.0f} B"


def sparkline(values: list[float], width: int = 60) -> str:
    """Values as a line of blocks from zero to their maximum."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    shown = [max(values[i : i + step]) for i in range(0, len(values), step)]
    top = max(shown) or 1
    blocks = " ▁▂▃▄▅▆▇█"
    return "".join(blocks[round(value / top * 8)] for value in shown)

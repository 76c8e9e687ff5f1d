"""Flows and tables of features as people see them, in live views and lists."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from polyvm.host.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class FlowLine:
    """What a view shows of a flow. rate: events a second; watermark_s: since the epoch."""

    name: str
    streams: tuple[str, ...]
    into: str
    events: int
    rate: float | None
    rows: int
    lost: int  # late, dropped or refused
    keys: int
    bytes: int
    watermark_s: float | None


@dataclass(frozen=True, slots=True)
class TableLine:
    """What a view shows of a table of features. newest_s: time of its newest row."""

    name: str
    keys: int
    rows: int
    bytes: int
    writes: int
    writes_s: float | None  # a second
    reads: int
    reads_s: float | None
    newest_s: float | None


def of_flows(lines: Iterable[FlowLine]) -> Table:
    """Return a table with a row for each flow."""
    table = _table(
        ("flow", "from", "into"),
        ("events", "per s", "rows", "lost", "keys", "memory", "watermark"),
    )
    for line in lines:
        table.add_row(
            line.name,
            ", ".join(line.streams),
            line.into,
            f"{line.events:,}",
            _rate(line.rate),
            f"{line.rows:,}",
            Text(f"{line.lost:,}", style="red" if line.lost else ""),
            f"{line.keys:,}",
            size(line.bytes),
            moment(line.watermark_s) or "-",
        )
    return table


def of_tables(lines: Iterable[TableLine]) -> Table:
    """Return a table with a row for each table of features."""
    table = _table(
        ("features",),
        ("keys", "rows", "memory", "writes", "per s", "reads", "per s", "newest"),
    )
    for line in lines:
        table.add_row(
            line.name,
            f"{line.keys:,}",
            f"{line.rows:,}",
            size(line.bytes),
            f"{line.writes:,}",
            _rate(line.writes_s),
            f"{line.reads:,}",
            _rate(line.reads_s),
            moment(line.newest_s) or "-",
        )
    return table


def moment(seconds: float | None) -> str:
    """Return a time as people read it, or its seconds where the calendar does not reach."""
    if seconds is None:
        return ""
    try:
        found = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f}"
    return found.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def _table(left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table()
    for title in left:
        table.add_column(title, no_wrap=True)
    for title in right:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _rate(rate: float | None) -> str:
    return f"{rate:,.0f}" if rate is not None else "-"

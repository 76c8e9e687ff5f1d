"""What the user sees while tasks run: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from polyvm.host.deployment import State
from polyvm.host.flow_table import FlowLine, TableLine, of_flows, of_tables
from polyvm.host.sizes import size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from polyvm.host.figures import Row
    from polyvm.host.live_flows import FlowFigures
    from polyvm.vm import TableStats

_LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal
_STYLES = {State.LIVE: "green", State.DRAINING: "yellow", State.WITHDRAWN: "dim"}


@dataclass(frozen=True, slots=True)
class Progress:
    """The run as a whole, at one moment."""

    rows: Sequence[Row]
    refused: Sequence[tuple[Path, str]]  # what could not be taken, and why
    lines: int
    bad_lines: int
    pending: int
    elapsed_s: float
    phase: str
    flows: Sequence[FlowFigures] = ()
    tables: Sequence[TableStats] = ()  # of features

    @property
    def runs(self) -> int:
        """Invocations that ended, in whatever outcome."""
        return sum(row.runs for row in self.rows)

    @property
    def failures(self) -> int:
        """Of these, the ones that are not `done`."""
        return sum(row.failures for row in self.rows)

    @property
    def rate(self) -> float:
        """Invocations a second since the start."""
        return self.runs / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Display(Protocol):
    """Shows a run's progress."""

    def show(self, progress: Progress) -> None:
        """Bring the display up to date."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class LiveTable:
    """A table that redraws itself in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, progress: Progress) -> None:
        """Redraw."""
        self._live.update(render(progress), refresh=True)

    def close(self) -> None:
        """Take the table off the terminal."""
        self._live.stop()


class ProgressLines:
    """A log line every few seconds, when something has moved."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._next = time.monotonic() + _LINE_EVERY
        self._last = -1

    def show(self, progress: Progress) -> None:
        """Log the totals if it is time to."""
        if time.monotonic() < self._next or progress.runs == self._last:
            return
        self._next = time.monotonic() + _LINE_EVERY
        self._last = progress.runs
        self._logger.info(
            "progress",
            phase=progress.phase,
            lines=progress.lines,
            runs=progress.runs,
            failures=progress.failures,
            pending=progress.pending,
            rate=f"{progress.rate:.0f}/s",
        )

    def close(self) -> None:
        """Nothing to put back."""


def render(progress: Progress) -> Group:
    """Return the table: a row for each version, one for what was refused, the totals below."""
    totals = (
        f"{progress.phase} · {progress.lines:,} lines · {progress.runs:,} runs "
        f"({progress.rate:,.0f}/s) · {progress.failures:,} failures · "
        f"{progress.pending:,} pending · {progress.elapsed_s:.1f} s"
    )
    if progress.bad_lines:
        totals += f" · {progress.bad_lines:,} bad lines"
    table = Table()
    table.add_column("task", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("state")
    for title in ("runs", "failures", "p50", "p99", "memory"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in progress.rows:
        table.add_row(
            row.name,
            row.version,
            Text(row.state, style=_STYLES[row.state]),
            f"{row.runs:,}",
            Text(f"{row.failures:,}", style="red" if row.failures else ""),
            duration(row.p50_ns) if row.runs else "-",
            duration(row.p99_ns) if row.runs else "-",
            size(row.memory_bytes) if row.memory_bytes else "-",
        )
    for path, _ in progress.refused:
        table.add_row(path.name, "-", Text("refused", style="red"), "-", "-", "-", "-", "-")
    shown = [table]
    if progress.flows:
        shown.append(of_flows(_flow(each, progress.elapsed_s) for each in progress.flows))
    if progress.tables:
        shown.append(of_tables(_features(each, progress.elapsed_s) for each in progress.tables))
    return Group(*shown, Text(totals, style="dim"))


def _flow(figures: FlowFigures, elapsed_s: float) -> FlowLine:
    stats = figures.stats
    return FlowLine(
        name=figures.name,
        streams=figures.streams,
        into=figures.into,
        events=stats.events,
        rate=_a_second(stats.events, elapsed_s),
        rows=stats.rows,
        lost=stats.late + stats.dropped + stats.refused,
        keys=stats.keys,
        bytes=stats.bytes,
        watermark_s=stats.watermark_ns / 10**9 if stats.watermark_ns is not None else None,
    )


def _features(stats: TableStats, elapsed_s: float) -> TableLine:
    return TableLine(
        name=stats.name,
        keys=stats.keys,
        rows=stats.rows,
        bytes=stats.bytes,
        writes=stats.puts,
        writes_s=_a_second(stats.puts, elapsed_s),
        reads=stats.gets,
        reads_s=_a_second(stats.gets, elapsed_s),
        newest_s=stats.newest_ns / 10**9 if stats.newest_ns is not None else None,
    )


def _a_second(count: int, elapsed_s: float) -> float:
    return count / elapsed_s if elapsed_s > 0 else 0.0


def duration(nanoseconds: int) -> str:
    """Return a duration with three digits and its unit, such as 1.25 ms."""
    for unit, factor in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= factor:
            value = nanoseconds / factor
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    return f"{nanoseconds} ns"

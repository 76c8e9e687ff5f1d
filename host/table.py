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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from polyvm.host.figures import Row

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
    return Group(table, Text(totals, style="dim"))


def duration(nanoseconds: int) -> str:
    """Return a duration with three digits and its unit, such as 1.25 ms."""
    for unit, factor in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= factor:
            value = nanoseconds / factor
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    return f"{nanoseconds} ns"


def size(count: int) -> str:
    """Return a number of bytes in KiB or MiB."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"

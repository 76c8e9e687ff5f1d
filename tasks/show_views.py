"""Show item page views becoming features, live: raw reports in, rows of the table `ipv` out.

    python tasks/show_views.py build/demo/behaviour.jsonl --tasks build/demo/views

This is a program with a host inside it. It hands in the reports of `prepare_behaviour.py` at a
steady rate, one after the other. The flow of the task ipv-encoding makes one row of each look at a
product's page, the task encodes it in a VM, and puts both into the table. Shown are the latest
features, bytes in and bytes out (as MessagePack), and how long it takes from the moment at which
the report that a page was left was due until its features could be read from the table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from prepare_behaviour import ITEM_PAGE
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from polyvm.host.embedded import Host, Options
from polyvm.host.errors import PolyvmError
from polyvm.host.latency import Histogram
from polyvm.host.table import duration, size

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "ipv"
SHOWN = 8  # features
DRAW_SECONDS = 0.25
SHORTEST_NAP = 0.0001
PATIENCE_SECONDS = 20.0  # after the last report
COUNTS = {
    "exposures": "seen",
    "clicks": "clicks",
    "favourites": "liked",
    "carts": "cart",
    "buys": "buys",
}


class MissingFeatureError(Exception):
    """A page was left, and its features did not come."""


@dataclass
class Figures:
    """What went in and what came out."""

    reports: int = 0
    bytes_in: int = 0
    item_bytes_in: int = 0  # of these, of product pages
    features: int = 0
    bytes_out: int = 0
    latency: Histogram = field(default_factory=Histogram)
    latest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=SHOWN))

    def render(self) -> Group:
        """The latest features, and one line of figures."""
        table = Table(title="item page views", title_justify="left", box=SIMPLE, pad_edge=False)
        table.add_column("visit", no_wrap=True)
        for title in ("dwell", "depth", *COUNTS.values(), "encoded"):
            table.add_column(title, justify="right", no_wrap=True)
        for row in self.latest:
            table.add_row(
                row["visit"],
                f"{row['dwell_ms'] / 1000:.0f} s",
                f"{row['depth']:.0%}",
                *(f"{row[name]}" for name in COUNTS),
                f"{row['encoding'].hex()[:6]}…",
            )
        return Group(table, Text(self.totals(), style="dim"))

    def totals(self) -> str:
        """All of it in a line."""
        less = 1 - self.bytes_out / self.item_bytes_in if self.item_bytes_in else 0.0
        times = " · ".join(
            f"p{share} {duration(self.latency.percentile(share))}" for share in (50, 99)
        )
        return (
            f"{self.reports:,} reports, {size(self.bytes_in)}, of product pages "
            f"{size(self.item_bytes_in)} → {self.features:,} features, {size(self.bytes_out)}: "
            f"{less:.1%} less · from leaving a page to its feature {times}"
        )


class Replay:
    """Hands reports in at a rate, and looks for the features that they become."""

    def __init__(self, host: Host, rate: float) -> None:
        self._host = host
        self._rate = rate
        self._left: deque[tuple[str, int]] = deque()  # visits that ended, and when
        self.figures = Figures()

    def run(self, reports: list[dict[str, Any]]) -> Iterator[Figures]:
        """Go through them; yields the figures now and then."""
        began = time.monotonic_ns()
        drawn = began
        for number, report in enumerate(reports):
            due = began + int(number * 1e9 / self._rate)
            self._look()
            while (wait := due - time.monotonic_ns()) > 0:
                time.sleep(min(wait / 1e9, SHORTEST_NAP))
                self._look()
            self._hand_in(report, due)
            if time.monotonic_ns() - drawn > DRAW_SECONDS * 1e9:
                drawn = time.monotonic_ns()
                yield self.figures
        ended = time.monotonic()
        while self._left and time.monotonic() < ended + PATIENCE_SECONDS:
            self._look()
            time.sleep(SHORTEST_NAP)
        yield self.figures
        if self._left:
            raise MissingFeatureError(f"{len(self._left)} features did not come; see the log above")

    def _hand_in(self, report: dict[str, Any], due: int) -> None:
        figures = self.figures
        length = len(msgspec.msgpack.encode(report))
        for start in self._host.event(report).starts:
            if start.error is not None:
                raise MissingFeatureError(f"{start.task} was not started: {start.error}")
        figures.reports += 1
        figures.bytes_in += length
        if report["page"] == ITEM_PAGE:
            figures.item_bytes_in += length
            if report["event"] == "page_exit":
                self._left.append((report["visit"], due))

    def _look(self) -> None:
        """See which features have come; they come in the order of the visits' ends."""
        while self._left:
            visit, due = self._left[0]
            row = self._host.features.get(TABLE, visit)
            if row is None:
                return
            self._left.popleft()
            self.figures.latency.record(time.monotonic_ns() - due)
            self.figures.features += 1
            self.figures.bytes_out += len(msgspec.msgpack.encode(row.values))
            self.figures.latest.append(row.values)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Show item page views becoming features.")
    parser.add_argument("reports", type=Path, help="JSON lines of prepare_behaviour.py")
    parser.add_argument("--tasks", type=Path, required=True, help="folder with ipv-encoding")
    parser.add_argument("--rate", type=float, default=10_000, help="reports a second")
    options = parser.parse_args()
    console = Console()
    try:
        with options.reports.open("rb") as file:
            reports = [msgspec.json.decode(line) for line in file]
        with Host(Options(tasks=options.tasks)) as host:
            replay = Replay(host, options.rate)
            with Live(console=console, auto_refresh=False, transient=True) as live:
                for figures in replay.run(reports):
                    if console.is_terminal:
                        live.update(figures.render(), refresh=True)
            console.print(replay.figures.render())
    except (MissingFeatureError, PolyvmError, OSError, ValueError) as error:
        print(f"show_views: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

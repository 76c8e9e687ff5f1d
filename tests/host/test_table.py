from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from polyvm.host.deployment import State
from polyvm.host.figures import Row
from polyvm.host.live_flows import FlowFigures
from polyvm.host.sizes import size
from polyvm.host.table import LiveTable, Progress, duration, render
from polyvm.vm import FlowStats, TableStats

ROW = Row(
    name="a",
    version="1.0",
    state=State.LIVE,
    pending=3,
    runs=1200,
    failures=7,
    p50_ns=1_250_000,
    p99_ns=20_000_000,
    memory_bytes=3 * 2**20,
)
PROGRESS = Progress(
    rows=[ROW],
    refused=[(Path("tasks/broken.bundle"), "no zip")],
    lines=1210,
    bad_lines=2,
    pending=3,
    elapsed_s=2.0,
    phase="running",
)


def test_render() -> None:
    output = io.StringIO()
    Console(file=output, width=120).print(render(PROGRESS))
    text = output.getvalue()
    for words in ("1,200", "1.25 ms", "20.0 ms", "3.0 MiB", "broken.bundle", "refused"):
        assert words in text
    assert "running · 1,210 lines · 1,200 runs (600/s) · 7 failures · 3 pending · 2.0 s" in text
    assert "2 bad lines" in text


def test_render_flows_and_features() -> None:
    stats = FlowStats(
        **dict.fromkeys(FlowStats.__dataclass_fields__, 0)
        | {"events": 5000, "late": 3, "refused": 4, "bytes": 5 * 2**20, "watermark_ns": 10**18}
    )
    flow = FlowFigures("offers.seen", "offers", ("clicks", "views"), "table seen", stats)
    table = TableStats("seen", 12, 34, 2**21, 8000, 600, 1, 0, 0, 0, 10**18 + 10**9)
    unused = TableStats("unused", 0, 0, 0, 0, 0, 0, 0, 0, 0, None)
    progress = dataclasses.replace(PROGRESS, flows=[flow], tables=[table, unused])
    output = io.StringIO()
    Console(file=output, width=160).print(render(progress))
    lines = {line.split()[1]: line for line in output.getvalue().splitlines() if "│" in line}
    for words in ("clicks, views", "table seen", " 5,000 ", " 2,500 ", " 7 ", "5.0 MiB"):
        assert words in lines["offers.seen"]
    assert "2001-09-09 01:46:40" in lines["offers.seen"]
    for words in (" 12 ", " 34 ", "2.0 MiB", " 8,000 ", " 4,000 ", " 600 ", " 300 ", "01:46:41"):
        assert words in lines["seen"]
    assert lines["unused"].rstrip(" │").endswith("-")


def test_live_table_redraws_and_leaves_nothing() -> None:
    output = io.StringIO()
    table = LiveTable(Console(file=output, width=120, force_terminal=True))
    table.show(PROGRESS)
    assert "1,200" in output.getvalue()
    table.close()
    assert output.getvalue().endswith("\x1b[2K")  # the last line is erased


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (123_456_789, "123 ms"),
        (61_000_000_000, "61.0 s"),
        (3_600_000_000_000, "3600 s"),
    ],
)
def test_duration(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_size() -> None:
    assert (size(2048), size(2**21)) == ("2 KiB", "2.0 MiB")

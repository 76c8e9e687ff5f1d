"""``polyvm top``: what a running host does, live."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import sys
import termios
import time
import tty
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from polyvm.host.api import client
from polyvm.host.breakers import Hold, State
from polyvm.host.cli import breaker
from polyvm.host.errors import ExitCode
from polyvm.host.flow_table import FlowLine, TableLine, of_flows, of_tables
from polyvm.host.sizes import size
from polyvm.host.table import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polyvm.host.api.client import HostClient

_EVERY = 1.0  # seconds between frames
_FILE_WIDTH = 140  # Rich takes 80 columns where there is no terminal
_QUIT = "q"

# Key, title, and what to sort by; the first is the order at the start.
_ORDERS: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "n": ("name", lambda task: task["name"]),
    "r": ("rate", lambda task: -(task["rate"] or 0)),
    "p": ("pending", lambda task: -task["pending"]),
    "f": ("failures", lambda task: -task["failures"]),
    "l": ("p99 latency", lambda task: -task["p99_us"]),
    "m": ("memory", lambda task: -task["memory_bytes"]),
}
_FIRST = next(iter(_ORDERS))
_KEYS = {title.partition(" ")[0]: key for key, (title, _) in _ORDERS.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--once", action="store_true", help="show one frame and end")
    parser.add_argument("--json", action="store_true", help="a JSON object a frame, for programs")
    parser.add_argument("--sort", choices=_KEYS, default="name", help="(default: %(default)s)")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Show frames until q or Ctrl-C; one only where there is no terminal to show them on."""
    host = client.connect(options)
    frames = _frames(host)
    console = Console()
    with contextlib.suppress(KeyboardInterrupt):
        if options.json:
            for frame in frames:
                print(json.dumps(frame), flush=True)
                if options.once:
                    break
                time.sleep(_EVERY)
        elif options.once or not console.is_terminal:
            wide = console if console.is_terminal else Console(width=_FILE_WIDTH)
            wide.print(render(next(frames), _KEYS[options.sort]))
        else:
            _watch(frames, console, _KEYS[options.sort])
    return ExitCode.OK


def _frames(host: HostClient) -> Iterator[dict[str, Any]]:
    """Ask for a frame when the next one is wanted; add what came a second since the last."""
    before: dict[tuple[str, ...], int] = {}
    last = time.monotonic()
    while True:
        frame: dict[str, Any] = host.get("/v1/tasks")
        frame["flows"] = host.get("/v1/flows")["flows"]
        frame["tables"] = host.get("/v1/features")["tables"]
        now, seen = time.monotonic(), {}
        for one, count, rate, *place in _counts(frame):
            seen[*place, count] = one[count]
            former = before.get((*place, count))
            one[rate] = (one[count] - former) / (now - last) if former is not None else None
        before, last = seen, now
        yield frame


def _counts(frame: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Whatever has counts whose growth is shown, the counts' names, and where the rate goes."""
    for task in frame["tasks"]:
        yield task, "runs", "rate", "task", task["name"], task["version"]
    for flow in frame["flows"]:
        yield flow, "events", "rate", "flow", flow["name"]
    for table in frame["tables"]:
        yield table, "puts", "puts_rate", "table", table["name"]
        yield table, "gets", "gets_rate", "table", table["name"]


def _watch(frames: Iterator[dict[str, Any]], console: Console, order: str) -> None:
    first = next(frames)  # a host that is not there is told before the screen is taken
    with _keys() as pressed, Live(console=console, auto_refresh=False, screen=True) as live:
        frame, due = first, time.monotonic() + _EVERY
        while True:
            live.update(render(frame, order), refresh=True)
            key = pressed(max(0.0, due - time.monotonic()))
            if key == _QUIT:
                return
            order = key if key in _ORDERS else order
            if time.monotonic() >= due:
                frame, due = next(frames), time.monotonic() + _EVERY


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Give a function that waits so many seconds for a key; "" if none was pressed."""
    if not sys.stdin.isatty():

        def wait(seconds: float) -> str:
            time.sleep(seconds)
            return ""

        yield wait
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)

    def read(seconds: float) -> str:
        if not select.select([terminal], [], [], seconds)[0]:
            return ""
        return os.read(terminal, 1).decode("latin-1") or _QUIT

    try:
        yield read
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def render(frame: dict[str, Any], order: str = _FIRST) -> Group:
    """Return the table of one frame, the totals and the keys below."""
    table = Table()
    for title in ("task", "version", "lane", "state", "breaker"):
        table.add_column(title, no_wrap=True)
    for title in ("pending", "running", "runs", "per s", "failures", "p50", "p99", "VMs", "memory"):
        table.add_column(title, justify="right", no_wrap=True)
    for task in sorted(frame["tasks"], key=_ORDERS[order][1]):
        table.add_row(
            task["name"],
            task["version"],
            task["lane"],
            _state(task),
            _breaker(task["breaker"]),
            f"{task['pending']:,}",
            f"{task['running']:,}",
            f"{task['runs']:,}",
            f"{task['rate']:,.0f}" if task["rate"] is not None else "-",
            Text(f"{task['failures']:,}", style="red" if task["failures"] else ""),
            duration(int(task["p50_us"] * 1000)) if task["runs"] else "-",
            duration(int(task["p99_us"] * 1000)) if task["runs"] else "-",
            f"{task['vms']:,}",
            size(task["memory_bytes"]) if task["memory_bytes"] else "-",
        )
    refused = [f"refused: {each['path']}: {each['reason']}" for each in frame["refused"]]
    lines = [
        Text(_totals(frame), style="dim"),
        Text(_lanes(frame), style="dim"),
        _threads(frame["threads"]),
        *(Text(each, style="red") for each in [*_resting(frame), *refused]),
    ]
    help_line = " · ".join(f"{key} {title}" for key, (title, _) in _ORDERS.items())
    lines.append(Text(f"sorted by {_ORDERS[order][0]} · {help_line} · {_QUIT} quit", style="dim"))
    return Group(table, *_data(frame), *lines)


def _data(frame: dict[str, Any]) -> Iterator[Table]:
    """Flows and tables of features, where there are any."""
    if frame["flows"]:
        yield of_flows(
            FlowLine(
                name=flow["name"],
                streams=tuple(flow["from"]),
                into=flow["into"],
                events=flow["events"],
                rate=flow["rate"],
                rows=flow["rows"],
                lost=flow["late"] + flow["dropped"] + flow["refused"],
                keys=flow["keys"],
                bytes=flow["bytes"],
                watermark_s=flow["watermark"],
            )
            for flow in frame["flows"]
        )
    if frame["tables"]:
        yield of_tables(
            TableLine(
                name=table["name"],
                keys=table["keys"],
                rows=table["rows"],
                bytes=table["bytes"],
                writes=table["puts"],
                writes_s=table["puts_rate"],
                reads=table["gets"],
                reads_s=table["gets_rate"],
                newest_s=table["newest_ns"] / 10**9 if table["newest_ns"] is not None else None,
            )
            for table in frame["tables"]
        )


def _state(task: dict[str, Any]) -> Text:
    if not task["enabled"]:
        return Text("disabled", style="red")
    if task["paused"]:
        return Text("paused", style="yellow")
    return Text(task["state"], style="green" if task["state"] == "live" else "yellow")


def _totals(frame: dict[str, Any]) -> str:
    tasks = frame["tasks"]
    rate = sum(task["rate"] or 0 for task in tasks)
    memory = sum(task["memory_bytes"] for task in tasks)
    return " · ".join(
        [
            f"{len({task['name'] for task in tasks}):,} tasks",
            f"{sum(task['pending'] for task in tasks):,} pending",
            f"{sum(task['runs'] for task in tasks):,} runs ({rate:,.0f}/s)",
            f"{sum(task['failures'] for task in tasks):,} failures",
            f"{size(memory)} in VMs",
        ]
    )


def _lanes(frame: dict[str, Any]) -> str:
    parts = []
    for lane in frame["lanes"]:
        off = "" if lane["enabled"] else " disabled"
        off = " paused" if lane["enabled"] and lane["paused"] else off
        parts.append(
            f"{lane['name']}{off} {lane['pending']:,} pending, {lane['running']:,} running"
        )
    return "lanes: " + " · ".join(parts)


def _threads(threads: dict[str, int]) -> Text:
    parts = [f"threads: {threads['threads']:,}", f"{threads['stuck']:,} stuck"]
    if threads["unserved"]:
        parts.append(f"{threads['unserved']:,} workers without one")
    parts.append(f"{threads['pauses']:,} pauses of low runs")
    bad = threads["stuck"] or threads["unserved"]
    return Text(" · ".join(parts), style="red" if bad else "dim")


def _resting(frame: dict[str, Any]) -> list[str]:
    """A sentence for each breaker that is not closed by its rules; versions of a task share one."""
    breakers = {task["name"]: task["breaker"] for task in frame["tasks"]}
    return [
        f"breaker of {name} is {breaker.sentence(seen)}"
        for name, seen in sorted(breakers.items())
        if seen is not None and (seen["state"] != State.CLOSED or seen["hold"] != Hold.AUTO)
    ]


def _breaker(seen: dict[str, Any] | None) -> Text:
    if seen is None:  # of a task that is not live any more
        return Text("-")
    if seen["hold"] != Hold.AUTO:
        return Text(f"held {seen['hold']}", style="red")
    if seen["state"] == State.CLOSED:
        return Text(seen["state"], style="green")
    rest = f" {seen['remaining_s']:.1f} s" if seen["remaining_s"] else ""
    return Text(f"{seen['state']}{rest}", style="red" if seen["state"] == State.OPEN else "yellow")

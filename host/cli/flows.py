"""``polyvm flows``: the flows of a running host, and their figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from polyvm.host.api import client
from polyvm.host.errors import ExitCode
from polyvm.host.flow_table import moment

if TYPE_CHECKING:
    import argparse

_FILE_WIDTH = 160  # Rich takes 80 columns where there is no terminal
_COUNTS = ("events", "rows", "late", "dropped", "refused", "keys", "bytes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="JSON lines, with all figures")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """List the flows."""
    flows = client.connect(options).get("/v1/flows")["flows"]
    if options.json:
        for flow in flows:
            print(json.dumps(flow, ensure_ascii=False))
    else:
        _show(flows)
    return ExitCode.OK


def _show(flows: list[dict[str, Any]]) -> None:
    table = Table()
    for title in ("flow", "from", "into"):
        table.add_column(title, no_wrap=True)
    for title in (*_COUNTS, "watermark"):
        table.add_column(title, justify="right", no_wrap=True)
    for flow in flows:
        counts = (f"{flow[count]:,}" for count in _COUNTS)
        places = (flow["name"], ", ".join(flow["from"]), flow["into"])
        table.add_row(*places, *counts, moment(flow["watermark"]))
    console = Console()
    (console if console.is_terminal else Console(width=_FILE_WIDTH)).print(table)

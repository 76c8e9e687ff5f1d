"""``polyvm breaker list|open|close|auto [TASK]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from polyvm.host.api import client
from polyvm.host.breakers import Hold, Reason, State
from polyvm.host.errors import ExitCode, UsageError

if TYPE_CHECKING:
    import argparse

_LIST = "list"
_FILE_WIDTH = 120  # Rich takes 80 columns where there is no terminal
_WHY = {
    Reason.NONE: "",
    Reason.CONSECUTIVE: "failures in a row",
    Reason.RATE: "the rate of failures",
    Reason.TIMEOUTS: "time-outs in a row",
    Reason.CRASHES: "crashes",
    Reason.OPERATOR: "an operator's order",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "verb",
        choices=[_LIST, "open", "close", "auto"],
        help="open: hold it open, so that the task takes no work; close: hold it closed, whatever "
        "fails; auto: by the manifest's rules again, and closed at first, which ends a rest early",
    )
    parser.add_argument("task", metavar="TASK", nargs="?", help="to list: all, if none is named")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """List breakers; or force one, and say what it is then."""
    if options.verb != _LIST and options.task is None:
        raise UsageError(f"which task? use `polyvm breaker {options.verb} TASK`")
    host = client.connect(options)
    target = f"/v1/tasks/{quote(options.task or '', safe='')}:breaker"
    if options.verb != _LIST:
        answer = host.post(f"{target}-{options.verb}")
        print(f"breaker of task {answer['name']} is {sentence(answer['breaker'])}")
    elif options.task is not None:
        _show([host.get(target)])
    else:
        _show(host.get("/v1/breakers")["breakers"])
    return ExitCode.OK


def sentence(breaker: dict[str, Any]) -> str:
    """Say how a breaker stands, in words that go on after "is"."""
    if breaker["hold"] != Hold.AUTO:
        return f"held {breaker['hold']}"
    if breaker["state"] == State.CLOSED:
        return "closed, by its rules"
    return f"{breaker['state']} because of {_WHY[Reason(breaker['reason'])]}, by its rules"


def _show(entries: list[dict[str, Any]]) -> None:
    table = Table()
    for title in ("task", "breaker", "held", "because of"):
        table.add_column(title, no_wrap=True)
    for title in ("rests for", "failures", "openings", "refused"):
        table.add_column(title, justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(entry["name"], *_cells(entry["breaker"]))
    console = Console()
    (console if console.is_terminal else Console(width=_FILE_WIDTH)).print(table)


def _cells(breaker: dict[str, Any]) -> list[str]:
    return [
        breaker["state"],
        "yes" if breaker["hold"] != Hold.AUTO else "",
        _WHY[Reason(breaker["reason"])],
        f"{breaker['remaining_s']:.1f} s" if breaker["remaining_s"] else "",
        f"{breaker['failures']:,}",
        f"{breaker['openings']:,}",
        f"{breaker['refused']:,}",
    ]

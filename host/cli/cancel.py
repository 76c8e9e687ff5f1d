"""``polyvm cancel ID``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from polyvm.host.api import client
from polyvm.host.errors import ExitCode

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("id", metavar="ID", help="as `:run?wait=false` of the API answered it")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Have it cancelled. What runs may yet end by itself before that reaches it."""
    target = f"/v1/invocations/{quote(options.id, safe='')}"
    answer = client.connect(options).delete(target)
    print(f"invocation {answer['id']} of task {answer['task']} is cancelled")
    return ExitCode.OK

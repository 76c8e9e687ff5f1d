"""``polyvm jobs [run NAME]``: the jobs of a running host."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from polyvm.host.api import client
from polyvm.host.errors import ExitCode, UsageError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "verb", metavar="run", nargs="?", choices=["run"], help="run one now (default: list them)"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="of the job")
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print a JSON object for each job, or have one run."""
    host = client.connect(options)
    if options.verb is None:
        for job in host.get("/v1/jobs")["jobs"]:
            sys.stdout.buffer.write(msgspec.json.encode(job) + b"\n")
        return ExitCode.OK
    if options.name is None:
        raise UsageError("which job is to run? name it: polyvm jobs run NAME")
    host.post(f"/v1/jobs/{quote(options.name, safe='')}:run")
    print(f"job {options.name} runs as soon as it can")
    return ExitCode.OK

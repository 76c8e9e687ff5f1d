"""``polyvm pack DIR [-o OUT]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host import packer
from polyvm.host.errors import ExitCode

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder that holds a task.toml")
    add_output(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare where a bundle goes."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        help="file, or folder to put NAME-VERSION.bundle in (default: the working directory)",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Pack and say where the bundle is."""
    path = packer.pack(options.folder, options.output)
    print(f"{path} ({path.stat().st_size:,} bytes)")
    return ExitCode.OK

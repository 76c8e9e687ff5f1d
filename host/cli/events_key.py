"""``--events-key``: the key of sealed streams, for all commands that open a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from polyvm.host.sealing import EVENTS_KEY_VARIABLE as VARIABLE

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--events-key",
        metavar="SPEC",
        help="PATH, env:NAME or cmd:COMMAND of the key of sensitive streams (default: "
        f"${VARIABLE})",
    )


def spec(options: argparse.Namespace) -> str | None:
    """Return where the key is: as the option says, or else the environment; None: there is none."""
    return options.events_key or os.environ.get(VARIABLE) or None

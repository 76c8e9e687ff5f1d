"""The options of the commands that meet sealed bundles, and the policy they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host.admission import Policy

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, *, takes_plain: bool = True) -> None:
    """Declare the options, of a command that takes plain bundles too or not."""
    group = parser.add_argument_group("sealed bundles")
    group.add_argument("--keys", metavar="DIR", type=Path, help="the key folder")
    group.add_argument(
        "--state", metavar="DIR", type=Path, help="where the newest sequence of each task is kept"
    )
    group.add_argument(
        "--host-key",
        metavar="SPEC",
        action="append",
        default=[],
        help="PATH, env:NAME or cmd:COMMAND of a secret key, repeatable (default: the key "
        "folder's own)",
    )
    if takes_plain:
        group.add_argument(
            "--require-sealed", action="store_true", help="refuse what is not sealed"
        )
    else:
        parser.set_defaults(require_sealed=True)
    parser.add_argument(
        "--no-process-tasks", action="store_true", help="refuse tasks that run in processes"
    )
    group.add_argument(
        "--allow-downgrade", action="store_true", help="run bundles older than the newest seen"
    )


def policy(options: argparse.Namespace) -> Policy:
    """Return what the options say."""
    return Policy(
        keys=options.keys,
        state=options.state,
        host_keys=tuple(options.host_key),
        require_sealed=options.require_sealed,
        process_tasks=not options.no_process_tasks,
        allow_downgrade=options.allow_downgrade,
    )

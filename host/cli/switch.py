"""``polyvm switch task|lane|trigger NAME enable|disable|pause|resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from polyvm.host.api import client
from polyvm.host.errors import ExitCode
from polyvm.host.switches import KINDS, Verb

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("kind", choices=KINDS, help="what to switch")
    parser.add_argument(
        "name", metavar="NAME", help="of the task, or core, regular or low; TASK.NAME for a trigger"
    )
    parser.add_argument(
        "verb",
        choices=[verb.value for verb in Verb],
        help="disable: it takes no work, and input lines are not for it; pause: callers and the "
        "feed wait",
    )
    client.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Switch, and say what the switch is then."""
    target = f"/v1/{options.kind}s/{quote(options.name, safe='')}:{options.verb}"
    setting = client.connect(options).post(target)
    state = ", ".join(
        (
            "enabled" if setting["enabled"] else "disabled",
            *(["paused"] if setting["paused"] else []),
        )
    )
    print(f"{options.kind} {setting['name']} is {state}")
    return ExitCode.OK

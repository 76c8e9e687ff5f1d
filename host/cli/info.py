"""``polyvm info [--json]``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from polyvm.engine import blas, libraries
from polyvm.host.errors import ExitCode, MissingError
from polyvm.vm import info

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument("--modules", action="store_true", help="also list the modules VMs have")


def run(options: argparse.Namespace) -> ExitCode:
    """Print what the VMs are made of."""
    try:
        libraries.load_for_vms()
    except RuntimeError as error:
        raise MissingError(f"{blas.SWITCH}: {error}") from error
    facts = {**dataclasses.asdict(info()), **libraries.describe()}
    facts["bytecode_magic"] = facts["bytecode_magic"].hex()
    facts["library_path"] = str(facts["library_path"])
    modules = list(facts.pop("modules"))
    if options.json:
        print(json.dumps({**facts, "modules": modules}, indent=2))
        return ExitCode.OK
    width = max(map(len, facts))
    for name, value in facts.items():
        text = f"{value:,}" if type(value) is int else str(value)
        print(f"{name.replace('_', ' '):{width}}  {text}")
    print(f"{'modules':{width}}  {len(modules)}")
    if options.modules:
        print("\n".join(modules))
    return ExitCode.OK

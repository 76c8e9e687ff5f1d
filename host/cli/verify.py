"""``polyvm verify FILE...``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from polyvm.host import log
from polyvm.host.admission import Admission
from polyvm.host.cli import policy
from polyvm.host.errors import ExitCode, NotRecipientError, PolyvmError
from polyvm.host.sealing.opener import open_sealed
from polyvm.vm import info

if TYPE_CHECKING:
    import argparse

_WHERE = {"vm": "for VMs", "process": "for processes"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="sealed bundles")
    policy.add_arguments(parser, takes_plain=False)


def run(options: argparse.Namespace) -> ExitCode:
    """Say of each file whether this host would run it; the code is that of the first refusal."""
    log.configure()
    admission = Admission(policy.policy(options), info().bytecode_magic)
    code = ExitCode.OK
    for path in options.files:
        try:
            print(f"{path}: {_verify(path, admission)}", flush=True)
        except PolyvmError as error:
            print(f"polyvm: {error}", file=sys.stderr, flush=True)
            code = code or error.code
    return code


def _verify(path: Path, admission: Admission) -> str:
    with open_sealed(path) as sealed:
        seal = admission.prove(sealed)
        header = sealed.header
        admission.check_sequence(header.name, seal, path)
        try:
            admission.unseal(sealed, seal)
        except NotRecipientError:
            opened = "not opened, as no key here is a recipient's"
        else:
            opened = "opened, bytecode checked"
    return (
        f"{header.name} {header.version}, {_WHERE[header.isolation]}, sequence {seal.sequence}, "
        f"signed by {seal.publisher}; {opened}"
    )

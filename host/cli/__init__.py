"""The ``polyvm`` command. One module a subcommand, imported when it is the one asked for."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from polyvm.host.errors import ExitCode, PolyvmError, RuntimeMissingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_COMMANDS = {
    "run": "run all tasks of a folder at once and feed them",
    "top": "watch a running host",
    "switch": "stop and start the work of a task, lane or trigger of a running host",
    "breaker": "tell of the circuit breakers of a running host, and force them",
    "jobs": "list the jobs of a running host, and run one now",
    "call": "run one invocation of one task, here or on a running host, and print its result",
    "cancel": "end one invocation of a running host",
    "flows": "list the flows of a running host, with their figures",
    "events": "read the events that a host has kept",
    "features": "read and write the feature tables of a running host",
    "series": "read the numbers of a field of these over time, by steps",
    "sql": "ask kept events and feature tables by SQL",
    "pack": "pack a task folder into a bundle",
    "seal": "sign and encrypt tasks for the hosts that may run them",
    "inspect": "tell what a bundle says of itself, without any key",
    "verify": "tell whether this host would run sealed bundles",
    "dev": "run a task folder under ordinary Python, for debugging",
    "model": "plan, check, convert, quantize and prune models in ONNX",
    "keygen": "make a key pair of a publisher or a host",
    "keys": "list, trust, revoke and rotate keys",
    "info": "tell what the VMs are made of",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code. Never shows a traceback of its own making."""
    try:
        try:
            code = _dispatch(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()
    except PolyvmError as error:
        print(f"polyvm: {error}", file=sys.stderr)
        code = error.code
    except KeyboardInterrupt:
        print("polyvm: interrupted", file=sys.stderr)
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. The flush at exit would say so again.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    return int(code)


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["run"] and "--supervise" in arguments:
        # Before anything of the library is loaded: hardly anything can happen to this process.
        from polyvm.host import supervisor

        return supervisor.supervise(supervisor.command_of(arguments))
    parser = argparse.ArgumentParser(
        prog="polyvm",
        description="Many small Python tasks in one process, each in its own interpreter.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # Only the module of the command that is named is imported: help for the others is one line.
    named = next((word for word in arguments if not word.startswith("-")), None)
    module = None
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        if name == named:
            module = _import(name)
            module.add_arguments(command)
    options = parser.parse_args(arguments)
    assert module is not None, "argparse has refused any other name"
    return int(_guarded(module.run, options))


def _import(command: str) -> ModuleType:
    try:
        return import_module(f"polyvm.host.cli.{command}")
    except (ImportError, OSError) as error:
        # All but `dev` need the VM library, and its binding says what to do where it is missing.
        raise RuntimeMissingError(str(error)) from None


def _guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a command; errors of the VM library become sentences."""
    try:
        return int(run(options))
    except Exception as error:
        vm = sys.modules.get("polyvm.vm")
        if vm is not None and isinstance(error, vm.VmError):
            raise PolyvmError(str(error)) from None
        raise

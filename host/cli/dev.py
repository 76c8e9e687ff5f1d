"""``polyvm dev TASK [JSON | --input FILE] [--trigger NAME]``."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from polyvm.host import dev, dev_triggers, finder
from polyvm.host.errors import ExitCode, MissingError, UsageError
from polyvm.host.lines import OverlongLine, read_lines
from polyvm.host.payload import from_json, to_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("task", metavar="TASK", help="task folder, or its name under tasks/")
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "payload", metavar="JSON", nargs="?", default="null", help="the payload (default: null)"
    )
    given.add_argument(
        "--input", metavar="FILE", help="JSON lines, of which the task's own are taken; - is stdin"
    )
    parser.add_argument(
        "--trigger",
        metavar="NAME",
        help="what this timer gives to the task when it fires; of a trigger that counts a stream, "
        "what it gives while the lines of --input come in",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Print each result as a line of JSON; tracebacks go to stderr."""
    code = ExitCode.OK
    with dev.opened(finder.find(options.task)) as task:
        payloads = _payloads(options, task)
        for line, payload in payloads:
            answer = task(payload)
            if answer.failure is None:
                print(to_json(answer.value))
            else:
                code = ExitCode.FAILED
                print(f"line {line}: {answer.failure}", file=sys.stderr)
    return code


def _payloads(options: argparse.Namespace, task: dev.OrdinaryTask) -> Iterable[tuple[int, Any]]:
    if options.trigger is None:
        return _lines(options.input, task) if options.input else _one(options.payload)
    trigger = dev_triggers.find(task.manifest, options.trigger)
    if trigger.kind != "stream":
        return [(1, dev_triggers.of_timer(options.trigger))]
    if options.input is None:
        raise UsageError(f"trigger {options.trigger} counts events; give some with --input FILE")
    return dev_triggers.of_counter(options.trigger, trigger, _lines(options.input, None))


def _one(text: str) -> Iterator[tuple[int, Any]]:
    try:
        yield 1, from_json(text.encode())[0]
    except ValueError as error:
        raise UsageError(f"payload {error}") from None


def _lines(source: str, task: dev.OrdinaryTask | None) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(read_lines(source, threading.Event()), start=1):
        if isinstance(line, OverlongLine):
            raise MissingError(f"{source}:{number}: line is too long")
        if line.strip():
            try:
                payload, _ = from_json(line)
            except ValueError as error:
                print(f"{source}:{number}: {error}", file=sys.stderr)
                continue
            if task is None or task.takes(payload):
                yield number, payload

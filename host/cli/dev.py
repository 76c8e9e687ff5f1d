"""``polyvm dev TASK [--input FILE|JSON]``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm.host import dev, finder
from polyvm.host.errors import ExitCode, MissingError, UsageError
from polyvm.host.lines import OverlongLine, read_lines
from polyvm.host.payload import from_json, to_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("task", metavar="TASK", help="task folder, or its name under tasks/")
    parser.add_argument(
        "--input",
        metavar="FILE|JSON",
        default="null",
        help="one payload, or a file of JSON lines, of which the task's own are taken "
        "(default: %(default)s)",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Print each result as a line of JSON; tracebacks go to stderr."""
    code = ExitCode.OK
    with dev.opened(finder.find(options.task)) as task:
        for line, payload in _payloads(options.input, task):
            answer = task(payload)
            if answer.failure is None:
                print(to_json(answer.value))
            else:
                code = ExitCode.FAILED
                print(f"line {line}: {answer.failure}", file=sys.stderr)
    return code


def _payloads(source: str, task: dev.OrdinaryTask) -> Iterator[tuple[int, Any]]:
    if not _is_file(source):
        try:
            yield 1, from_json(source.encode())[0]
        except ValueError as error:
            raise UsageError(f"--input {source[:80]!r} is no file, and {error}") from None
        return
    for number, line in enumerate(read_lines(source, threading.Event()), start=1):
        if isinstance(line, OverlongLine):
            raise MissingError(f"{source}:{number}: line is too long")
        if line.strip():
            try:
                payload, _ = from_json(line)
            except ValueError as error:
                print(f"{source}:{number}: {error}", file=sys.stderr)
                continue
            if task.takes(payload):
                yield number, payload


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # a JSON text that is no possible path
        return False

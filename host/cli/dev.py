"""``polyvm dev TASK [JSON | --input FILE] [--trigger NAME] [--events DIR] [--flows FILE] ...``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm.host import dev, dev_triggers, event_fields, finder, log
from polyvm.host.cli import events_key
from polyvm.host.errors import ExitCode, MissingError, UsageError
from polyvm.host.lines import OverlongLine, read_lines
from polyvm.host.payload import from_json, to_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from polyvm.host.dev import Answer, OrdinaryTask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("task", metavar="TASK", help="task folder, or its name under tasks/")
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "payload", metavar="JSON", nargs="?", default="null", help="the payload (default: null)"
    )
    given.add_argument(
        "--input",
        metavar="FILE",
        help="JSON lines: the task's own are taken, and as events they go to its triggers and "
        "through flows; - is stdin",
    )
    parser.add_argument(
        "--trigger",
        metavar="NAME",
        help="what this timer gives to the task when it fires; of a trigger that counts a stream, "
        "what it gives while the lines of --input come in",
    )
    parser.add_argument(
        "--events",
        metavar="DIR",
        type=Path,
        help="keep every event there, and the rows of feature tables, as `polyvm run` does",
    )
    parser.add_argument(
        "--streams",
        metavar="FILE.toml",
        type=Path,
        help="what events of the streams in --events are like",
    )
    events_key.add_arguments(parser)
    parser.add_argument(
        "--flows",
        metavar="FILE.toml",
        type=Path,
        help="flows over streams of events, and tables of features, that belong to no task",
    )
    parser.add_argument(
        "--event-field",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what is taken for an event's type, page, id, key or time, such as key=user_id",
    )


def run(options: argparse.Namespace) -> ExitCode:
    """Print each result as a line of JSON; tracebacks go to stderr."""
    log.configure()
    code = ExitCode.OK
    with dev.opened(finder.find(options.task), _beside(options)) as task:
        for lost in task.losses:
            print(f"events lost: {lost}", file=sys.stderr)
        for answer in _answers(options, task):
            if answer.failure is None:
                print(to_json(answer.value))
            else:
                code = ExitCode.FAILED
                place = f"line {answer.line}" if answer.line else "after the input"
                print(f"{place}: {answer.failure}", file=sys.stderr)
    return code


def _beside(options: argparse.Namespace) -> dev.Options:
    return dev.Options(
        events=options.events,
        streams=options.streams,
        events_key=events_key.spec(options) if options.events is not None else None,
        flows=options.flows,
        event_fields=event_fields.parse(options.event_field),
    )


def _answers(options: argparse.Namespace, task: OrdinaryTask) -> Iterator[Answer]:
    if options.trigger is None and options.input is not None:
        for number, payload in _lines(options.input, task.bad_line):
            yield from task.line(payload, number, options.input)
        yield from task.end()
        return
    for number, payload in _payloads(options, task):
        yield task.run(payload, number)
        yield from task.started()


def _payloads(options: argparse.Namespace, task: OrdinaryTask) -> Iterable[tuple[int, Any]]:
    if options.trigger is None:
        return _one(options.payload)
    trigger = dev_triggers.find(task.manifest, options.trigger)
    if trigger.kind != "stream":
        return [(1, dev_triggers.of_timer(options.trigger))]
    if options.input is None:
        raise UsageError(f"trigger {options.trigger} counts events; give some with --input FILE")
    return dev_triggers.of_counter(options.trigger, trigger, _lines(options.input))


def _one(text: str) -> Iterator[tuple[int, Any]]:
    try:
        yield 1, from_json(text.encode())[0]
    except ValueError as error:
        raise UsageError(f"payload {error}") from None


def _lines(
    source: str, bad: Callable[[bytes, str, str], None] | None = None
) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(read_lines(source, threading.Event()), start=1):
        if isinstance(line, OverlongLine):
            raise MissingError(f"{source}:{number}: line is too long")
        if line.strip():
            try:
                payload, _ = from_json(line)
            except ValueError as error:
                print(f"{source}:{number}: {error}", file=sys.stderr)
                if bad is not None:
                    bad(line, f"the line {error}", f"{source}:{number}")
                continue
            yield number, payload

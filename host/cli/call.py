"""``polyvm call TASK [JSON]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm.host import finder, loader, log, results
from polyvm.host.admission import Admission
from polyvm.host.api import client
from polyvm.host.api.request import RunOptions, run_options
from polyvm.host.cli import policy
from polyvm.host.deployment import LANES
from polyvm.host.errors import ExitCode, UsageError
from polyvm.host.isolation import ProcessRunner
from polyvm.host.payload import from_json, to_json
from polyvm.host.runners import Runners
from polyvm.host.sources import Sources
from polyvm.vm import Executor, Limits, collect_logs, info

if TYPE_CHECKING:
    import argparse

    from polyvm.host.bundle import Bundle
    from polyvm.vm import Completion

_CODES = {
    "timed_out": ExitCode.TIMED_OUT,
    "cancelled": ExitCode.INTERRUPTED,
    "rejected": ExitCode.TRY_AGAIN,
}
_WAIT_MS = 100  # how soon Ctrl-C is noticed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "task",
        metavar="TASK",
        help="bundle, task folder, or name under tasks/; with --socket or --url: a live task",
    )
    parser.add_argument(
        "payload", metavar="JSON", nargs="?", default="null", help="- reads it from stdin"
    )
    parser.add_argument(
        "--deadline", metavar="TIME", help="such as 500ms, to its end (default: the task's own)"
    )
    parser.add_argument(
        "--priority", metavar="N", help="-100 to 100, the higher sooner (default: the task's own)"
    )
    client.add_arguments(parser)
    parser.add_argument(
        "--bundles",
        metavar="DIR",
        type=Path,
        default=loader.PACKED,
        help="where the bundle of a source folder lands (default: %(default)s)",
    )
    policy.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Print the result as JSON, or the traceback on stderr; the exit code tells the outcome."""
    log.configure()
    text = sys.stdin.buffer.read() if options.payload == "-" else options.payload.encode()
    try:
        _, payload = from_json(text)
    except ValueError as error:
        raise UsageError(f"payload {error}") from None
    how = _how(options)
    if options.socket is not None or options.url is not None:
        return _ask(options, text)
    admission = Admission(policy.policy(options), info().bytecode_magic)
    bundle = loader.load(finder.find(options.task), admission, options.bundles)
    admission.admit(bundle)
    completion = _invoke(bundle, payload, how)
    fields = results.record(completion, bundle.manifest)
    if "error" in fields:
        return _tell(fields)
    print(to_json(fields["result"]))
    return ExitCode.OK


def _how(options: argparse.Namespace) -> RunOptions:
    """Read the options that the API has too, by its rules."""
    try:
        return run_options(_parameters(options), {})
    except ValueError as error:
        raise UsageError(str(error)) from None


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    given = {"deadline": options.deadline, "priority": options.priority}
    return {name: text for name, text in given.items() if text is not None}


def _ask(options: argparse.Namespace, payload: bytes) -> ExitCode:
    """Run it on the host that the options name."""
    answer = client.connect(options).run(options.task, payload, _parameters(options))
    if "result" in answer.body:
        print(to_json(answer.body["result"]))
        return ExitCode.OK
    if "outcome" in answer.body:
        return _tell(answer.body)
    print(f"polyvm: {answer.body['error']}", file=sys.stderr)
    return ExitCode.TRY_AGAIN if answer.retry else ExitCode.UNAVAILABLE


def _tell(fields: dict[str, Any]) -> ExitCode:
    print(f"{fields['outcome']}: {fields['error']}", file=sys.stderr)
    return _CODES.get(fields["outcome"], ExitCode.FAILED)


def _invoke(bundle: Bundle, payload: bytes, how: RunOptions) -> Completion:
    """Run the task once, logging what it prints. Ctrl-C ends the process in any case."""
    logger = log.get()
    manifest = bundle.manifest
    lane, limits = LANES[manifest.lane], Limits(**manifest.limits.amounts)
    executor = Executor(workers=1)
    processes = ProcessRunner(executor)
    runners = Runners(executor, processes)
    in_process = isinstance(bundle.program, Sources)
    collect_records = processes.collect_logs if in_process else collect_logs
    task = runners.add(bundle.program, lane, limits)
    try:
        runners.submit(task, payload, deadline_ns=how.deadline_ns, priority=how.priority)
        # Not invoke(): it would wait in C, where no signal reaches Python.
        completions: list[Completion] = []
        while not completions:
            completions = executor.collect(1, _WAIT_MS)
            while records := collect_records(timeout_ms=0)[0]:
                for record in records:
                    log.task_record(logger, record)
    except KeyboardInterrupt:
        # The task may never end, and stopping the executor would wait for it.
        print("polyvm: interrupted", file=sys.stderr, flush=True)
        os._exit(ExitCode.INTERRUPTED)
    processes.stop(0)
    executor.close()
    return completions[0]

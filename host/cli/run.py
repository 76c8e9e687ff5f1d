"""``polyvm run TASKS [--input FILE.jsonl] [--output FILE.jsonl] ...``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from polyvm.host import event_fields, loader, log, operators, supervisor
from polyvm.host.cli import events_key, policy, serving
from polyvm.host.errors import ExitCode, MissingError, PolyvmError, UsageError
from polyvm.host.event_store import Keeping, keeping
from polyvm.host.sealing.history import default_folder
from polyvm.host.service import Options, Service

_WORKERS = range(1, 257)  # PVM_MAX_WORKERS of vm.h
_FILE_WIDTH = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "tasks", metavar="TASKS", type=Path, help="folder of bundles and task folders, or one task"
    )
    parser.add_argument(
        "--input",
        metavar="FILE.jsonl",
        help="one payload a line, also .gz; - is stdin; ends the run (default: watch TASKS only)",
    )
    parser.add_argument(
        "--output", metavar="FILE.jsonl", help="one result a line; - is stdout (default: none)"
    )
    parser.add_argument(
        "--workers", metavar="N", type=_workers, help="worker threads (default: one a core)"
    )
    parser.add_argument(
        "--python",
        metavar="FILE",
        type=Path,
        help='Python that runs tasks with isolation "process"; it needs polyvm installed '
        "(default: this one)",
    )
    parser.add_argument("--no-table", action="store_true", help="log lines instead of the table")
    parser.add_argument(
        "--keep-running", action="store_true", help="go on watching TASKS after the input's end"
    )
    parser.add_argument(
        "--bundles",
        metavar="DIR",
        type=Path,
        default=loader.PACKED,
        help="where bundles of source folders land (default: %(default)s)",
    )
    parser.add_argument(
        "--journal",
        metavar="DIR",
        type=Path,
        help="keep accepted work there, so that the next host goes on with it if this one dies",
    )
    parser.add_argument(
        "--supervise",
        action="store_true",
        help="run in a child, and start it again when it dies (journal: in the state folder)",
    )
    parser.add_argument(
        "--event-field",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what triggers take for an event's type, page, id, key or time, such as key=user_id; "
        "also unit, ttl, memory, keys, pending (default: see the guide of triggers)",
    )
    parser.add_argument(
        "--events",
        metavar="DIR",
        type=Path,
        help="keep every event there; read them with `polyvm events`",
    )
    parser.add_argument(
        "--keep",
        metavar="LIMIT",
        action="append",
        default=[],
        help="how much of each stream of --events: a time, a size or a count, such as 7d, 10GB or "
        '"1000000 events"; the oldest go first (default: all)',
    )
    parser.add_argument(
        "--synced",
        action="store_true",
        help="sync --events to the disk before an event counts as accepted",
    )
    parser.add_argument(
        "--streams",
        metavar="FILE.toml",
        type=Path,
        help="what events of the streams in --events are like: fields, ids, limits of their own",
    )
    events_key.add_arguments(parser)
    parser.add_argument(
        "--flows",
        metavar="FILE.toml",
        type=Path,
        help="flows over streams of events, tables of features and jobs that belong to no task",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        type=Path,
        help="write when traced invocations came to each stage, for a trace viewer",
    )
    parser.add_argument(
        "--trace-sample",
        metavar="SHARE",
        type=_share,
        default=1.0,
        help="the share of invocations that --trace traces, to 1 (default: %(default)s)",
    )
    serving.add_arguments(parser)
    policy.add_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Run the tasks to the input's end, or until SIGINT or SIGTERM."""
    _check_files(options.input, options.output)
    log.configure()
    belongs_to_none = (
        operators.read(options.flows) if options.flows is not None else operators.Operators()
    )
    service = Service(
        Options(
            tasks=options.tasks,
            input=options.input,
            output=options.output,
            workers=options.workers,
            python=options.python,
            table=not options.no_table,
            keep_running=options.keep_running,
            packed=options.bundles,
            policy=policy.policy(options),
            access=serving.access(options),
            switches=options.switches,
            event_fields=event_fields.parse(options.event_field),
            keeping=_keeping(options),
            flows=belongs_to_none.flows,
            tables=belongs_to_none.tables,
            jobs=belongs_to_none.jobs,
            journal=_journal(options),
            trace=options.trace,
            trace_share=options.trace_sample,
        ),
        _console(to_stderr=options.output == "-"),
    )
    try:
        code = service.run()
    except PolyvmError as error:
        if not service.stuck:
            raise
        print(f"polyvm: {error}", file=sys.stderr)
        code = error.code
    if service.stuck:
        # A worker is in a task that does not end: interpreter shutdown would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _keeping(options: argparse.Namespace) -> Keeping | None:
    if options.events is not None:
        return keeping(
            options.events,
            options.keep,
            synced=options.synced,
            declared=options.streams,
            key=events_key.spec(options),
        )
    if options.events_key is not None:
        raise UsageError("--events-key is the key of --events; give it a folder")
    if options.keep or options.synced or options.streams is not None:
        raise UsageError(
            "--keep, --synced and --streams say how --events keeps events; give it a folder"
        )
    return None


def _journal(options: argparse.Namespace) -> Path | None:
    """Where accepted work is kept. A supervised host always keeps it."""
    if options.journal is not None or supervisor.PID not in os.environ:
        return Path(options.journal) if options.journal is not None else None
    return Path(options.state or default_folder()) / "journal"


def _console(*, to_stderr: bool) -> Console:
    console = Console(stderr=to_stderr)
    # Rich takes 80 columns where there is no terminal, too few for the summary.
    return console if console.is_terminal else Console(stderr=to_stderr, width=_FILE_WIDTH)


def _workers(text: str) -> int:
    if not text.isdecimal() or int(text) not in _WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_WORKERS[-1]}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, more than 0 and up to 1")
    return share


def _check_files(source: str | None, output: str | None) -> None:
    """Refuse what would destroy the output for nothing, or the input."""
    if source is None or source == "-":
        return
    if not Path(source).exists():
        raise MissingError(f"{source}: no such file; --input takes a file of JSON lines, or -")
    if output is None or output == "-" or not Path(output).is_file():
        return
    if Path(source).samefile(output):
        raise UsageError(f"--input and --output are the same file, {source}; choose another output")

"""The host's log: one record a line on stderr, and what tasks print and log among them."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from polyvm.vm import LogRecord


class _Stderr:
    """Whatever sys.stderr is at the time of writing: the live table puts itself in its place."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(*, verbose: bool = False) -> None:
    """Set the log up for this process: coloured text on a terminal, logfmt elsewhere."""
    terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if terminal
        else structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event"], drop_missing=True
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(
                fmt="%H:%M:%S" if terminal else "iso", utc=not terminal
            ),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(_Stderr()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def get() -> Any:
    """Return the host's logger: ``get().info("what happened", key=value)``."""
    return structlog.get_logger()


def task_record(logger: Any, record: LogRecord) -> None:
    """Log what a task printed or logged, under the task's name and at its own level."""
    fields: dict[str, Any] = {"task": record.task, "source": record.source}
    if record.logger:
        fields["logger"] = record.logger
    # Tasks may use any number as a level; the host's log has the five well-known ones.
    level = min(max(record.level // 10 * 10, logging.DEBUG), logging.CRITICAL)
    logger.log(level, record.text, **fields)

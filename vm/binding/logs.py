"""What tasks print and log, collected by the host."""

from __future__ import annotations

from dataclasses import dataclass

from .library import check, ffi, lib, take, text

_SOURCES = ("stdout", "stderr", "logging")


@dataclass(slots=True, frozen=True)
class LogRecord:
    """time_ns: since the epoch. source: "stdout", "stderr" or "logging". level: Python's
    logging levels. logger: its name, "" for printed lines. text: one line or message.
    """

    time_ns: int
    source: str
    level: int
    task: str
    logger: str
    text: str


def collect_logs(max: int = 1024, timeout_ms: int = 100) -> tuple[list[LogRecord], int]:
    """Records in order, waiting for the first, and how many were lost since the last call.

    Records are lost when nobody collects them in time; tasks never wait for a log.
    StateError before the first VM or executor.
    """
    raw = ffi.new("pvm_log[]", max)
    dropped = ffi.new("uint64_t *")
    count = check(lib.pvm_logs_collect(raw, max, timeout_ms, dropped))
    records = [
        LogRecord(
            raw[i].time_ns,
            _SOURCES[raw[i].source],
            raw[i].level,
            text(raw[i].task),
            take(raw[i].logger).decode("utf-8", "replace"),
            take(raw[i].text).decode("utf-8", "replace"),
        )
        for i in range(count)
    ]
    return records, dropped[0]

"""The tasks of a chaos run: most count, some misbehave, each in one of ten ways."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conftest import write_task

if TYPE_CHECKING:
    import random
    from pathlib import Path

LIMITS = """
[limits]
timeout = "200ms"
memory = "64MB"
"""
# A crash ends the host, and a supervisor gives up at 6 restarts within 60 s: so one crash is
# enough for this breaker, and its trials, each of which is another crash, are minutes apart.
CRASH_BREAKER = """
[breaker]
crashes = 1
open = "2m"
max_open = "10m"
"""
BREAKER = """
[breaker]
consecutive = 3
timeouts = 3
"""

# Values of its own for each task: a result that reached the wrong task would be wrong.
ROUNDS = 500  # so that a task takes some time, and the results of minutes fit on a disk
GOOD = """
def run(event):
    total = 0
    for _ in range({rounds}):
        for value in event["values"]: total += value
    return {{"line": event["line"], "sum": {factor} * total}}
"""
MAX_CRASHERS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to misbehave, and the outcomes that its invocations may have beside rejected."""

    what: str
    source: str
    outcomes: frozenset[str]
    breaker: str = BREAKER


KINDS = {
    "hang": Kind(
        "hangs in a loop",
        "def run(event):\n    while True: pass\n",
        frozenset({"timed_out"}),
    ),
    "swallow": Kind(
        "catches Interrupted, and goes on",
        """
        def run(event):
            while True:
                try:
                    while True: pass
                except BaseException:
                    pass
        """,
        frozenset({"timed_out"}),
    ),
    "leak": Kind(
        "keeps ever more memory",
        """
        kept = []
        def run(event):
            while True: kept.append(bytearray(100_000))
        """,
        frozenset({"over_quota", "timed_out"}),
    ),
    "raise": Kind(
        "raises at every call",
        "def run(event):\n    raise ValueError(event['line'])\n",
        frozenset({"failed"}),
    ),
    "recurse": Kind(
        "recurses without end",
        "def run(event):\n    return run(event) + 1\n",
        frozenset({"failed"}),
    ),
    "sleep": Kind(
        "sleeps for an hour",
        "import time\ndef run(event):\n    time.sleep(3600)\n",
        frozenset({"timed_out"}),
    ),
    # Bytecode that no compiler writes, made at run time: a constant that is not there.
    "segfault": Kind(
        "ends the host's process with SIGSEGV",
        """
        def run(event):
            broken = lambda: None
            broken.__code__ = broken.__code__.replace(
                co_consts=(), co_code=bytes([149, 0, 83, 255, 36, 0])
            )
            broken()
        """,
        frozenset({"crashed"}),
        CRASH_BREAKER,
    ),
    "exit": Kind(
        "exits while it is imported",
        "import sys\nsys.exit(3)\ndef run(event):\n    return 1\n",
        frozenset({"failed"}),
    ),
    "flood": Kind(
        "prints without end",
        "def run(event):\n    while True: print('x' * 1000)\n",
        frozenset({"timed_out"}),
    ),
    "huge": Kind(
        "returns a gigabyte",
        "def run(event):\n    return ['x' * 1_000_000] * 1000\n",
        frozenset({"failed", "over_quota", "timed_out"}),
    ),
}


@dataclass(frozen=True, slots=True)
class Population:
    """Tasks by name: the factors of good ones, the kinds of bad ones."""

    good: dict[str, int]
    bad: dict[str, Kind]

    @classmethod
    def of(cls, tasks: int) -> Population:
        """A tenth of the tasks is bad, and one of each kind at least.

        No more than `MAX_CRASHERS` crash, or a supervisor would rightly give up.
        """
        bad = {}
        kinds = list(KINDS)
        for index in range(max(tasks // 10, len(kinds))):
            kind = kinds[index % len(kinds)]
            if kind == "segfault" and index // len(kinds) >= MAX_CRASHERS:
                kind = "raise"
            bad[f"{kind}-{index}"] = KINDS[kind]
        good = {f"count-{index}": index + 1 for index in range(tasks - len(bad))}
        return cls(good, bad)

    def write(self, folder: Path) -> None:
        """Make the tasks' folders."""
        for name, factor in self.good.items():
            write_task(folder / name, GOOD.format(factor=factor, rounds=ROUNDS))
            self._append(folder / name, LIMITS + BREAKER)
        for name, kind in self.bad.items():
            write_task(folder / name, kind.source)
            self._append(folder / name, LIMITS + kind.breaker)

    @staticmethod
    def _append(folder: Path, tables: str) -> None:
        with (folder / "task.toml").open("a", encoding="utf-8") as file:
            file.write(tables)


def write_events(path: Path, lines: int, rand: random.Random) -> list[int]:
    """Write the input; return what a good task of factor 1 sums up for line n, at n - 1."""
    sums = []
    with path.open("w", encoding="utf-8") as file:
        for line in range(1, lines + 1):
            values = [rand.randrange(10**6) for _ in range(8)]
            sums.append(ROUNDS * sum(values))
            file.write(json.dumps({"line": line, "values": values}) + "\n")
    return sums

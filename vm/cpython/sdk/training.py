"""Profile-guided optimisation: compile with counters, run train.py, compile with what it saw.

CPython's own makefile knows the flags of each compiler; only the program to run is ours.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sdk import compiling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sdk.progress import Progress


def instrument(source: Path, jobs: int, env: Mapping[str, str], progress: Progress) -> None:
    """Make an interpreter that counts."""
    compiling.make_python(
        source,
        jobs,
        env,
        progress,
        (
            "CFLAGS_NODIST=" + _joined(source, "CFLAGS_NODIST", "PGO_PROF_GEN_FLAG"),
            "LDFLAGS_NODIST=" + _joined(source, "LDFLAGS_NODIST", "PGO_PROF_GEN_FLAG"),
        ),
    )


def train(source: Path, program: Path, env: Mapping[str, str], progress: Progress) -> float:
    """Run the training program on the counting interpreter; returns its seconds."""
    started = time.monotonic()

    def watch(line: str) -> None:
        progress.update(line.strip())

    # The makefile's variables carry clang's way of naming and merging profiles; gcc writes
    # each object's counts beside it.
    environment = dict(env)
    if make_variable := compiling.make_variable(source, "LLVM_PROF_FILE"):
        name, _, value = make_variable.partition("=")
        environment[name] = value.strip('"')
    progress.run(
        ["./python", "-E", "-s", "-B", str(program)], cwd=source, env=environment, watch=watch
    )
    if merge := compiling.make_variable(source, "LLVM_PROF_MERGER"):
        progress.run(["sh", "-c", merge], cwd=source, env=env)
    return time.monotonic() - started


# GCC's tail duplication, which -fprofile-use switches on, loses the counts of the eval loop:
# all of it would go to the cold, size-optimised section. clang has no such switch.
GCC_KEEPS_COUNTS = "-fno-tracer"


def profile_variables(source: Path) -> tuple[str, ...]:
    """Make variables of the build that uses the profile."""
    flags = _joined(source, "CFLAGS_NODIST", "PGO_PROF_USE_FLAG") + " -Wno-missing-profile"
    if "-fprofile-use" in flags:
        flags += f" {GCC_KEEPS_COUNTS}"
    return (f"CFLAGS_NODIST={flags}",)


def _joined(source: Path, *names: str) -> str:
    return " ".join(filter(None, (compiling.make_variable(source, name) for name in names)))

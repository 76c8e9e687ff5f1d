"""configure and make, driven so that only the interpreter and its library are built."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sdk.options import Options
    from sdk.progress import Progress

# Variables of the caller's environment that would change what is built without changing
# the key it is cached under.
FOREIGN = re.compile(
    r"(PYTHON.*|(C|CPP|LD|CXX|MAKE)FLAGS|MFLAGS|LIBS|CONFIG_SITE|OPT|LLVM_PROFILE_FILE|GCOV_.*|V)"
)

COMPILES = re.compile(r"(?:^|\s)-c\s.*\.c\b|\.c\s.*\s-c\s")


def build_environment(source: Path, compiler: str) -> dict[str, str]:
    """Return the environment of all build tools: the caller's, less what alters results."""
    env = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    env["CC"] = compiler
    env["LC_ALL"] = "C"
    # __DATE__ in sys.version: the release's, so that equal inputs give equal bytes.
    env["SOURCE_DATE_EPOCH"] = str(int((source / "configure").stat().st_mtime))
    return env


def configure(
    source: Path, options: Options, modules: Path, env: Mapping[str, str], progress: Progress
) -> None:
    """Configure in place, with our list of static modules."""
    (source / "Modules/Setup.local").write_bytes(modules.read_bytes())
    checks = 0

    def watch(_line: str) -> None:
        nonlocal checks
        checks += 1
        progress.update(f"{checks} checks")

    progress.run(
        [
            "./configure",
            *options.configure,
            "CFLAGS=",
            f"OPT={' '.join(options.opt)}",
            f"CFLAGS_NODIST={' '.join(options.cflags)}",
        ],
        cwd=source,
        env=env,
        watch=watch,
    )


def make_variable(source: Path, name: str) -> str:
    """Return a variable's value as configure wrote it, unexpanded; empty if it is not there."""
    text = (source / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{name}=[ \t]*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def clean(source: Path, env: Mapping[str, str], progress: Progress, *, keep_profile: bool) -> None:
    """Remove what an earlier, perhaps interrupted, make has left."""
    progress.run(["make", "clean-retain-profile"], cwd=source, env=env)
    if not keep_profile:
        progress.run(["make", "profile-removal"], cwd=source, env=env)


def make_python(
    source: Path,
    jobs: int,
    env: Mapping[str, str],
    progress: Progress,
    variables: Sequence[str] = (),
) -> None:
    """Make the interpreter, its library and its sysconfig data; no shared module, no test.

    variables are make's NAME=VALUE, such as flags added for this run.
    """
    # The second target runs the first one's result, which makefiles before 3.14 do not say.
    base = ["make", *variables]
    planned = subprocess.run(
        [*base, "-n", "python"], cwd=source, env=env, capture_output=True, text=True, check=False
    ).stdout
    total = sum(1 for line in planned.splitlines() if COMPILES.search(line))
    done = 0

    def watch(line: str) -> None:
        nonlocal done
        if COMPILES.search(line):
            done += 1
            progress.update(f"compiling {min(done, total)}/{total}")

    progress.run([*base, f"-j{jobs}", "python"], cwd=source, env=env, watch=watch)
    progress.run([*base, "pybuilddir.txt"], cwd=source, env=env)

"""configure and make, driven so that only the interpreter and its library are built."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sdk.options import Options
    from sdk.progress import Progress

# Variables of the caller's environment that would change what is built without changing
# the key it is cached under.
FOREIGN = re.compile(
    r"PYTHON.*|(C|CPP|LD|CXX|MAKE)FLAGS|MFLAGS|LIBS|CONFIG_SITE|OPT|LLVM_PROFILE_FILE|GCOV_.*|V"
)

COMPILES = re.compile(r"(?:^|\s)-c\s.*\.c\b|\.c\s.*\s-c\s")
OUTPUT = re.compile(r"\s-o\s(\S+\.o)\b")


@dataclass(frozen=True)
class Tree:
    """A source tree that is being built in place, and how tools are run in it."""

    source: Path
    jobs: int
    env: Mapping[str, str]
    progress: Progress

    def run(self, *command: str) -> None:
        """Run a tool in the tree; SdkError if it fails."""
        self.progress.run(command, cwd=self.source, env=self.env)

    def make_variable(self, name: str) -> str:
        """Return a variable's value as configure wrote it, unexpanded, or nothing."""
        text = (self.source / "Makefile").read_text(encoding="utf-8")
        found = re.search(rf"^{name}=[ \t]*(.*)$", text, re.MULTILINE)
        return found[1].strip() if found else ""


def build_environment(source: Path, compiler: str) -> dict[str, str]:
    """Return the environment of all build tools: the caller's, less what alters results."""
    env = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    env["CC"] = compiler
    env["LC_ALL"] = "C"
    if os.uname().machine == "x86_64":
        # libmpdec multiplies in assembly there, but 3.13's configure asks this question
        # before it has looked for the answer.
        env["ac_cv_gcc_asm_for_x64"] = "yes"
    # __DATE__ in sys.version: the release's, so that equal inputs give equal bytes.
    env["SOURCE_DATE_EPOCH"] = str(int((source / "configure").stat().st_mtime))
    return env


def configure(tree: Tree, options: Options, modules: Path) -> None:
    """Configure in place, with our list of static modules."""
    (tree.source / "Modules/Setup.local").write_bytes(modules.read_bytes())
    checks = 0

    def watch(_line: str) -> None:
        nonlocal checks
        checks += 1
        tree.progress.update(f"{checks} checks")

    command = ["./configure", *options.configure, "CFLAGS=", f"OPT={' '.join(options.opt)}"]
    command.append(f"CFLAGS_NODIST={' '.join(options.cflags)}")
    tree.progress.run(command, cwd=tree.source, env=tree.env, watch=watch)


def clean(tree: Tree) -> None:
    """Remove all that an earlier, perhaps interrupted, make has left."""
    tree.run("make", "clean-retain-profile")
    tree.run("make", "profile-removal")


def remove_objects(tree: Tree) -> None:
    """Remove objects and libraries, so that other flags get at every one of them.

    Profiles stay, and so do the generated headers and the tools that generate them.
    """
    for pattern in ("*.o", "*.a", "python"):
        for path in tree.source.rglob(pattern):
            if path.is_file():
                path.unlink()


def planned_objects(tree: Tree, arguments: Sequence[str]) -> list[str]:
    """Object files that `make arguments` would compile, each once."""
    listing = subprocess.run(
        ["make", "-n", *arguments],
        cwd=tree.source,
        env=tree.env,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    lines = [line for line in listing.splitlines() if COMPILES.search(line)]
    found = (OUTPUT.search(line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


def make_counted(tree: Tree, arguments: Sequence[str]) -> None:
    """Run make, and show how many files of how many are compiled."""
    total = len(planned_objects(tree, arguments))
    done = 0

    def watch(line: str) -> None:
        nonlocal done
        if COMPILES.search(line):
            done += 1
            tree.progress.update(f"compiling {min(done, total)}/{total}")

    command = ["make", f"-j{tree.jobs}", *arguments]
    tree.progress.run(command, cwd=tree.source, env=tree.env, watch=watch)


def make_python(tree: Tree, arguments: Sequence[str] = ()) -> None:
    """Make the interpreter, its library and its sysconfig data; no shared module, no test.

    arguments are make's own, such as NAME=VALUE for flags added to this run.
    """
    make_counted(tree, [*arguments, "python"])
    # Runs what the first goal made, which makefiles before 3.14 do not say.
    tree.run("make", *arguments, "pybuilddir.txt")

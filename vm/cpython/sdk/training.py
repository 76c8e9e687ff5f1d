"""Profile-guided optimisation: compile with counters, run train.py, compile with what it saw.

CPython's own makefile knows the flags of each compiler; only the program to run is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdk import compiling, core

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("_bootstrap_python", "Programs/_freeze_module")


def instrument(tree: compiling.Tree) -> None:
    """Make an interpreter that counts."""
    counting = tree.make_variable("PGO_PROF_GEN_FLAG")
    # The makefile adds these two to what configure was told.
    compiling.make_python(tree, [f"CFLAGS_NODIST={counting}", f"LDFLAGS_NODIST={counting}"])


def train(tree: compiling.Tree, program: Path) -> None:
    """Run the training program on the counting interpreter."""

    def watch(line: str) -> None:
        tree.progress.update(line.strip())

    # The makefile's variables carry clang's way of naming and merging profiles; gcc writes
    # each object's counts beside it.
    environment = dict(tree.env)
    if assignment := tree.make_variable("LLVM_PROF_FILE"):
        name, _, value = assignment.partition("=")
        environment[name] = value.strip('"')
    command = ["./python", "-E", "-s", "-B", str(program)]
    tree.progress.run(command, cwd=tree.source, env=environment, watch=watch)
    if merge := tree.make_variable("LLVM_PROF_MERGER"):
        tree.run("sh", "-c", merge)


def optimise(tree: compiling.Tree, compiler_version: str) -> None:
    """Make the final interpreter with what was learned.

    The tools that generate headers are those of the counting build: what they generate
    does not depend on how they were compiled, and half a minute is saved.
    """
    compiling.remove_objects(tree)
    flags = [*tree.make_variable("PGO_PROF_USE_FLAG").split(), "-Wno-missing-profile"]
    keep = [word for tool in TOOLS for word in ("-o", tool)]
    if core.can_merge(compiler_version):
        core.merge(tree, keep, flags)
    compiling.make_python(tree, [*keep, f"CFLAGS_NODIST={' '.join(flags)}"])

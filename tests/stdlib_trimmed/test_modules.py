"""The manifest holds in a VM: what is kept imports, what is dropped says why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from .conftest import CUT, ROOT, call

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Sdk, Shell

# The manifest's reader lives beside the freezer, which runs as a script.
sys.path.insert(0, str(CUT))
import manifest as manifests

IMPORT_ALL = """
import importlib
for name in {names!r}:
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(name, type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def manifest(sdk: Sdk) -> manifests.Manifest:
    return manifests.read(sdk.lib, stdlib_names(sdk))


def stdlib_names(sdk: Sdk) -> frozenset[str]:
    program = "import sys; print(*sys.stdlib_module_names)"
    return frozenset(call([sdk.python, "-I", "-c", program]).stdout.split())


def test_every_kept_module_imports(
    manifest: manifests.Manifest, shell: Shell, tmp_path: Path
) -> None:
    names = [*manifest.names("kept"), *manifest.names("builtin"), "_cut", "polyvm"]
    run = shell.run(IMPORT_ALL.format(names=names), tmp_path)
    assert (run.stdout, run.returncode) == ("", 0)


def test_each_kept_module_imports_alone(
    manifest: manifests.Manifest, shell: Shell, tmp_path: Path
) -> None:
    """Whatever a module needs it imports itself: each one in an interpreter of its own."""
    # genericpath and os import each other: os goes first, in ordinary Python too.
    names = [name for name in manifest.names("kept") if name != "genericpath"]
    program = (
        "import marshal, pathlib, sys\n"
        "for name in sys.argv[2:]:\n"
        "    code = compile(f'import {name}', name, 'exec', dont_inherit=True)\n"
        "    pathlib.Path(sys.argv[1], name).write_bytes(marshal.dumps(code))\n"
    )
    call([shell.sdk.python, "-I", "-c", program, tmp_path, *names])
    run = call([shell.path, *(tmp_path / name for name in names)], check=False)
    assert (run.stdout, run.returncode) == ("", 0)


def test_every_dropped_module_says_why(
    manifest: manifests.Manifest, shell: Shell, tmp_path: Path
) -> None:
    source = IMPORT_ALL.format(names=sorted(manifest.reasons()))
    lines = shell.run(source, tmp_path).stdout.splitlines()
    reasons = manifest.reasons()
    assert [line.split()[0] for line in lines] == sorted(reasons)
    for line in lines:
        name = line.split()[0]
        # A submodule of a dropped package fails at the package, for the package's reason.
        parts = name.split(".")
        first = next(p for i in range(len(parts)) if (p := ".".join(parts[: i + 1])) in reasons)
        assert f"ModuleNotFoundError No module named '{first}' in a VM: {reasons[first]}" in line


def test_names_nobody_knows_get_the_usual_error(shell: Shell, tmp_path: Path) -> None:
    run = shell.run("import nothing_of_that_name", tmp_path)
    assert run.returncode == 1
    assert run.stdout.endswith("ModuleNotFoundError: No module named 'nothing_of_that_name'\n")


CUT_FUNCTIONS = """
import importlib
for module, functions in {refused!r}:
    for function in functions:
        if hasattr(importlib.import_module(module), function):
            try:
                getattr(importlib.import_module(module), function)()
                print(module, function, "went through")
            except RuntimeError as error:
                if "is not available in a VM" not in str(error):
                    print(module, function, error)
import posix
print({{n for n, f in vars(posix).items() if type(f) is type(len)}} - set({kept!r}))
"""


def test_every_cut_function_is_gone_or_refused(
    manifest: manifests.Manifest, shell: Shell, tmp_path: Path
) -> None:
    refused = [(entry.module, entry.refuse) for entry in manifest.functions]
    kept = next(entry.keep for entry in manifest.functions if entry.module == "posix")
    source = CUT_FUNCTIONS.format(refused=refused, kept=sorted(kept or ()))
    assert shell.run(source, tmp_path).stdout == "set()\n"


def test_documentation_is_current(sdk: Sdk) -> None:
    text = call([sdk.python, CUT / "describe.py", "--lib", sdk.lib]).stdout
    assert (ROOT / "docs" / "stdlib.md").read_text(encoding="utf-8") == text

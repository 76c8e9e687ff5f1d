"""The finished SDK's folder: what of the built tree is kept, and where."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

from sdk.errors import SdkError
from sdk.source import release_of

if TYPE_CHECKING:
    from pathlib import Path

    from sdk.compiling import Tree

# The makefile compiles these into archives of their own; which ones depends on the release.
EXTRA_ARCHIVES = ("Modules/_decimal/libmpdec/*.a", "Modules/_hacl/*.a")


def lay_out(tree: Tree, target: Path) -> None:
    """Copy a built tree's lasting parts to target, which is emptied first.

    bin/python finds its standard library relative to itself, wherever the SDK is moved.
    """
    source = tree.source
    if target.exists():
        shutil.rmtree(target)
    for name in ("bin", "lib", "Modules", "Python"):
        (target / name).mkdir(parents=True)
    series = ".".join(_version(source))
    abi = "t" if (source / f"libpython{series}t.a").exists() else ""
    shutil.copy2(source / "python", target / "bin/python")
    _merge_archives(tree, source / f"libpython{series}{abi}.a", target / "lib/libpython.a")
    shutil.copytree(source / "Include", target / "include")
    shutil.copy2(source / "pyconfig.h", target / "include/pyconfig.h")
    library = target / f"lib/python{series}{abi}"
    shutil.copytree(source / "Lib", library, ignore=shutil.ignore_patterns("__pycache__"))
    # Without this folder the interpreter warns that it cannot find its platform's files.
    (library / "lib-dynload").mkdir(exist_ok=True)
    (target / "Lib").symlink_to(library.relative_to(target))
    build_folder = (source / "pybuilddir.txt").read_text(encoding="utf-8").strip()
    for path in (source / build_folder).glob("_sysconfig*"):
        shutil.copy2(path, library / path.name)
    shutil.copy2(source / "Modules/config.c", target / "Modules/config.c")
    shutil.copy2(source / "Python/frozen.c", target / "Python/frozen.c")
    (target / "Python/frozen_modules").mkdir()
    for path in (source / "Python/frozen_modules").glob("*.h"):
        shutil.copy2(path, target / "Python/frozen_modules" / path.name)
    shutil.copy2(source / "LICENSE", target / "LICENSE")


def describe(target: Path, wanted_modules: set[str]) -> dict[str, object]:
    """Facts that only the built interpreter knows; SdkError if it is not as ordered."""
    script = (
        "import importlib.util, json, sys, sysconfig as s; v = s.get_config_vars();"
        "import hashlib, decimal, datetime, json;"
        "print(json.dumps({'release': '.'.join(map(str, sys.version_info[:3])),"
        "'builtin_modules': sorted(sys.builtin_module_names),"
        "'bytecode_magic': int.from_bytes(importlib.util.MAGIC_NUMBER, 'little'),"
        "'link_libs': [v.get(n) or '' for n in ('LIBS', 'SYSLIBS', 'MODLIBS', 'LIBM')]}))"
    )
    python = target / "bin/python"
    run = subprocess.run(
        [str(python), "-I", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    if run.returncode != 0 or run.stderr:
        raise SdkError(f"the interpreter that was built does not work: {python}", run.stderr)
    facts: dict[str, object] = json.loads(run.stdout)
    builtin = facts["builtin_modules"]
    assert isinstance(builtin, list)
    if missing := sorted(wanted_modules - set(builtin)):
        raise SdkError(f"Setup.local asks for modules that were not built: {', '.join(missing)}")
    named = facts["link_libs"]
    assert isinstance(named, list)
    libs = [word for word in " ".join(named).split() if word.startswith("-l")]
    facts["link_libs"] = list(dict.fromkeys(libs))
    return facts


def static_modules(setup: Path) -> set[str]:
    """Names of the modules under *static* in a Setup file."""
    names: set[str] = set()
    static = False
    for raw in setup.read_text(encoding="utf-8").splitlines():
        line = raw.split("#", 1)[0].strip()
        if line.startswith("*"):
            static = line == "*static*"
        elif line and static:
            names.add(line.split()[0])
    return names


def _version(source: Path) -> tuple[str, str]:
    major, minor = release_of(source).split(".")[:2]
    return major, minor


def _merge_archives(tree: Tree, library: Path, target: Path) -> None:
    source = tree.source
    extra = sorted(path for pattern in EXTRA_ARCHIVES for path in source.glob(pattern))
    lines = ["create libpython-merged.a"]
    lines += [f"addlib {path.relative_to(source)}" for path in (library, *extra)]
    (source / "merge.mri").write_text("\n".join([*lines, "save", "end"]) + "\n")
    tree.run("sh", "-c", "${AR:-ar} -M < merge.mri")
    shutil.move(source / "libpython-merged.a", target)

"""Write the C sources that give the runtime library its standard library.

Run with the Python of the SDK, so that the bytecode is the release's own::

    $SDK/bin/python stdlib_trimmed/freeze.py --lib $SDK/Lib --out build/frozen [--api vm/api]
        [--arrays engine/np]

Output, the same bytes for the same input:

``frozen.c``   the frozen modules, in place of CPython's Python/frozen.c
``inittab.c``  the linked C modules, in place of Modules/config.c, and the functions cut
``dropped.c``  why a module is not there

All three include ``cut.h`` from vm/src and need CPython's internal headers.
"""

from __future__ import annotations

import argparse
import dis
import importlib
import importlib.util
import marshal
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

import manifest as manifests
import patches
import templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent

# C modules whose init function is not named PyInit_NAME; None: made by the interpreter.
_INIT = {
    "builtins": None,
    "sys": None,
    "marshal": "PyMarshal_Init",
    "_warnings": "_PyWarnings_Init",
}
# Our own C modules: the runtime's, the one that explains the cut, and the tensor engine's.
_OWN_BUILTINS = ("_cut", "_polyvm", "_polyvm_tensor")
_BOOTSTRAP = ("_frozen_importlib", "_frozen_importlib_external")
_DISPLAY_NAMES = {
    "_frozen_importlib": "importlib._bootstrap",
    "_frozen_importlib_external": "importlib._bootstrap_external",
}
_LINE = 100


class FreezeError(Exception):
    """The input cannot be frozen; the text says which module and why."""


@dataclass(frozen=True)
class Frozen:
    """One frozen module; ``data`` is its marshalled code object."""

    name: str
    data: bytes
    is_package: bool


def compile_module(name: str, source: str, is_package: bool) -> Frozen:
    """Compile one module as CPython's own freezer does, without docstrings and asserts."""
    shown = f"<frozen {_DISPLAY_NAMES.get(name, name)}>"
    try:
        code = compile(source, shown, "exec", dont_inherit=True, optimize=2)
    except SyntaxError as error:
        raise FreezeError(f"{name}: line {error.lineno}: {error.msg}") from error
    # A second pass through marshal makes the references depend on the content alone.
    canonical = marshal.loads(marshal.dumps(code))  # noqa: S302 - its own output
    assert isinstance(canonical, CodeType)
    return Frozen(name, marshal.dumps(canonical), is_package)


def freeze_library(manifest: manifests.Manifest, lib: Path, overrides: Path) -> Iterator[Frozen]:
    """Yield every kept module of the standard library, and the private ones of overrides/."""
    for name in manifest.names("kept"):
        if name in _DISPLAY_NAMES.values():
            continue  # importlib takes these two from sys.modules
        shown = _DISPLAY_NAMES.get(name, name)
        whole = patches.override(overrides, shown)
        found = manifests.source_of(lib, name)
        if whole is not None:
            source, is_package = whole.read_text(), bool(found and found[1])
        else:
            assert found is not None  # manifests.read checked it
            source, is_package = (
                patches.apply(overrides, shown, found[0].read_text(), lib),
                found[1],
            )
        yield compile_module(name, _insert_constants(source), is_package)
    for name in own_modules(lib, overrides):
        source = (overrides / f"{name}.py").read_text()
        yield compile_module(name, _insert_constants(source), is_package=False)


def own_modules(lib: Path, overrides: Path) -> list[str]:
    """List the modules in overrides/ that the release does not have: the private ones."""
    stems = sorted(path.name[: -len(".py")] for path in overrides.glob("*.py"))
    return [name for name in stems if manifests.source_of(lib, name) is None]


def freeze_package(package: str, folder: Path) -> Iterator[Frozen]:
    """Yield a package that tasks import, from the .py files of its folder."""
    for path in sorted(folder.rglob("*.py")):
        parts = (package, *path.relative_to(folder).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield compile_module(name, path.read_text(), is_package)


def _insert_constants(source: str) -> str:
    """Put in what is known only while freezing, where a module asks by a placeholder."""
    for name, value in _CONSTANTS.items():
        if name in source:
            source = source.replace(f'"{name}"', value())
    return source


_CONSTANTS: dict[str, Callable[[], str]] = {
    "@MAGIC_NUMBER@": lambda: repr(importlib.util.MAGIC_NUMBER),
    "@COMPILER_FLAG_NAMES@": lambda: repr(dis.COMPILER_FLAG_NAMES),
    "@TEMPLATES@": templates.render,
    "@OPCODES@": lambda: repr(templates.opcodes()),
}


# ---- C output ---------------------------------------------------------------------------


def c_bytes(data: bytes) -> str:
    """Return a C string literal of `data`, over several lines, without trigraphs."""
    table = [chr(i) if 32 <= i < 127 and chr(i) not in '"\\?' else f"\\{i:03o}" for i in range(256)]
    text = [table[byte] for byte in data]
    lines: list[str] = []
    line: list[str] = []
    width = 0
    for piece in text:
        if width + len(piece) > _LINE:
            lines.append("".join(line))
            line, width = [], 0
        line.append(piece)
        width += len(piece)
    lines.append("".join(line))
    return "\n".join(f'"{line}"' for line in lines)


def c_string(text: str) -> str:
    """Return a C string literal of one line of text."""
    return c_bytes(text.encode()).replace('"\n"', "")


def render_frozen(modules: list[Frozen], builtins: list[str]) -> str:
    """Return frozen.c."""
    out = [_banner("frozen.c", "the frozen modules"), '#include "cut.h"\n']
    out.append('#include "pycore_import.h"\n')
    symbols = {m.name: f"frozen_{i}" for i, m in enumerate(modules)}
    for module in modules:
        out.append(f"\n/* {module.name} */\n")
        out.append(
            f"static const unsigned char {symbols[module.name]}[{len(module.data) + 1}] =\n"
            f"{c_bytes(module.data)};\n"
        )

    def table(title: str, chosen: list[Frozen]) -> None:
        out.append(f"\nstatic const struct _frozen {title}[] = {{\n")
        out.extend(
            f'    {{"{m.name}", {symbols[m.name]}, {len(m.data)}, {int(m.is_package)}}},\n'
            for m in chosen
        )
        out.append("    {0, 0, 0, 0},\n};\n")

    table("bootstrap", [m for m in modules if m.name in _BOOTSTRAP])
    table("stdlib", [m for m in modules if m.name not in _BOOTSTRAP])
    table("none", [])
    out.append("\nstatic const struct _module_alias aliases[] = {\n")
    out.extend(f'    {{"{name}", "{shown}"}},\n' for name, shown in _DISPLAY_NAMES.items())
    out.append("    {0, 0},\n};\n\n")
    out.append("const struct _frozen *_PyImport_FrozenBootstrap = bootstrap;\n")
    out.append("const struct _frozen *_PyImport_FrozenStdlib = stdlib;\n")
    out.append("const struct _frozen *_PyImport_FrozenTest = none;\n")
    out.append("const struct _module_alias *_PyImport_FrozenAliases = aliases;\n")
    out.append("const struct _frozen *PyImport_FrozenModules = NULL;\n\n")
    out.append(f"const unsigned pvm_frozen_count = {len(modules)};\n")
    out.append(f"const size_t pvm_frozen_bytes = {sum(len(m.data) for m in modules)};\n")
    names = sorted({*(m.name for m in modules), *builtins} - set(_BOOTSTRAP))
    text = c_bytes("".join(f"{n}\n" for n in names).encode())
    out.append(f"const char pvm_module_names[] =\n{text};\n")
    return "".join(out)


def render_inittab(manifest: manifests.Manifest, builtins: list[str]) -> str:
    """Return inittab.c; the functions to cut are read off the modules of the running SDK."""
    out = [_banner("inittab.c", "the linked C modules and the functions cut from them")]
    out.append('#include "cut.h"\n\n')
    inits = {name: _INIT.get(name, f"PyInit_{name}") for name in builtins}
    out.extend(f"extern PyObject *{init}(void);\n" for init in inits.values() if init is not None)
    out.append("\nstruct _inittab _PyImport_Inittab[] = {\n")
    out.extend(f'    {{"{name}", {init or "NULL"}}},\n' for name, init in inits.items())
    out.append("    {0, 0},\n};\n\n")
    out.append(f"const unsigned pvm_builtin_count = {len(builtins)};\n")
    rows: list[str] = []
    for entry in manifest.functions:
        reason = c_string(entry.reason)
        cut: list[str] = []
        for function in _functions_of(entry.module):
            fate = entry.fate(function)
            if fate == "refused":
                symbol = f"refuse_{entry.module}_{function}"
                out.append(
                    f"\nstatic PyObject *{symbol}(PyObject *self, PyObject *args,\n"
                    f"                    PyObject *kwargs) {{\n"
                    f"  (void)self, (void)args, (void)kwargs;\n"
                    f'  return pvm_refuse("{entry.module}.{function}",\n'
                    f"                    {reason});\n}}\n"
                )
                cut.append(f'    {{"{function}", {symbol}}},\n')
            elif fate == "dropped":
                cut.append(f'    {{"{function}", NULL}},\n')
        out.append(f"\nstatic const pvm_cut_function cut_{entry.module}[] = {{\n")
        out.extend(cut)
        out.append("    {NULL, NULL},\n};\n")
        init = inits.get(entry.module) or "NULL"
        rows.append(f'    {{"{entry.module}", {init},\n     {reason},\n')
        rows.append(f"     cut_{entry.module}}},\n")
    out.append("\nconst pvm_cut_module pvm_cut_modules[] = {\n")
    out.extend(rows)
    out.append("    {NULL, NULL, NULL, NULL},\n};\n")
    return "".join(out)


def _functions_of(module: str) -> list[str]:
    """Names of the C functions that the module of this release and build has."""
    found = vars(importlib.import_module(module))
    kind = type(len)
    return sorted(name for name, value in found.items() if type(value) is kind)


def render_dropped(manifest: manifests.Manifest) -> str:
    """Return dropped.c, sorted by name as strcmp sorts."""
    out = [_banner("dropped.c", "why a module is not there"), '#include "cut.h"\n\n']
    where = "; docs/stdlib.md lists what there is"
    reasons = manifest.reasons()
    elsewhere = {n for entry in manifest.elsewhere for n in entry.names}
    out.append("const pvm_dropped pvm_dropped_modules[] = {\n")
    for name in sorted(reasons, key=str.encode):
        text = reasons[name]
        if name not in elsewhere:
            text += where
        out.append(f'    {{"{name}",\n     {c_string(text)}}},\n')
    out.append(f"}};\n\nconst size_t pvm_dropped_count = {len(reasons)};\n")
    return "".join(out)


def _banner(file: str, what: str) -> str:
    release = ".".join(map(str, sys.version_info[:3]))
    made = f"Generated by stdlib_trimmed/freeze.py for CPython {release}."
    return f"/* {file} - {what}. {made} */\n\n"


def without_columns() -> None:
    """Start again with code objects that know their lines but not their columns.

    Columns serve to underline source text, which a VM does not have.
    """
    if "no_debug_ranges" not in sys._xoptions:  # noqa: SLF001 - the documented way
        command = [sys.executable, "-B", "-X", "no_debug_ranges", *sys.argv]
        os.execv(sys.executable, command)  # noqa: S606 - itself


def main(arguments: list[str] | None = None) -> int:
    """Write the three files; 1 with one sentence on stderr if the input does not fit."""
    parser = argparse.ArgumentParser(prog="freeze.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lib", type=Path, required=True, help="the release's Lib folder")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--api", type=Path, help="folder of the package `polyvm` for tasks")
    parser.add_argument("--arrays", type=Path, help="folder of the package `polyvm.np`")
    parser.add_argument("--overrides", type=Path, default=HERE / "overrides")
    options = parser.parse_args(arguments)
    try:
        manifest = manifests.read(options.lib)
        modules = list(freeze_library(manifest, options.lib, options.overrides))
        if options.api is not None:
            modules += freeze_package("polyvm", options.api)
        if options.arrays is not None:
            modules += freeze_package("polyvm.np", options.arrays)
    except (manifests.ManifestError, patches.PatchError, FreezeError) as error:
        sys.stderr.write(f"freeze.py: {error}\n")
        return 1
    modules.sort(key=lambda m: m.name)
    builtins = sorted([*manifest.names("builtin"), *_OWN_BUILTINS])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "frozen.c").write_text(render_frozen(modules, builtins))
    (options.out / "inittab.c").write_text(render_inittab(manifest, builtins))
    (options.out / "dropped.c").write_text(render_dropped(manifest))
    return 0


if __name__ == "__main__":
    without_columns()
    sys.exit(main())

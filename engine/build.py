"""Build the tensor engine, and its binding for the Python that runs this.

Run by `make build` before the VM libraries, which link against it:

    engine/bindings/lib/libpolyvm-engine.so   the engine: one a process, whoever uses it
    engine/bindings/_tensor*.so               what ordinary Python imports

Files of backends/cpu are compiled once for each instruction set below; `pvt_isa` says which
of them a machine uses. A file is compiled again only when it, a header or an option has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ENGINE = Path(__file__).resolve().parent
BUILD = ENGINE.parent / "build" / "engine"
BINDINGS = ENGINE / "bindings"
LIBRARY = BINDINGS / "lib" / "libpolyvm-engine.so"
PARTS = ("tensor", "ops", "linalg", "fft", "random", "graph", "graph/operators", "graph/passes")
PARTS += ("backends", "backends/portable", "backends/openblas", "backends/onednn")
GENERATED = BUILD / "generated"
INCLUDES = [f"-I{ENGINE / part}" for part in ("include", *PARTS, "backends/cpu")]
INCLUDES += [f"-I{GENERATED}"]

CODE = ["-std=gnu11", "-D_GNU_SOURCE", "-fPIC", "-fvisibility=hidden", "-DNDEBUG"]
CODE += ["-ffunction-sections", "-fdata-sections", "-fno-plt", "-fno-math-errno"]
CODE += ["-fno-trapping-math", "-ffp-contract=off"]
# Complex products without a test for NaN, quotients by Smith's method: as NumPy's.
CODE += ["-fcx-fortran-rules"]
WARNINGS = ["-Wall", "-Wextra", "-Werror=implicit-function-declaration"]
WARNINGS += ["-Wno-missing-field-initializers", "-Wno-psabi"]
LINK = ["-shared", "-Wl,--gc-sections", "-Wl,-Bsymbolic", "-Wl,-z,defs", "-Wl,-z,relro"]
LINK += ["-Wl,-z,noexecstack", "-Wl,-S", f"-Wl,--version-script={ENGINE / 'exports.map'}"]

LIBRARIES = ["-lm", "-lpthread", "-ldl"]

ISAS: dict[str, list[str]] = {"portable": []}
if platform.machine() == "x86_64":
    LIBRARIES.insert(0, "-lmvec")  # glibc's vector functions, for AVX2 and AVX-512
    ISAS["avx2"] = ["-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt"]
    ISAS["avx512"] = [*ISAS["avx2"], "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
    ISAS["avx512"] += ["-mavx512cd", "-mprefer-vector-width=512"]


class BuildError(Exception):
    """A step failed; the text says which and shows what the tool printed."""


@dataclass(frozen=True)
class Unit:
    """One object file: a source and how it is compiled."""

    source: Path
    object: Path
    flags: tuple[str, ...]


def run(command: list[str], what: str) -> None:
    """Run a tool. Raises BuildError with the end of what it printed."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-4000:]
        raise BuildError(f"{what} failed:\n  {shlex.join(command)}\n{tail}")


def units() -> list[Unit]:
    """Return what the library is made of."""
    # Operators have loops over elements of their own, where no kernel is worth its table.
    level = {"graph/operators": "-O3"}
    made = [
        Unit(
            source,
            BUILD / part / f"{source.stem}.o",
            (level.get(part, "-O2"), *CODE, *WARNINGS, *INCLUDES),
        )
        for part in PARTS
        for source in sorted((ENGINE / part).glob("*.c"))
    ]
    for isa, options in ISAS.items():
        flags = ("-O3", *options, f"-DPVT_ISA={isa}", *CODE, *WARNINGS, *INCLUDES)
        made += [
            Unit(source, BUILD / isa / f"{source.stem}.o", flags)
            for source in sorted((ENGINE / "backends" / "cpu").glob("*.c"))
        ]
    return made


def compile_units(wanted: list[Unit], jobs: int) -> bool:
    """Bring the objects up to date; return whether there was anything to do."""
    headers = hashlib.sha256()
    found = [path for folder in (ENGINE, GENERATED) for path in folder.rglob("*")]
    for path in sorted(p for p in found if p.suffix in (".h", ".inc")):
        headers.update(path.name.encode() + b"\0" + path.read_bytes())

    def one(unit: Unit) -> bool:
        key = headers.copy()
        key.update(unit.source.read_bytes() + "\0".join(unit.flags).encode())
        stamp = unit.object.with_suffix(".key")
        if unit.object.exists() and stamp.exists() and stamp.read_text() == key.hexdigest():
            return False
        unit.object.parent.mkdir(parents=True, exist_ok=True)
        command = ["gcc", *unit.flags, "-c", str(unit.source), "-o", str(unit.object)]
        run(command, f"compiling {unit.source.name} ({unit.object.parent.name})")
        stamp.write_text(key.hexdigest())
        return True

    with ThreadPoolExecutor(jobs) as pool:
        return any(list(pool.map(one, wanted)))


def link(objects: list[Path], output: Path, *options: str) -> None:
    """Through a temporary name: a process that has the old one loaded keeps it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(output.name + ".new")
    command = ["gcc", *LINK, "-o", str(temporary), *map(str, objects), *options]
    run([*command, *LIBRARIES], f"linking {output.name}")
    os.replace(temporary, output)


def build_library(jobs: int) -> None:
    """Build libpolyvm-engine, unless it is current."""
    wanted = units()
    ziggurat = [sys.executable, str(ENGINE / "random" / "ziggurat.py"), str(GENERATED)]
    run(ziggurat, "computing the tables of random numbers")
    if not LIBRARY.exists():
        print("compiling libpolyvm-engine", file=sys.stderr, flush=True)
    if compile_units(wanted, jobs) or not LIBRARY.exists():
        objects = [unit.object for unit in wanted]
        link(objects, LIBRARY, f"-Wl,-soname,{LIBRARY.name}")


def binding_sources() -> list[Path]:
    """The extension's files; vm/build.py compiles the same ones into the VM library."""
    return sorted(BINDINGS.glob("*.c"))


def build_binding(jobs: int) -> None:
    """Build the extension module `_tensor` for this Python."""
    sources = binding_sources()
    if not sources:
        return
    include = sysconfig.get_path("include")
    flags = ("-O2", *CODE, *WARNINGS, *INCLUDES, f"-I{include}")
    name = sysconfig.get_config_var("SOABI")
    made = [Unit(s, BUILD / f"binding-{name}" / f"{s.stem}.o", flags) for s in sources]
    module = BINDINGS / f"_tensor{sysconfig.get_config_var('EXT_SUFFIX')}"
    if compile_units(made, jobs) or not module.exists():
        options = [f"-L{LIBRARY.parent}", "-lpolyvm-engine", "-Wl,-rpath,$ORIGIN/lib"]
        # Python's own symbols come from the process that loads the module.
        link([unit.object for unit in made], module, "-Wl,-z,undefs", *options)


def main() -> int:
    """Build both; 0, or 1 after one error message."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    try:
        build_library(options.jobs)
        build_binding(options.jobs)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

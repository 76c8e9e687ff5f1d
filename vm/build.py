"""Build libpolyvm and its binding: SDK -> frozen standard library -> C -> cffi.

Run by `make build` with the project's own Python, which has cffi. Each library is built
again only when something that goes into it has changed.

    vm/binding/lib/libpolyvm-isolated.so    what tasks run in; no compiler
    vm/binding/lib/libpolyvm-toolchain.so   the same with the compiler; serves the packer
    vm/binding/_isolated*.so, _toolchain*.so   what Python calls them through
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

VM = Path(__file__).resolve().parent
ROOT = VM.parent
BINDING = VM / "binding"
ENGINE = ROOT / "engine"
# The folders of engine/ that go into the libraries, headers of their own beside the sources.
# They are compiled with engine/include in sight and nothing of vm/ or CPython.
ENGINE_PARTS = ("stream", "store", "flow", "feature")
# The tensor engine is a library of its own (engine/build.py); its extension module is one of the
# VMs' built-in modules, under this name.
ENGINE_LIBRARY = ENGINE / "bindings" / "lib" / "libpolyvm-engine.so"
TENSOR_MODULE = "_polyvm_tensor"

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror=implicit-function-declaration",
    "-Wno-missing-field-initializers",
]
CODE = [
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-ftls-model=initial-exec",
]
CODE += ["-ffunction-sections", "-fdata-sections", "-fno-plt", "-DNDEBUG"]
# -Bsymbolic and --exclude-libs: no symbol of the private CPython meets the host's.
LINK = ["-shared", "-Wl,--gc-sections", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,ALL"]
LINK += ["-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,noexecstack", "-Wl,-S"]


@dataclass(frozen=True)
class Flavour:
    """One library: which sources make it, and how they are compiled."""

    name: str
    defines: tuple[str, ...]
    without: tuple[str, ...]  # files of vm/src that do not go in


FLAVOURS = (
    Flavour("isolated", (), ("strip.c",)),
    Flavour("toolchain", ("-DPVM_TOOLCHAIN",), ("nocompiler.c",)),
)


class BuildError(Exception):
    """A step failed; the text says which and shows what the tool printed."""


def run(command: list[str], what: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-4000:]
        raise BuildError(f"{what} failed:\n  {shlex.join(command)}\n{tail}")
    return done.stdout


def find_sdk(variant: str, extra: list[str]) -> Path:
    """The path of the SDK, built first if need be; its progress goes to the terminal."""
    command = [sys.executable, str(VM / "cpython" / "build.py"), "--variant", variant, *extra]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BuildError("the private CPython could not be built; see above")
    return Path(done.stdout.strip().splitlines()[-1])


def digest(paths: list[Path], *more: str) -> str:
    h = hashlib.sha256()
    for path in sorted(paths):
        h.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        h.update(path.read_bytes())
    for text in more:
        h.update(text.encode() + b"\0")
    return h.hexdigest()


def is_current(stamp: Path, key: str, *outputs: Path) -> bool:
    return all(o.exists() for o in outputs) and stamp.exists() and stamp.read_text() == key


def freeze(sdk: Path, out: Path) -> None:
    """Generate the C of the frozen standard library and of the module tables."""
    sources = [p for p in (ROOT / "stdlib_trimmed").rglob("*") if p.suffix in (".py", ".toml")]
    sources += [*(VM / "api").glob("*.py"), *(ENGINE / "np").glob("*.py")]
    key = digest(sources, str(sdk))
    outputs = [out / f for f in ("frozen.c", "inittab.c", "dropped.c")]
    if is_current(out / "stamp", key, *outputs):
        return
    print("freezing the standard library", file=sys.stderr, flush=True)
    out.mkdir(parents=True, exist_ok=True)
    command = [str(sdk / "bin" / "python"), str(ROOT / "stdlib_trimmed" / "freeze.py")]
    command += ["--lib", str(sdk / "Lib"), "--out", str(out), "--api", str(VM / "api")]
    command += ["--arrays", str(ENGINE / "np")]
    run(command, "freezing the standard library")
    (out / "stamp").write_text(key)


def compile_objects(sources: list[Path], flags: list[str], out: Path, jobs: int) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)

    def one(source: Path) -> Path:
        obj = out / (source.stem + ".o")
        run(["gcc", *flags, "-c", str(source), "-o", str(obj)], f"compiling {source.name}")
        return obj

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, sources))


def build_library(flavour: Flavour, sdk: Path, build: Path, jobs: int) -> Path:
    described = json.loads((sdk / "sdk.json").read_text())
    frozen = build / "frozen"
    sources = [s for s in sorted((VM / "src").glob("*.c")) if s.name not in flavour.without]
    sources += sorted(frozen.glob("*.c"))
    engine = {part: sorted((ENGINE / part).glob("*.c")) for part in ENGINE_PARTS}
    headers = [*(VM / "src").glob("*.h"), *(VM / "include").glob("*.h"), VM / "exports.map"]
    headers += ENGINE.rglob("*.h")
    bindings = sorted((ENGINE / "bindings").glob("*.c"))
    library = BINDING / "lib" / f"libpolyvm-{flavour.name}.so"
    general = [*CODE, *WARNINGS, f"-I{ENGINE / 'include'}"]
    flags = [*general, *flavour.defines, "-DPy_BUILD_CORE"]
    flags += [f'-DPVM_BUILD_VARIANT="{described["variant"]}"']
    flags += [f"-DPVM_BYTECODE_MAGIC={described['bytecode_magic']}u"]
    folders = (VM / "src", ENGINE / "bindings", sdk / "include", sdk / "include" / "internal")
    includes = ["-I" + str(folder) for folder in folders]
    stamp = build / f"{flavour.name}.stamp"
    everything = [*sources, *bindings, *headers]
    everything += [source for part in engine.values() for source in part]
    key = digest([*everything, Path(__file__)], str(sdk), *flags, *LINK)
    if is_current(stamp, key, library):
        return library
    print(f"compiling libpolyvm-{flavour.name}", file=sys.stderr, flush=True)
    objects = compile_objects(sources, flags + includes, build / flavour.name, jobs)
    for part, its_sources in engine.items():
        objects += compile_objects(its_sources, general, build / flavour.name / part, jobs)
    as_builtin = [f"-DPyInit__tensor=PyInit_{TENSOR_MODULE}", f"-I{sdk / 'include'}"]
    where = build / flavour.name / "bindings"
    objects += compile_objects(bindings, [*general, *as_builtin], where, jobs)
    library.parent.mkdir(exist_ok=True)
    temporary = library.with_suffix(".new")
    command = ["gcc", *LINK, f"-Wl,-soname,{library.name}"]
    command += [f"-Wl,--version-script={VM / 'exports.map'}", "-o", str(temporary)]
    command += [
        *map(str, objects),
        str(sdk / described["archive"]),
        *described["link_libs"],
        "-lpthread",
        f"-L{ENGINE_LIBRARY.parent}",
        "-lpolyvm-engine",
        # as the folders lie in a checkout, and as the packages lie when installed
        "-Wl,-rpath,$ORIGIN/../../../engine/bindings/lib:$ORIGIN/../../engine/lib",
    ]
    run(command, f"linking {library.name}")
    os.replace(temporary, library)  # a process that has the old one loaded keeps it
    stamp.write_text(key)
    return library


def build_binding(flavour: Flavour, library: Path, build: Path) -> None:
    """The cffi module `_FLAVOUR`, in API mode, whose cdef is vm.h itself."""
    import cffi

    header = VM / "include" / "vm.h"
    stamp = build / f"{flavour.name}-binding.stamp"
    headers = sorted((VM / "include").glob("*.h"))
    key = digest([*headers, Path(__file__)], sys.version, cffi.__version__)
    if is_current(stamp, key, *list(BINDING.glob(f"_{flavour.name}*.so"))[:1] or [BINDING / "?"]):
        return
    print(f"compiling the binding of {flavour.name}", file=sys.stderr, flush=True)
    cdef = run(["gcc", "-E", "-P", "-DPVM_CDEF", str(header)], "preprocessing vm.h")
    ffi = cffi.FFI()
    ffi.cdef(cdef)
    ffi.set_source(
        f"_{flavour.name}",
        '#include "vm.h"',
        include_dirs=[str(header.parent)],
        library_dirs=[str(library.parent)],
        libraries=[f"polyvm-{flavour.name}"],
        extra_link_args=["-Wl,-rpath,$ORIGIN/lib"],
        extra_compile_args=["-O2"],
        py_limited_api=True,
    )
    where = build / f"{flavour.name}-binding"
    built = Path(ffi.compile(tmpdir=str(where)))
    os.replace(built, BINDING / built.name)
    stamp.write_text(key)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="pgo", choices=["pgo", "quick", "small"])
    parser.add_argument("--sdk", type=Path, help="use this SDK instead of building one")
    parser.add_argument("--tarball", help="passed on to vm/cpython/build.py")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    build = ROOT / "build" / "vm"
    build.mkdir(parents=True, exist_ok=True)
    try:
        extra = ["--tarball", options.tarball] if options.tarball else []
        sdk = options.sdk or find_sdk(options.variant, extra)
        freeze(sdk, build / "frozen")
        for flavour in FLAVOURS:
            library = build_library(flavour, sdk, build, options.jobs)
            build_binding(flavour, library, build)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    (build / "sdk").write_text(f"{sdk}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

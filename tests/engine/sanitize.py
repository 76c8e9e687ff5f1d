"""The engine under AddressSanitizer and UndefinedBehaviorSanitizer.

    python tests/engine/sanitize.py [PYTEST ARGUMENT ...]

Builds all of libpolyvm-engine with them, every instruction set's kernels too, and runs the tests
of the engine with that library in the place of the other; all files by default.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "sanitize" / "engine"
# Shifts and sums that wrap are meant where they are written with unsigned types; elements lie
# anywhere (elements.h). -O1: loops stay recognisable, and the build takes a minute.
FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
FLAGS += ["-fno-sanitize-recover=all"]
ENVIRONMENT = {
    # The interpreter and NumPy keep memory to the end.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def build(out: Path, jobs: int) -> Path:
    """Compile and link the library; returns its path."""
    sys.path.insert(0, str(ROOT / "engine"))
    import build as engine_build

    made = []
    for unit in engine_build.units():
        kept = [flag for flag in unit.flags if not flag.startswith(("-O", "-DNDEBUG"))]
        place = out / unit.object.parent.name / unit.object.name
        made.append(engine_build.Unit(unit.source, place, (*kept, *FLAGS)))
    engine_build.compile_units(made, jobs)
    objects = [unit.object for unit in made]
    library = out / "libpolyvm-engine.so"
    command = ["gcc", "-shared", "-fsanitize=address,undefined", "-o", str(library)]
    command += [*map(str, objects), "-lm", "-lpthread", "-ldl"]
    engine_build.run(command, "linking")
    return library


def environment(library: Path) -> dict[str, str]:
    """Under which Python loads the library: its runtime has to come first."""
    command = ["gcc", "-print-file-name=libasan.so"]
    runtime = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    added = {"LD_PRELOAD": runtime, "POLYVM_ENGINE_LIBRARY": str(library)}
    return {**os.environ, **ENVIRONMENT, **added}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    options, rest = parser.parse_known_args()
    library = build(OUT, options.jobs)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += rest or [str(ROOT / "tests" / "engine")]
    return subprocess.run(command, env=environment(library), cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

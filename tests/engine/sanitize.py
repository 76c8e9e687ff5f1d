"""The engine under AddressSanitizer and UndefinedBehaviorSanitizer.

    python tests/engine/sanitize.py [--seconds N] [--seed N] [FILE ...]

Builds all of libpolyvm-engine with them, every instruction set's kernels too, and runs the tests
of the engine with that library in the place of the other, for polyvm.np as well. One file after
the other in random order, all by default, for as long as `--seconds` says.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "sanitize" / "engine"
# Shifts and sums that wrap are meant where they are written with unsigned types; elements lie
# anywhere (elements.h). -O1: loops stay recognisable, and the build takes a minute.
FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
FLAGS += ["-fno-sanitize-recover=all"]
NOTHING_TO_RUN = 5  # pytest's, where all tests of a file are skipped
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
        place = out / unit.object.relative_to(engine_build.BUILD)
        made.append(engine_build.Unit(unit.source, place, (*kept, *FLAGS)))
    engine_build.compile_units(made, jobs)
    objects = [unit.object for unit in made]
    library = out / "libpolyvm-engine.so"
    command = ["gcc", "-shared", "-fsanitize=address,undefined", "-o", str(library)]
    command.append(f"-Wl,-soname,{library.name}")  # what polyvm.np asks for is there already
    command += [*map(str, objects), "-lm", "-lpthread", "-ldl"]
    engine_build.run(command, "linking")
    return library


def environment(library: Path) -> dict[str, str]:
    """Under which Python loads the library: the sanitizer's runtime has to come first."""
    command = ["gcc", "-print-file-name=libasan.so"]
    runtime = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    added = {"LD_PRELOAD": f"{runtime} {library}", "POLYVM_ENGINE_LIBRARY": str(library)}
    return {**os.environ, **ENVIRONMENT, **added}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=None, help="begin no file after these")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    seed = options.seed or int.from_bytes(os.urandom(3), "big") + 1
    variables = environment(build(OUT, options.jobs))
    files = options.files or sorted((ROOT / "tests" / "engine").glob("test_*.py"))
    random.Random(seed).shuffle(files)
    print(f"{len(files)} files, order by seed {seed}", file=sys.stderr, flush=True)
    failed, begun, first = [], 0, time.monotonic()
    for path in files:
        if options.seconds is not None and time.monotonic() - first > options.seconds:
            break
        begun += 1
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
        ended = subprocess.run(command, env=variables, cwd=ROOT, check=False)
        if ended.returncode not in (0, NOTHING_TO_RUN):
            failed.append(path.name)
    left = f", {len(files) - begun} left out for want of time" if begun < len(files) else ""
    print(f"sanitize: {begun} files, failed: {failed or 'none'}{left}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""C programs over the tensor engine under ASan, UBSan and, with threads, ThreadSanitizer.

    python tests/engine/sanitize_programs.py [--rounds N] [--seed N] [NAME ...]

The programs of tests/engine/c are linked with all of the engine, for every instruction set; each
takes how many rounds it goes, and a seed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "c"
BUILD = ROOT / "build" / "sanitize-engine"
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.vm.sanitize import SANITIZERS, Failure, execute, run  # noqa: E402

FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", "-UNDEBUG"]


def engine_build() -> Any:
    """The module that says what the library is made of."""
    spec = importlib.util.spec_from_file_location("engine_build", ROOT / "engine" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def build(program: str, sanitizer: str, jobs: int) -> Path:
    """Compile what has changed, link, and return the executable."""
    described = engine_build()
    out = BUILD / sanitizer
    headers = hashlib.sha256()
    for path in sorted(p for p in described.ENGINE.rglob("*") if p.suffix in (".h", ".inc")):
        headers.update(path.read_bytes())

    def compile_one(source: Path, folder: str, flags: list[str]) -> str:
        made = out / folder / f"{source.stem}.o"
        made.parent.mkdir(parents=True, exist_ok=True)
        key = headers.copy()
        key.update(source.read_bytes() + "\0".join(flags).encode())
        stamp = made.with_suffix(".key")
        if not (made.exists() and stamp.exists() and stamp.read_text() == key.hexdigest()):
            run(["gcc", *flags, "-c", str(source), "-o", str(made)])
            stamp.write_text(key.hexdigest())
        return str(made)

    more = [*FLAGS, *SANITIZERS[sanitizer]]
    work = [
        (unit.source, str(unit.object.parent.relative_to(described.BUILD)), [*unit.flags, *more])
        for unit in described.units()
    ]
    main = ["-std=gnu11", "-D_GNU_SOURCE", *described.INCLUDES, *more]
    work.append((PROGRAMS / f"{program}.c", "programs", main))
    with ThreadPoolExecutor(jobs) as pool:
        objects = list(pool.map(lambda one: compile_one(*one), work))
    executable = out / program
    link = ["gcc", *SANITIZERS[sanitizer], "-o", str(executable), *objects]
    run([*link, *described.LIBRARIES])
    return executable


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", help="programs; all by default")
    options = parser.parse_args()
    seed = options.seed or int.from_bytes(os.urandom(3), "big") + 1
    failed = 0
    for name in options.names or sorted(path.stem for path in PROGRAMS.glob("*.c")):
        for sanitizer in SANITIZERS:
            print(f"{name}, {sanitizer}: seed {seed}", file=sys.stderr, flush=True)
            try:
                executable = build(name, sanitizer, options.jobs)
                arguments = [str(options.rounds), str(seed)]
                print(execute(executable, arguments, sanitizer, 1800).strip(), flush=True)
            except Failure as error:
                print(f"{name}, {sanitizer}: FAILED\n{error}", file=sys.stderr)
                failed += 1
    print("sanitize: all clean" if failed == 0 else f"sanitize: {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

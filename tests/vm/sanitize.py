"""The C runtime under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer.

    python tests/vm/sanitize.py [--sdk SDK] [--rounds N] [--cases N] [--quick] [NAME ...]

`--quick` runs what needs no Python. Everything else is built from
vm/src and engine/ with the sanitizer in and linked with the SDK's CPython, which has none: what
CPython itself does with memory is seen through its allocator's calls only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "vm" / "src"
PROGRAMS = Path(__file__).parent / "c"
ENGINE = ROOT / "engine"
# the folders that vm/build.py compiles into libpolyvm
ENGINE_PARTS = ("stream", "store", "flow", "feature")
BUILD = ROOT / "build" / "sanitize"
FROZEN = ROOT / "build" / "vm" / "isolated"  # frozen.o and the tables, from vm/build.py

COMMON = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer", "-Wall", "-Wextra"]
COMMON += ["-Wno-missing-field-initializers", "-ftls-model=initial-exec", "-UNDEBUG"]
SANITIZERS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    # ThreadSanitizer does not model fences. Here they only order wake-ups; data is
    # handed over by acquire and release of the rings, which it does model.
    "thread": ["-fsanitize=thread", "-Wno-tsan"],
}
ENVIRONMENT = {
    # CPython keeps what it made until the process ends, in mappings that the leak
    # detector does not search: its report would be of CPython's live objects.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # It does not know pthread_timedjoin_np either, and would call joined threads leaked.
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:report_thread_leaks=0",
}
TASKS = {
    "echo": "def run(x):\n    return x\n",
    "work": """
import asyncio, collections, dataclasses, datetime, decimal, enum, json, logging, re
import polyvm
from polyvm import np
@dataclasses.dataclass
class A:
    x: int
    y: list
class E(enum.Enum):
    M = 1
async def later(n):
    await asyncio.sleep(0)
    return n
class Late:
    def __del__(self): print("at the end")
kept = [Late()]
shared = polyvm.share(np.arange(1000.0))
def run(x):
    arrays = [shared, shared[::-2], polyvm.share(np.ones((30, 30)) + np.eye(30)), np.ones(3)]
    rows = [A(i, [i] * 5) for i in range(200)]
    json.loads(json.dumps([dataclasses.asdict(r) for r in rows]))
    logging.warning("working on %r", x)
    print("half a line", end="")
    print("x" * 70_000)
    kept.append([re.compile("a+"), decimal.Decimal(1) / 7, datetime.datetime(2020, 1, 1), open("/dev/null")])
    return [rows, arrays, E.M, asyncio.run(later(5)), {"s": {1}, b"b": (1, 2)}, bytes(70_000), 2**64 - 1]
""",
    "rows": """
import polyvm
from polyvm import np
t = polyvm.features("t")
shared = polyvm.share(np.arange(100.0))
def run(x):
    for i in range(20):
        row = t.get(x)
        assert row is None or row["sum"] == row["a"] + row["b"], row
        t.put(x, {"a": i, "b": x, "sum": i + x}, merge=i % 2 == 0)
        t.put(f"own {x}", {"big": "x" * 5000, "array": shared, "n": i}, at=i)
        assert [row["n"] for _, row in t.history(f"own {x}")][-1] >= i
        assert t.get_many([x, "none"])[1] is None
        t.put("gone", {"n": 1})
        t.remove("gone")
    polyvm.append([{"event": "row", "key": x, "n": n, "shared": shared} for n in range(10)])
    polyvm.append({"event": "done", "key": "all"})
    for e in polyvm.events(key=x, most=5):
        assert e.event["key"] == x and e.event["shared"].sum() == 4950
    try: polyvm.features("other").get(1)
    except LookupError: pass
    else: raise AssertionError
    return t.get(x)
""",
    "count": "n = 0\ndef run(x):\n    global n\n    n += 1\n    return n\n",
    "fail": """
class Bad(Exception):
    def __str__(self): raise RuntimeError
def deep(n): return deep(n + 1)
def run(x):
    kind = x if isinstance(x, int) else 0
    if kind == 0: raise ValueError("v")
    if kind == 1: return object()
    if kind == 2: return 2 ** 64
    if kind == 3: deep(0)
    if kind == 4: raise Bad
    if kind == 5: raise ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [KeyError(2)])])
    if kind == 6:
        a = []; a.append(a)
        return a
    try: 1 / 0
    except ZeroDivisionError as e: raise KeyError("k") from e
""",
    "broken": "import nosuchmodule\n",
    "forever": "def run(x):\n    while True: pass\n",
    "swallow": """
def run(x):
    while True:
        try:
            while True: pass
        except BaseException:
            pass
""",
    "sleep": "import time\ndef run(x):\n    time.sleep(1000)\n",
    "hungry": "kept = []\ndef run(x):\n    while True: kept.append([1] * 100)\n",
    "late": """
class Late:
    def __del__(self):
        while True: pass
kept = [Late()]
def run(x):
    return x
""",
    "log": "import sys\ndef run(x):\n    print('out', x); sys.stderr.write('err')\n",
}


class Failure(Exception):
    """A program could not be built, or a sanitizer found something."""


@dataclass(frozen=True)
class Program:
    """A test program: what it is linked from, and the arguments of a long run."""

    name: str
    sources: tuple[str, ...]  # of vm/src; empty: all of them, and CPython
    arguments: tuple[str, ...]
    engine: tuple[str, ...] = ()  # parts of engine/, whole

    @property
    def needs_python(self) -> bool:
        """Whether it is linked from all there is."""
        return not self.sources and not self.engine


PROGRAM_LIST = (
    Program("ring_test", ("ring",), ("300000",)),
    Program("park_test", ("park", "ring"), ("100000",)),
    Program("packed_test", ("packed",), ("1000000",)),
    Program("breaker_test", ("breaker",), ("1000000",)),
    Program("confine_test", ("confine", "confine_process", "landlock", "policy"), ("1",)),
    Program(
        "journal_test",
        ("journal", "crash", "confine", "landlock", "policy"),
        ("200000",),
        ("stream", "store"),
    ),
    Program("stream_test", (), ("100000",), ("stream", "store")),
    Program("intake_test", (), ("1000000",), ("stream", "store")),
    Program("counters_test", (), ("100000",), ("stream", "store")),
    Program("series_test", (), ("100000",), ("stream", "store")),
    Program("columns_test", (), ("100000",), ("stream", "store")),
    Program("store_test", (), ("400000",), ("stream", "store")),
    Program("flows_test", (), ("20000",), ENGINE_PARTS),
    Program("flow_values_test", (), ("400000",), ENGINE_PARTS),
    Program("features_test", (), ("400000",), ("stream", "store", "feature")),
    Program("flow_aggregates_test", (), ("1000000",), ENGINE_PARTS),
    Program("store_crash_test", (), ("500",), ("stream", "store")),
    Program("sealed_test", (), ("200000",), ("stream", "store")),
    Program("runtime_test", (), ()),
    Program("chains_test", (), ()),
    Program("task_store_test", (), ()),
    Program("cancel_test", (), ()),
)


# Bytecode that is damaged at random; it needs the SDK's headers, a corpus and a seed.
FUZZ = Program(
    "verify_fuzz",
    ("verify", "verify_code", "verify_instructions", "verify_paths", "verify_tables"),
    (),
)
CORPUS = ("bench", "host", "stdlib_trimmed")  # folders with Python files


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-6000:]}")
    return done.stdout


def python_flags(sdk: Path) -> list[str]:
    described = json.loads((sdk / "sdk.json").read_text())
    return [
        "-DPy_BUILD_CORE",
        '-DPVM_BUILD_VARIANT="sanitize"',
        f"-DPVM_BYTECODE_MAGIC={described['bytecode_magic']}u",
        f"-I{sdk / 'include'}",
        f"-I{sdk / 'include' / 'internal'}",
    ]


def sources_of(program: Program) -> list[Path]:
    """The files of vm/src and engine/ that a program is linked from, its own aside."""
    sources = [SOURCES / f"{name}.c" for name in program.sources]
    if program.needs_python:
        sources = sorted(SOURCES.glob("*.c"))
    parts = ENGINE_PARTS if program.needs_python else program.engine
    return sources + [file for part in parts for file in sorted((ENGINE / part).glob("*.c"))]


def build(program: Program, sanitizer: str, sdk: Path | None, out: Path, jobs: int) -> Path:
    """Compile and link one program under one sanitizer; returns the executable."""
    out.mkdir(parents=True, exist_ok=True)
    flags = [*COMMON, *SANITIZERS[sanitizer], f"-I{SOURCES}", f"-I{ROOT / 'vm' / 'include'}"]
    flags += [f"-I{ENGINE / 'include'}"]
    sources = sources_of(program)
    rest: list[str] = []
    if program is FUZZ and sdk is not None:
        flags += python_flags(sdk)
    if program.needs_python:
        if sdk is None:
            raise Failure("no SDK: run `make build` first, or name one with --sdk")
        described = json.loads((sdk / "sdk.json").read_text())
        flags += python_flags(sdk)
        rest = [str(FROZEN / f"{name}.o") for name in ("frozen", "inittab", "dropped")]
        rest += [str(sdk / described["archive"]), *described["link_libs"]]
        engine = ENGINE / "bindings"
        sources += engine.glob("*.c")
        flags += [f"-I{engine}", "-DPyInit__tensor=PyInit__polyvm_tensor"]
        rest += [f"-L{engine / 'lib'}", "-lpolyvm-engine", f"-Wl,-rpath,{engine / 'lib'}"]
    objects = []

    def compile_one(source: Path) -> None:
        obj = out / f"{program.name}-{source.parent.name}-{source.stem}.o"
        run(["gcc", *flags, "-c", str(source), "-o", str(obj)])
        objects.append(str(obj))

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(compile_one, [*sources, PROGRAMS / f"{program.name}.c"]))
    executable = out / program.name
    link = ["gcc", *SANITIZERS[sanitizer], "-Wl,--gc-sections", "-o", str(executable)]
    run([*link, *objects, *rest, "-lpthread", "-lm"])
    return executable


def write_tasks(folder: Path) -> Path:
    """The marshalled code that runtime_test and chains_test run."""
    from polyvm.vm import toolchain

    folder.mkdir(parents=True, exist_ok=True)
    for name, source in TASKS.items():
        pyc = toolchain.compile(source.encode(), f"{name}/main.py")
        (folder / f"{name}.code").write_bytes(pyc[16:])
    return folder


def write_corpus(folder: Path) -> Path:
    """The marshalled code that verify_fuzz damages."""
    from polyvm.vm import toolchain

    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(path for name in CORPUS for path in (ROOT / name).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix(".code").parts)
        (folder / name).write_bytes(toolchain.compile(path.read_bytes(), path.name)[16:])
    return folder


def execute(executable: Path, arguments: list[str], sanitizer: str, seconds: float) -> str:
    """Run it; Failure with the sanitizer's words if it does not end well."""
    command = [str(executable), *arguments]
    if sanitizer == "thread" and (setarch := shutil.which("setarch")):
        # GCC's ThreadSanitizer cannot place its shadow when the kernel spreads mappings wide.
        command = [setarch, "--addr-no-randomize", *command]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env={**os.environ, **ENVIRONMENT},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(
            f"{executable.name} did not end in {seconds:.0f} s: {error.stdout!r}"
        ) from error
    if done.returncode != 0:
        raise Failure(
            f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr[-12000:]}"
        )
    return done.stdout


def recorded_sdk() -> Path | None:
    stamp = ROOT / "build" / "vm" / "sdk"
    return Path(stamp.read_text().strip()) if stamp.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sdk", type=Path, default=recorded_sdk())
    parser.add_argument("--rounds", type=int, default=20, help="how long those with CPython go on")
    parser.add_argument("--cases", type=int, default=1_000_000, help="how many verify_fuzz tries")
    parser.add_argument(
        "--seed", type=int, default=None, help="of those with CPython and verify_fuzz"
    )
    parser.add_argument("--quick", action="store_true", help="ring and park only")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", help="programs; all by default")
    options = parser.parse_args()
    seed = options.seed or int.from_bytes(os.urandom(3), "big") + 1
    failed = 0
    for program in (*PROGRAM_LIST, FUZZ):
        if options.names and program.name not in options.names:
            continue
        if options.quick and (program is FUZZ or program.needs_python):
            continue
        for sanitizer in SANITIZERS:
            if program is FUZZ and sanitizer == "thread":
                continue  # it has one thread
            label = f"{program.name}, {sanitizer}"
            print(f"{label}: building", file=sys.stderr, flush=True)
            try:
                executable = build(program, sanitizer, options.sdk, BUILD / sanitizer, options.jobs)
                arguments = list(program.arguments)
                if program.needs_python:
                    arguments = [str(write_tasks(BUILD / "tasks")), str(options.rounds), str(seed)]
                if program is FUZZ:
                    corpus = write_corpus(BUILD / "corpus")
                    arguments = [str(corpus), str(options.cases), str(seed)]
                print(f"{label}: running {' '.join(arguments)}", file=sys.stderr, flush=True)
                print(execute(executable, arguments, sanitizer, 1800).strip(), flush=True)
            except Failure as error:
                print(f"{label}: FAILED\n{error}", file=sys.stderr)
                failed += 1
    print("sanitize: all clean" if failed == 0 else f"sanitize: {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

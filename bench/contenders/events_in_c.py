"""Keeping events from C: the store's sources and a loop of appends, compiled for this run."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI

from polyvm.host.sealing import events_key
from polyvm.vm import Level

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "engine"
BATCH = 1_000
VALUE = bytes(74)  # as many bytes as an event of the other contenders has on average

_ffi = FFI()
_ffi.cdef(
    "double append_events(const char *folder, int level, void *const sealing[4], int threads, "
    "int batch, long batches, const char *value, size_t len);"
)


@cache
def _library() -> Any:
    """Compile with what the library itself is compiled with."""
    target = Path(tempfile.mkdtemp(prefix="polyvm-bench-")) / "append_events.so"
    sources = [Path(__file__).with_name("append_events.c")]
    sources += [file for part in ("store", "stream") for file in (ENGINE / part).glob("*.c")]
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-DNDEBUG", "-shared", "-fPIC"]
    command = ["gcc", *flags, f"-I{ENGINE / 'include'}", *map(str, sources), "-o", str(target)]
    subprocess.run([*command, "-lpthread", "-lm"], check=True)
    return _ffi.dlopen(str(target))


def append(folder: str, level: str, batches: int, threads: int, *, sealed: bool) -> float:
    """Return the nanoseconds for each event, all threads together."""
    sealing = events_key.generate().sealing()
    functions = sealing[2:] if sealed else (0, 0, 0, 0)
    took = _library().append_events(
        folder.encode(),
        Level[level.upper()],
        [_ffi.cast("void *", address) for address in functions],
        threads,
        BATCH,
        batches,
        VALUE,
        len(VALUE),
    )
    if took < 0:
        raise OSError(f"the store says {took:.0f}")
    return float(took)

"""libpolyvm-engine called without its Python binding: NumPy arrays are passed as they lie.

`call("copy", a, b)` is pvt_copy over the memory of both; numbers, enumerators ("PVT_SUM"), None
and cffi pointers are passed on. A negative status is raised as EngineError. bfloat16, which
NumPy does not have, travels as uint16 wrapped by `as_bfloat16`.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cffi
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = Path(__file__).resolve().parents[2] / "engine"
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES += ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
NUMPY_DTYPES = tuple(name for name in DTYPES if name != "bfloat16")


def declarations(header: str) -> str:
    """Reduce a header of the engine to what cffi reads."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    lines = []
    for line in text.splitlines():
        constant = re.match(r"#define (PVT_\w+) (\d+)$", line)
        if constant is not None or not line.startswith("#"):
            lines.append(line)
    text = re.sub(r"PVT_PRINTF\(.*?\)", "", "\n".join(lines))
    return text.replace("PVT_API ", "").replace("_Atomic ", "")


ffi = cffi.FFI()
for name in ("tensor.h", "linalg.h", "fft.h"):
    ffi.cdef(declarations((ENGINE / "include" / name).read_text()))
LIBRARY = ENGINE / "bindings" / "lib" / "libpolyvm-engine.so"
lib: Any = ffi.dlopen(os.environ.get("POLYVM_ENGINE_LIBRARY") or str(LIBRARY))


class EngineError(Exception):
    """A call's status and sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class BFloat16:
    """An array of bfloat16, as the uint16 of its bits."""

    bits: np.ndarray


def as_bfloat16(values: np.ndarray) -> BFloat16:
    """Round float32 to bfloat16, to nearest even; NaNs stay NaNs."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    quiet = bits >> 16 | 0x40
    return BFloat16(np.where(np.isnan(values), quiet, rounded).astype(np.uint16))


def of_bfloat16(values: BFloat16) -> np.ndarray:
    return (values.bits.astype(np.uint32) << 16).view(np.float32)


def describe(array: np.ndarray | BFloat16) -> Any:
    """Make a pvt_array over a NumPy array's memory, which must stay as long as it."""
    dtype = "bfloat16" if isinstance(array, BFloat16) else array.dtype.name
    data = array.bits if isinstance(array, BFloat16) else array
    made = ffi.new("pvt_array *")
    made.data = ffi.cast("char *", data.__array_interface__["data"][0])
    made.dtype = DTYPES.index(dtype)
    made.ndim = data.ndim
    made.writable = data.flags.writeable
    for i in range(data.ndim):
        made.dim[i].size = data.shape[i]
        made.dim[i].stride = data.strides[i]
    return made


def convert(argument: Any) -> Any:
    if isinstance(argument, np.ndarray | BFloat16):
        return describe(argument)
    if isinstance(argument, str):
        return getattr(lib, argument)
    return ffi.NULL if argument is None else argument


def call(name: str, *arguments: Any) -> int:
    """Call pvt_<name>; its result, if that is not an error."""
    status = int(getattr(lib, f"pvt_{name}")(*map(convert, arguments)))
    if status < 0:
        raise EngineError(status, ffi.string(lib.pvt_error()).decode())
    return status


def isas() -> list[str]:
    """Names of the instruction sets that this machine has kernels for, the best one first."""
    best = ffi.string(lib.pvt_isa()).decode()
    found = [one for one in ("avx512", "avx2", "portable") if lib.pvt_isa_use(one.encode()) == 0]
    lib.pvt_isa_use(best.encode())
    return found


@contextlib.contextmanager
def using(isa: str) -> Iterator[None]:
    """Use another instruction set's kernels for a while."""
    best = lib.pvt_isa()
    call("isa_use", isa.encode())
    try:
        yield
    finally:
        lib.pvt_isa_use(best)

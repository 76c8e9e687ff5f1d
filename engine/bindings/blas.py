"""Where OpenBLAS is: the library that the package scipy-openblas32 brings.

The engine loads it by its path (pvt_blas_open). It needs nothing of Python, so one copy serves
the host and all VMs. The environment variable POLYVM_OPENBLAS names another file, or is `off`:
then the engine's own kernels do everything.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "scipy_openblas32"
SWITCH = "POLYVM_OPENBLAS"
THREADS = "OPENBLAS_NUM_THREADS"
NAMES = ("libscipy_openblas.so", "libscipy_openblas32_.so", "libscipy_openblas32.so")


def find() -> Path | None:
    """Return the library's path, or None if the package is not installed.

    The package is looked for, not imported: what it does when imported is not wanted here.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        return None
    for folder in spec.submodule_search_locations:
        for name in NAMES:
            path = Path(folder) / "lib" / name
            if path.is_file():
                return path
    return None


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """OpenBLAS starts its threads when it is loaded, as many as this variable says."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


def load(tensor: Any) -> None:
    """Have the engine, by its extension module, load OpenBLAS, once for the process.

    Raises RuntimeError if POLYVM_OPENBLAS names a file that cannot be loaded. A package that cannot
    is as good as none.
    """
    chosen = os.environ.get(SWITCH, "")
    if chosen == "off":
        return
    if chosen:
        with _one_thread():
            tensor._blas_open(chosen)
        return
    path = find()
    if path is not None:
        with contextlib.suppress(RuntimeError), _one_thread():
            tensor._blas_open(path)

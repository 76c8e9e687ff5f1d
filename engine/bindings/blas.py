"""Where OpenBLAS is: the library that the package scipy-openblas32 brings.

The engine loads it by its path (pvt_blas_open). It needs nothing of Python, so one copy serves
the host and all VMs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "scipy_openblas32"
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

"""Libraries that the engine uses where they are installed: OpenBLAS, oneDNN.

They are loaded once for the process: VMs share the engine with ordinary Python.
"""

from __future__ import annotations

import importlib
from typing import Any

from polyvm.engine import blas, onednn


def load(tensor: Any) -> None:
    """Have the engine, by its extension module, use what there is.

    Raises RuntimeError if POLYVM_OPENBLAS names a file that cannot be loaded.
    """
    blas.load(tensor)
    onednn.load(tensor)


def _extension() -> Any:
    return importlib.import_module("polyvm.engine._tensor")


def load_for_vms() -> None:
    """Load them for the VMs of this process, before the first of them starts."""
    load(_extension())


def describe() -> dict[str, str]:
    """Return which kernels run, by instruction set, which OpenBLAS, and the backends of models."""
    extension = _extension()
    facts = {"kernels": extension._isa(), "blas": extension._blas_name()}
    for name, available, text in extension._backends():
        facts[f"backend_{name}"] = text if available else f"not used: {text}"
    return facts

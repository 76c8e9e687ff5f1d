"""Where oneDNN is: the library that the package onednn-cpu-gomp puts beside Python's own.

The engine loads it by its path (pvg_onednn_use) when a model first wants it. It needs nothing of
Python, so one copy serves the host and all VMs. The environment variable POLYVM_ONEDNN names
another file, or is `off`: then other backends do everything.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path
from typing import Any

SWITCH = "POLYVM_ONEDNN"
NAME = "libdnnl.so.3"


def find() -> Path | None:
    """Return the library's path, or None if the package is not installed."""
    prefixes = [sys.prefix, sys.base_prefix, site.USER_BASE or ""]
    for prefix in dict.fromkeys(prefixes):
        path = Path(prefix) / "lib" / NAME
        if prefix and path.is_file():
            return path
    return None


def load(tensor: Any) -> None:
    """Tell the engine, by its extension module, where oneDNN is.

    Whether it can be used shows when a model wants it; `polyvm info` says why not.
    """
    chosen = os.environ.get(SWITCH, "")
    path = find() if chosen == "" else Path(chosen)
    if chosen != "off" and path is not None:
        tensor._onednn_use(str(path))

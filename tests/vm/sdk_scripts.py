"""The SDK's build scripts, which are no part of the distribution, made importable."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "vm" / "cpython"

if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from sdk import (  # noqa: E402 - the path comes first
    apt,
    cache,
    cli,
    errors,
    fetch,
    layout,
    options,
    progress,
    releases,
    source,
    stages,
)

__all__ = [
    "SCRIPTS",
    "apt",
    "cache",
    "cli",
    "errors",
    "fetch",
    "layout",
    "options",
    "progress",
    "releases",
    "source",
    "stages",
]

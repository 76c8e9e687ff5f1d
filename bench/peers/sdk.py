"""The Python of the SDK that the VM library was linked from: same source, same options."""

import json
import os
from pathlib import Path
from typing import Any

from bench.peers.python import PeerError, Python, probe

LINKED = Path(__file__).parents[2] / "build" / "vm" / "sdk"
"""Names the SDK that this checkout's library was linked from."""


def find(release: str, build: str) -> Python:
    """The SDK the library was linked from; else the newest of `release` in the user's cache."""
    if LINKED.is_file():
        folder = Path(LINKED.read_text(encoding="utf-8").strip())
        if (folder / "bin" / "python").is_file():
            return probe(folder / "bin" / "python", f"SDK, variant {build}")
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "polyvm"
    found: list[tuple[bool, float, Path, dict[str, Any]]] = []
    for description in root.glob("sdk-*/sdk.json"):
        try:
            facts = json.loads(description.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if facts.get("release") == release and facts.get("flavour") == "isolated":
            same = facts.get("variant") == build
            found.append((same, description.stat().st_mtime, description.parent, facts))
    if not found:
        raise PeerError(f"no SDK of {release} in the cache; `make build` makes one")
    _, _, folder, facts = max(found, key=lambda entry: entry[:2])
    return probe(folder / "bin" / "python", f"SDK, variant {facts.get('variant')}")

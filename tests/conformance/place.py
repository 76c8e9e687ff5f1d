"""place.toml: what is carried into VMs, what is not, and what is changed on the way."""

from __future__ import annotations

import tomllib
from pathlib import Path

_tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

CARRIED: frozenset[str] = frozenset(_tables["carried"])
ABSENT: frozenset[str] = frozenset(_tables["absent"])
CHANGES: dict[str, list[tuple[str, str]]] = {
    change["module"]: [(item["old"], item["new"]) for item in change["replace"]]
    for change in _tables["change"]
}

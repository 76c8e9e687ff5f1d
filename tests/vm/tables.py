"""Tables of features, as tests read them."""

from __future__ import annotations

from typing import Any

from polyvm.vm import LATEST, Features
from tests.vm.programs import pack, unpack


def rows_of(features: Features, table: str, key: str) -> list[tuple[int, dict[str, Any]]]:
    packed = features.history(table, key.encode())
    return [(time_ns, values) for _, time_ns, _, values in unpack(packed)]


def value_at(features: Features, table: str, key: str, at: int = LATEST) -> Any:
    row = unpack(features.get(table, pack([key]), at))[0]
    return None if row is None else row[2]

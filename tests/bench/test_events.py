"""What keeps events in the benchmark gives the same answers."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from bench.contenders import events

if TYPE_CHECKING:
    from pathlib import Path

KINDS = [
    kind
    if kind != "lmdb"
    else pytest.param(
        kind,
        marks=pytest.mark.skipif(
            importlib.util.find_spec("lmdb") is None, reason="needs the extra `bench`"
        ),
    )
    for kind in events.KINDS
]


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_read_finds_the_last_ones(tmp_path: Path, kind: str, synced: bool) -> None:
    told = events.keep(kind, str(tmp_path), synced, 20)
    assert len(told["event_ns"]) == 20
    assert told["found"] > 0.9 * events.READS * events.LAST * (9 / 10)
    assert told["found"] == events.keep("polyvm", str(tmp_path), False, 20)["found"]

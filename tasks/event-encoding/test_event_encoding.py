from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask

EVENT = {
    "event": "purchase",
    "ts": 1_710_325_274,  # Wednesday 13 March 2024, 10:21:14 UTC
    "session_id": "sess_000001",
    "user_id": "user_0000",
    "platform": "mobile",
    "acquisition_channel": "email",
    "user_cohort": "2024-01",
    "user_lifecycle": "new",
}


def test_dense_part_is_one_hot_and_circular(task: OrdinaryTask) -> None:
    encoded = task(EVENT).value
    stages, categories, times = encoded["dense"][:6], encoded["dense"][6:17], encoded["dense"][17:]
    assert stages == [0, 0, 0, 0, 1, 0]
    assert categories == [0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    angle = 2 * math.pi * (10 + 21 / 60) / 24
    assert times[:2] == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-6)
    assert times[-1] == 0
    assert (encoded["session_id"], encoded["ts"]) == ("sess_000001", EVENT["ts"])


def test_weekend_is_marked(task: OrdinaryTask) -> None:
    assert task({**EVENT, "ts": EVENT["ts"] + 3 * 86_400}).value["dense"][-1] == 1  # type: ignore[operator]


def test_hashing_depends_on_the_token_only(task: OrdinaryTask) -> None:
    one, same, other = (
        task({**EVENT, "ts": ts, "user_id": user}).value
        for ts, user in [(0, "user_0000"), (9, "user_0000"), (0, "user_0001")]
    )
    assert (one["sparse"], one["signs"]) == (same["sparse"], same["signs"])
    assert one["sparse"][1:] == other["sparse"][1:]
    assert (one["sparse"][0], one["signs"][0]) != (other["sparse"][0], other["signs"][0])


def test_unknown_names_are_all_zero(task: OrdinaryTask) -> None:
    encoded = task({**EVENT, "event": "teleport", "platform": "fridge"}).value
    assert encoded["dense"][:9] == [0] * 9


def test_missing_field_fails_with_its_name(task: OrdinaryTask) -> None:
    failure = task({"event": "home"}).failure
    assert failure is not None
    assert "KeyError: 'platform'" in failure


def test_manifest_lists_every_page_of_the_vocabulary(task: OrdinaryTask) -> None:
    stages = json.loads(Path(__file__).with_name("vocabulary.json").read_bytes())["stages"]
    pages = [page for names in stages.values() for page in names]
    assert task.manifest.events is not None
    assert sorted(task.manifest.events) == sorted(pages)


def test_sample_encodes(task: OrdinaryTask, sample: list[dict[str, Any]]) -> None:
    answers = [task(line) for line in sample if task.takes(line)]
    assert len(answers) == 2001
    assert all(answer.failure is None for answer in answers)
    assert {len(answer.value["dense"]) for answer in answers} == {24}

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import prepare_inputs as inputs
import pytest

if TYPE_CHECKING:
    from polyvm.host.dev import OrdinaryTask

SPEECH = inputs.in_noise(inputs.samples(), 30, 1)


def test_speech_is_found_where_it_is(task: OrdinaryTask) -> None:
    answer = task({"name": "x", "sound": SPEECH}).value
    assert answer["seconds"] == pytest.approx(len(SPEECH) / 32_000, abs=0.032)
    ((first, after),) = answer["speech"]
    assert 0.5 < first < 0.9
    assert 3.2 < after < 3.7
    assert answer["highest"] > 0.95
    assert "state" not in answer


def test_noise_and_silence_are_no_speech(task: OrdinaryTask) -> None:
    noise = inputs.in_noise(inputs.array("h", bytes(2 * 48_000)), 300, 2)
    for sound in (noise, bytes(64_000), b""):
        assert task({"sound": sound}).value["speech"] == []


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("as_json", [True, False])
def test_parts_give_what_the_whole_gives(task: OrdinaryTask, seed: int, as_json: bool) -> None:
    whole = task({"sound": SPEECH}).value
    print(f"seed {seed}")
    chance = random.Random(seed)
    found: list[Any] = []
    highest, at, state = 0.0, 0, None
    while at < len(SPEECH):
        size = 2 * chance.choice([0, 1, 100, 511, 512, 513, 5000])
        more = at + size < len(SPEECH)
        event = {"sound": SPEECH[at : at + size], "more": more, "state": state}
        if as_json:
            event = json.loads(msgspec.json.encode(event))
        answer = task(event).value
        found += answer["speech"]
        highest = max(highest, answer["highest"])
        at, state = at + size, answer.get("state")
    assert found == whole["speech"]
    assert highest == pytest.approx(whole["highest"], abs=1e-4)


def test_probabilities_are_those_of_another_runtime(task: OrdinaryTask) -> None:
    """Of the recording as it is, by ONNX Runtime 1.31."""
    sound = (Path(inputs.__file__).parent / "data" / "arctic_a0009.wav").read_bytes()[44:]
    state, got = None, []
    for at in range(0, 1024 * 10, 1024):
        answer = task({"sound": sound[at : at + 1024], "more": True, "state": state}).value
        got.append(answer["highest"])
        state = answer["state"]
    assert got == pytest.approx(PROBABILITIES, abs=2e-4)


PROBABILITIES = [0.0237, 0.0097, 0.005, 0.0041, 0.0086, 0.1235, 0.3857, 0.9496, 0.9986, 0.9998]


def test_half_a_sample_fails(task: OrdinaryTask) -> None:
    failure = task({"sound": b"123"}).failure
    assert failure is not None
    assert "sound of 3 bytes ends in the middle of a sample" in failure


def test_stretches_begin_and_end_by_two_thresholds(task: OrdinaryTask) -> None:
    assert task is not None
    from speech import Speech

    speech = Speech()
    loud, between, low = [0.9] * 9, [0.4] * 5, [0.1] * 4
    assert speech.follow([*low, *loud, *between]) == []
    assert speech.follow(low[:3]) == []
    assert speech.follow([0.6, *low]) == [(4, 22)]
    assert speech.follow([0.9] * 3 + low) == []  # too short
    assert speech.follow(loud) == []
    assert speech.end() == [(33, 42)]
    assert speech.end() == []

"""Every program and every task class does what its module says, in ordinary Python."""

import json
from importlib import import_module
from typing import Any

import msgspec
import pytest

from bench.sections.programs import PROGRAMS
from bench.workloads import CLASSES, MIX


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_returns_its_checked_value(name: str) -> None:
    module: Any = import_module(f"bench.programs.{name}")
    size, value = module.CHECK
    assert module.run(size) == value
    assert module.N > 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_starts_from_the_same_state_every_time(name: str) -> None:
    module: Any = import_module(f"bench.programs.{name}")
    size, value = module.CHECK
    module.run(size + 1)
    assert json.loads(json.dumps(module.run(size))) == value


def test_known_values_of_classic_programs() -> None:
    fannkuch: Any = import_module("bench.programs.fannkuch")
    queens: Any = import_module("bench.programs.queens")
    assert fannkuch.run(6) == [49, 10]
    assert [queens.run(n)[0] for n in (4, 5, 6, 7, 8)] == [2, 10, 4, 40, 92]


@pytest.mark.parametrize("kind", CLASSES)
def test_payloads_and_results_cross_as_messagepack(kind: str) -> None:
    module: Any = CLASSES[kind]
    payload = module.payload(3)
    assert module.payload(3) == payload
    packed = msgspec.msgpack.encode(payload)
    result = module.run(msgspec.msgpack.decode(packed))
    assert result == module.run(payload)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result)) == result


def test_tasks_of_a_class_differ_from_input_to_input() -> None:
    for kind in ("light", "middle", "heavy"):
        module: Any = CLASSES[kind]
        results = {json.dumps(module.run(module.payload(i)), sort_keys=True) for i in range(5)}
        assert len(results) == 5, kind


def test_the_mix_ends_on_its_lightest_class() -> None:
    assert [kind for kind, _ in MIX] == ["heavy", "middle", "light"]

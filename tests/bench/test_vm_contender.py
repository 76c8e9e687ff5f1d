"""PolyVM as a contender: the same operations, the same values."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from bench.contender import Contender
from bench.contenders.serve import digest
from bench.sections.programs import PROGRAMS
from bench.workloads import CLASSES, runs_of


@pytest.fixture(scope="module")
def contender() -> Iterator[Contender]:
    with Contender.vm("test vm") as made:
        yield made


def test_every_program_returns_its_checked_value_in_a_vm(contender: Contender) -> None:
    for name in PROGRAMS:
        module: Any = import_module(f"bench.programs.{name}")
        size, value = module.CHECK
        told = contender.ask("program", name=name, n=size, repeat=1)
        assert told["value"] == value, name


@pytest.mark.parametrize(("kind", "count"), [("light", 100), ("middle", 5), ("heavy", 1)])
def test_the_executor_returns_what_a_loop_returns(
    contender: Contender, kind: str, count: int
) -> None:
    module: Any = CLASSES[kind]
    expected = digest([module.run(module.payload(i)) for i in range(count)])
    assert contender.ask("workload", kind=kind, count=count, repeat=1)["value"] == expected
    contender.ask("open_pool", kind="vm", workers=2, classes=[kind])
    assert contender.ask("batch", kind=kind, count=count)["digest"] == expected
    assert contender.ask("one_by_one", kind=kind, count=count)["digest"] == expected
    contender.ask("close_pool")


def test_mixed_batches_return_what_a_loop_returns(contender: Contender) -> None:
    work: Any = {kind: module.run for kind, module in CLASSES.items()}
    expected = [work[kind](payload) for kind, inputs in runs_of("mixed", 2) for payload in inputs]
    contender.ask("open_pool", kind="vm", workers=2, classes=["light", "middle", "heavy"])
    assert contender.ask("batch", kind="mixed", count=2)["digest"] == digest(expected)
    contender.ask("close_pool")


def test_the_life_of_vms_is_counted(contender: Contender) -> None:
    told = contender.ask("create", count=4)
    assert len(told["create_ns"]) == len(told["retire_ns"]) == 4
    assert told["counted_bytes"] > 0
    assert len(contender.ask("resets", count=3)["reset_ns"]) == 3
    assert len(contender.ask("warm", count=3)["load_ns"]) == 3


def test_memory_curves_have_a_sample_for_each_step(contender: Contender) -> None:
    reset = contender.ask("reset_cycles", cycles=20, samples=5)
    assert reset["at"] == [4, 8, 12, 16, 20]
    assert all(held > 0 for held in reset["bytes"])
    many = contender.ask("many_tasks", count=6, rounds=2, samples=3)
    assert many["loaded"] == 3
    assert len(many["bytes"]) == len(many["at"]) == 5

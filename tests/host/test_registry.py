from __future__ import annotations

import threading
from pathlib import Path

import pytest

from polyvm.host import manifest
from polyvm.host.bundle import PYC_HEADER_BYTES, Bundle
from polyvm.host.deployment import State
from polyvm.host.registry import Registry
from polyvm.vm import Module, Outcome, Program, QueueFull, toolchain
from tests.host.runner import ManualRunner

CODE = toolchain.compile(b"def run(payload):\n    return payload\n", "main.py")[PYC_HEADER_BYTES:]


def bundle(name: str = "a", version: str = "1.0", events: str = "") -> Bundle:
    lines = [f'name = "{name}"', f'version = "{version}"', 'entry = "main:run"', events]
    program = Program(name, version, "main:run", {"main": Module(CODE)})
    return Bundle(manifest.parse("\n".join(lines).encode(), "f"), program, Path(name))


def test_routes_by_event() -> None:
    registry = Registry(ManualRunner())
    registry.deploy(bundle("all"))
    registry.deploy(bundle("x-only", events='events = ["x"]'))
    assert registry.targets("x") == ("all", "x-only")
    assert registry.targets("y") == ("all",)
    assert registry.targets(None) == ("all",)
    registry.withdraw("all")
    assert registry.targets("y") == ()


def test_replaced_version_finishes_what_it_has() -> None:
    runner = ManualRunner()
    registry = Registry(runner)
    registry.deploy(bundle(version="1.0"))
    assert registry.submit("a", b"", 1)
    registry.deploy(bundle(version="2.0"))
    assert registry.submit("a", b"", 2)
    assert [(row.version, row.state) for row in registry.snapshot()] == [
        ("2.0", State.LIVE),
        ("1.0", State.DRAINING),
    ]
    settled = registry.settle(runner.finish())
    assert [(c.tag, m.version) for c, m in settled] == [(1, "1.0"), (2, "2.0")]
    assert [(row.version, row.state, row.runs) for row in registry.snapshot()] == [
        ("2.0", State.LIVE, 1),
        ("1.0", State.WITHDRAWN, 1),
    ]


def test_withdrawn_versions_share_a_row_and_lose_no_count() -> None:
    runner = ManualRunner()
    registry = Registry(runner)
    for number in range(5):
        registry.deploy(bundle(version=f"1.{number}"))
        registry.submit("a", b"", number)
        registry.settle(runner.finish(outcome=Outcome.FAILED))
    registry.withdraw("a")
    (row,) = registry.snapshot()
    assert (row.version, row.state, row.runs, row.failures) == ("1.4", State.WITHDRAWN, 5, 5)


def test_unknown_and_withdrawn_names_take_nothing() -> None:
    registry = Registry(ManualRunner())
    assert not registry.submit("a", b"", 1)
    registry.deploy(bundle())
    assert registry.withdraw("a")
    assert not registry.withdraw("a")
    assert not registry.submit("a", b"", 1)
    assert registry.pending == 0


def test_full_queue_accepts_nothing() -> None:
    registry = Registry(ManualRunner(room=1))
    registry.deploy(bundle())
    registry.submit("a", b"", 1)
    with pytest.raises(QueueFull):
        registry.submit("a", b"", 2)
    assert registry.pending == 1


def test_replacing_under_load_loses_nothing() -> None:
    runner = ManualRunner()
    registry = Registry(runner)
    registry.deploy(bundle(version="0"))
    count, replacements = 5000, 200
    seen: list[int] = []
    done = threading.Event()

    def submit() -> None:
        for tag in range(count):
            assert registry.submit("a", b"", tag)  # a refusal by the runner would raise

    def collect() -> None:
        while not done.is_set() or runner.pending:
            seen.extend(completion.tag for completion, _ in registry.settle(runner.finish(7)))

    submitter, collector = threading.Thread(target=submit), threading.Thread(target=collect)
    submitter.start()
    collector.start()
    for version in range(1, replacements + 1):
        registry.deploy(bundle(version=str(version)))
    submitter.join()
    done.set()
    collector.join()
    assert registry.wait_until_idle(0)
    assert sorted(seen) == list(range(count))
    assert sum(row.runs for row in registry.snapshot()) == count
    assert runner.withdrawn == set(range(1, replacements + 1))

"""Events on their way to triggers of live tasks, with a real executor."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import manifest
from polyvm.host.bundle import Bundle
from polyvm.host.events import Events
from polyvm.host.feed import Feed
from polyvm.host.ingestion import batches
from polyvm.host.invocations import Invocations, Stopping
from polyvm.host.isolation import ProcessRunner
from polyvm.host.live_triggers import LiveTriggers
from polyvm.host.metrics import Metrics
from polyvm.host.registry import Registry
from polyvm.host.runners import Runners
from polyvm.host.sources import Sources
from polyvm.host.switches import Disabled, Paused, Switches, Verb
from polyvm.vm import DecodeError, Executor, Module, Outcome, Program, QueueFull, toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

ECHO = b"def run(x):\n    return x\n"
PAIR = '[[triggers]]\nsequence = [{type = "view"}, {type = "buy"}]\n'
ONE = '[[triggers]]\nname = "one"\nsequence = [{type = "buy"}]\n'


class Stage:
    """A registry whose tasks have triggers."""

    def __init__(self, **options: int) -> None:
        self.executor = Executor(1, **options)
        self.processes = ProcessRunner(self.executor)
        self.switches = Switches()
        self.registry = Registry(
            Runners(self.executor, self.processes),
            self.switches,
            triggers=LiveTriggers(self.executor.triggers, self.switches),
        )
        self.stopping = threading.Event()
        self.events = Events(self.registry, self.stopping.is_set)

    def deploy(self, name: str, text: str, version: str = "1.0") -> None:
        lines = f'name = "{name}"\nversion = "{version}"\nentry = "main:run"\n{text}'
        made = manifest.parse(lines.encode(), "f")
        program: Any
        if made.isolation == "process":
            program = Sources(name, version, "main:run", {"main": Module(ECHO)}, {}, secret=False)
        else:
            code = toolchain.compile(ECHO, "main.py")[16:]
            program = Program(name, version, "main:run", {"main": Module(code)})
        self.registry.deploy(Bundle(made, program, Path(name)))

    def put(self, *types: str, key: str = "k") -> list[str]:
        """Hand in events; the triggers that started something."""
        report = self.events.put([{"event": each, "key": key} for each in types])
        return [start.trigger for start in report.starts if start.error is None]

    def drain(self) -> list[Any]:
        """Wait until nothing is pending; what the invocations returned."""
        values = []
        while self.registry.pending:
            for completion, _ in self.registry.settle(self.executor.collect(timeout_ms=50)):
                assert completion.outcome is Outcome.DONE, completion.data
                values.append(msgspec.msgpack.decode(completion.data))
        return values


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.processes.stop(0)
    made.executor.close()


def test_a_sequence_starts_its_task(stage: Stage) -> None:
    stage.deploy("a", PAIR + ONE)
    stage.deploy("b", ONE)
    assert stage.put("view") == []
    assert sorted(stage.put("buy")) == ["a.1", "a.one", "b.one"]
    values = stage.drain()
    assert sorted((value["trigger"], len(value["events"])) for value in values) == [
        ("1", 2),
        ("one", 1),
        ("one", 1),
    ]
    assert stage.registry.targets("buy") == ()  # by their triggers alone


def test_a_new_version_goes_on_where_its_condition_is_the_same(stage: Stage) -> None:
    stage.deploy("a", PAIR)
    stage.put("view", key="x")
    stage.put("view", key="y")
    stage.deploy("a", ONE + PAIR, version="2.0")
    assert sorted(stage.put("buy", key="x")) == ["a.2", "a.one"]
    stage.deploy("a", PAIR.replace("view", "look"), version="3.0")
    assert stage.put("buy", key="y") == []
    assert stage.put("look", "buy", key="y") == ["a.1"]
    stage.registry.withdraw("a")
    assert not stage.registry.firing.expects_events
    assert stage.put("look", "buy") == []
    stage.drain()


def test_switches(stage: Stage) -> None:
    stage.deploy("a", ONE + PAIR)
    stage.switches.turn("trigger", "a.one", Verb.DISABLE)
    assert stage.put("view", "buy") == ["a.2"]
    stage.deploy("a", ONE, version="2.0")  # the switch outlives the version
    assert stage.put("buy") == []
    stage.switches.turn("trigger", "a.one", Verb.ENABLE)
    assert stage.put("buy") == ["a.one"]
    stage.switches.turn("lane", "regular", Verb.DISABLE)
    assert stage.put("buy") == []
    stage.switches.turn("lane", "regular", Verb.ENABLE)
    stage.switches.turn("task", "a", Verb.PAUSE)
    report = stage.events.put([{"event": "buy"}])
    assert [type(start.error) for start in report.starts] == [Paused]
    assert stage.registry.firing.refusals() == {("a", "paused"): 1}
    stage.switches.turn("task", "a", Verb.RESUME)
    assert stage.put("buy") == ["a.one"]
    stage.drain()


def test_tasks_in_processes_have_triggers_too(stage: Stage) -> None:
    stage.deploy("a", 'isolation = "process"\n' + ONE)
    assert stage.put("buy") == ["a.one"]
    assert [value["event"]["event"] for value in stage.drain()] == ["buy"]


def test_what_is_refused_is_told_and_counted() -> None:
    stage = Stage(max_pending=2)
    stage.deploy("a", ONE)
    report = stage.events.put([{"event": "buy"}] * 5)
    refused = [start for start in report.starts if start.error is not None]
    assert report.accepted == 5 - len(refused)
    assert all(isinstance(start.error, QueueFull) for start in refused)
    assert stage.registry.firing.refusals() == {("a", "full"): len(refused)}
    assert len(refused) == 3
    stage.drain()
    stage.stopping.set()
    with pytest.raises(Stopping):
        stage.put("buy")
    stage.executor.close()


def test_the_feed_waits_for_room(tmp_path: Path) -> None:
    stage = Stage(max_pending=3)
    stage.deploy("a", ONE)
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"event":"buy","key":1}\n{"event":"none"}\n[1]\n' * 100)
    rejected: list[Any] = []
    feed = Feed(
        str(source),
        stage.registry,
        bad_line=lambda *why: rejected.append(why),
        refused=lambda *why: rejected.append(why),
        stop=threading.Event(),
        cancel=threading.Event(),
    )
    thread = threading.Thread(target=feed.run)
    thread.start()
    values = []
    while thread.is_alive():
        values += stage.drain()
        thread.join(0.01)
    values += stage.drain()
    assert len(values) == 100
    assert (feed.unrouted, feed.lost, rejected) == (200, 0, [])
    stage.executor.close()


def test_disabled_is_no_match(stage: Stage) -> None:
    stage.deploy("a", ONE)
    stage.switches.turn("task", "a", Verb.DISABLE)
    assert stage.events.put([{"event": "buy"}]).starts == []
    with pytest.raises(Disabled):
        stage.registry.submit("a", b"\xc0", 1)


def test_threads_and_versions(stage: Stage) -> None:
    """Every pair starts its task once, whatever is deployed meanwhile."""
    stage.deploy("a", PAIR)
    counts = [0] * 3

    def put(index: int) -> None:
        for turn in range(100):
            counts[index] += len(stage.put("view", "buy", key=f"{index} {turn % 3}"))

    threads = [threading.Thread(target=put, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    version = 1
    values = []
    while any(thread.is_alive() for thread in threads):
        version += 1
        stage.deploy("a", PAIR + ONE.replace("buy", f"other{version % 2}"), version=f"{version}.0")
        values += stage.drain()
    values += stage.drain()
    assert counts == [100] * 3
    assert len(values) == 300


def test_batches_run_side_by_side_while_versions_change(stage: Stage) -> None:
    stage.deploy("a", ONE)
    stage.deploy("b", 'after = ["a"]\n')
    lines = b'{"event": "buy"}\n{"event": "view"}\n' * 50
    accepted: list[int] = []
    problems: list[BaseException] = []
    over = threading.Event()

    def hand_in() -> None:
        try:
            for _ in range(12):
                report = stage.events.put_batches(batches(lines))
                assert report.error is None
                assert report.events == 100
                accepted.append(report.accepted)
        except BaseException as error:  # noqa: BLE001 - told below
            problems.append(error)

    def settle() -> None:
        try:
            while not over.is_set():
                stage.registry.settle(stage.executor.collect(timeout_ms=1))
        except BaseException as error:  # noqa: BLE001 - told below
            problems.append(error)

    threads = [threading.Thread(target=hand_in) for _ in range(4)]
    collector = threading.Thread(target=settle)
    for thread in (*threads, collector):
        thread.start()
    version = 2
    while any(thread.is_alive() for thread in threads):
        stage.deploy("a", ONE, version=f"{version}.0")
        stage.switches.turn("task", "b", Verb.DISABLE if version % 2 else Verb.ENABLE)
        if version % 5 == 0:
            stage.registry.withdraw("a")
        version += 1
    for thread in threads:
        thread.join()
    assert stage.registry.wait_until_idle(60)
    over.set()
    collector.join()
    assert problems == []
    finished = {tally.name: sum(tally.outcomes) for tally in stage.registry.tallies()}
    assert finished["a"] == sum(accepted) > 0


def test_what_stops_a_batch_is_told_and_holds_no_memory(stage: Stage) -> None:
    report = stage.events.put_batches(batches(b'{"event": "buy"}\n' * 3 + b"nonsense\n{}"))
    assert (report.events, type(report.error)) == (3, DecodeError)
    data = bytearray(b"nonsense")
    report = stage.events.put_batches(batches(data))
    assert (report.events, type(report.error)) == (0, DecodeError)
    del report
    gc.collect()  # the memory that was lent is given back, whoever still knows the error
    data += b"!"


def test_metrics(stage: Stage) -> None:
    stage.deploy("a", ONE + PAIR)
    stage.put("view", "buy", "view", "nothing")
    stage.switches.turn("task", "a", Verb.PAUSE)
    stage.put("buy")
    metrics = Metrics(
        stage.registry,
        Invocations(stage.registry, stage.stopping.is_set),
        threads=stage.executor.threads,
        refused=lambda: 0,
        lost_records=lambda: 0,
    )
    lines = metrics.exposition("text/plain")[0].decode().splitlines()
    for line in (
        "polyvm_events_total 5.0",
        "polyvm_events_matched_total 4.0",
        'polyvm_trigger_fired_total{trigger="a.one"} 2.0',
        'polyvm_trigger_fired_total{trigger="a.2"} 2.0',
        'polyvm_trigger_refused_total{reason="paused",task="a"} 2.0',
        "polyvm_trigger_pending 1.0",
    ):
        assert line in lines, line
    stage.drain()

"""Timers and counters of live tasks, with a real executor and a clock of the test's own."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.errors import StateFileError
from polyvm.host.events import Events
from polyvm.host.invocations import Invocations
from polyvm.host.live_triggers import LiveTriggers
from polyvm.host.metrics import Metrics
from polyvm.host.registry import Registry
from polyvm.host.runners import Runners
from polyvm.host.schedules import SECOND, Moment
from polyvm.host.switches import Verb
from polyvm.host.ticker import Ticker
from polyvm.host.timer_keeper import TimerKeeper
from tests.host.test_events import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = '[[triggers]]\nname = "tick"\nevery = "10s"\n'
PER_USER = '[[triggers]]\nname = "three"\nstream = "clicks"\nevents = 3\nkey = "user"\n'


class Timed(Stage):
    """A stage whose timers have a clock that the test sets."""

    def __init__(self, keeper: TimerKeeper | None = None, **options: int) -> None:
        super().__init__(**options)
        self.now = Moment(5 * SECOND, 1_800_000_000 * SECOND)
        self.registry = Registry(
            Runners(self.executor, self.processes),
            self.switches,
            triggers=LiveTriggers(
                self.executor.triggers, self.switches, keeper=keeper, clock=lambda: self.now
            ),
        )
        self.events = Events(self.registry, self.stopping.is_set)
        self.ticker = Ticker(self.registry, threading.Event(), threading.Event())

    def later(self, seconds: float) -> list[str]:
        """Let time go by; what timers and counters started."""
        ns = int(seconds * SECOND)
        self.now = Moment(self.now.monotonic_ns + ns, self.now.wall_ns + ns)
        started, counted, _ = self.registry.firing.tick()
        return [each.trigger for each in (*started, *counted) if each.error is None]

    def close(self) -> None:
        self.processes.stop(0)
        self.executor.close()


@pytest.fixture
def stage() -> Iterator[Timed]:
    made = Timed()
    yield made
    made.close()


def test_a_timer_starts_its_task(stage: Timed) -> None:
    stage.deploy("a", EVERY)
    assert stage.later(9) == []
    assert stage.later(1) == ["a.tick"]
    assert stage.later(25) == ["a.tick"]
    begin = 1_800_000_000.0
    assert sorted(stage.drain(), key=lambda each: each["time"]) == [
        {"trigger": "tick", "time": begin + 10, "scheduled": begin + 10, "missed": 0},
        {"trigger": "tick", "time": begin + 35, "scheduled": begin + 30, "missed": 1},
    ]
    figures = stage.registry.firing.trigger_figures()
    assert figures is not None
    (one,) = figures[1]
    assert (one.kind, one.fired, one.missed) == ("every", 2, 1)
    assert one.next_ns == int((begin + 40) * SECOND)
    stage.deploy("a", EVERY, version="2.0")
    assert stage.later(5) == ["a.tick"]
    stage.registry.withdraw("a")
    assert stage.later(100) == []
    stage.drain()


def test_timers_of_processes_and_chains(stage: Timed) -> None:
    stage.deploy("p", 'isolation = "process"\n' + EVERY)
    stage.deploy("first", EVERY)
    stage.deploy("second", 'after = ["first"]\n')
    assert sorted(stage.later(10)) == ["first.tick", "p.tick"]
    assert len(stage.drain()) == 3


def test_switches(stage: Timed) -> None:
    stage.deploy("a", EVERY)
    stage.switches.turn("trigger", "a.tick", Verb.DISABLE)
    assert stage.later(30) == []
    stage.switches.turn("trigger", "a.tick", Verb.ENABLE)
    assert stage.later(9) == []
    assert stage.later(1) == ["a.tick"]
    stage.switches.turn("task", "a", Verb.PAUSE)
    assert stage.later(35) == []
    stage.switches.turn("task", "a", Verb.RESUME)
    assert stage.later(0) == ["a.tick"]
    assert [value["missed"] for value in stage.drain()] == [0, 2]
    stage.switches.turn("lane", "regular", Verb.DISABLE)
    assert stage.later(50) == []


def test_the_wait_is_that_of_the_next_one(stage: Timed) -> None:
    assert stage.registry.firing.tick()[2] is None
    stage.deploy("a", '[[triggers]]\nevery = "250ms"\n')
    assert stage.registry.firing.changed.is_set()
    assert stage.registry.firing.tick()[2] == 0.25
    stage.deploy("b", PER_USER + 'every = "100ms"\n')
    assert stage.registry.firing.tick()[2] == 0.1


def test_what_a_timer_starts_and_finds_no_place_is_counted() -> None:
    stage = Timed(max_pending=1)
    stage.deploy("a", EVERY + '[[triggers]]\nevery = "10s"\n')
    started, _, _ = stage.registry.firing.tick()
    stage.now = Moment(stage.now.monotonic_ns + 10 * SECOND, stage.now.wall_ns + 10 * SECOND)
    started, _, _ = stage.registry.firing.tick()
    assert sorted(each.error is None for each in started) == [False, True]
    stage.drain()
    stage.close()


def test_counters_start_tasks_and_lose_nothing_while_paused(stage: Timed) -> None:
    stage.deploy("a", PER_USER)
    for user in (1, 2, 1, 2, 1):
        stage.events.put([{"stream": "clicks", "user": user}])
    (value,) = stage.drain()
    assert (value["trigger"], value["key"], value["events"]) == ("three", "1", 3)
    stage.switches.turn("task", "a", Verb.PAUSE)
    stage.ticker.finish(ended=False)  # the paused task's is given up in the end, and counted
    assert stage.registry.firing.refusals() == {("a", "paused"): 1}
    stage.switches.turn("task", "a", Verb.RESUME)
    stage.events.put([{"stream": "clicks", "user": 3}])
    stage.ticker.finish(ended=False)
    assert [value["events"] for value in stage.drain()] == [1]


def test_what_waited_and_finds_no_place_goes_later() -> None:
    stage = Timed(max_pending=1)
    stage.deploy("a", PER_USER)
    stage.events.put([{"stream": "clicks", "user": user} for user in range(5)])
    done: list[Any] = []
    over = threading.Event()

    def drain() -> None:
        while not over.is_set():
            done.extend(stage.drain())

    drainer = threading.Thread(target=drain)
    drainer.start()
    stage.ticker.finish(ended=False)
    over.set()
    drainer.join()
    done += stage.drain()
    assert sorted(value["key"] for value in done) == ["0", "1", "2", "3", "4"]
    stage.close()


def test_the_thread_goes_by_real_time() -> None:
    stage = Stage()
    stage.deploy("a", '[[triggers]]\nevery = "10ms"\n')
    stopping = threading.Event()
    ticker = Ticker(stage.registry, stopping, threading.Event())
    thread = threading.Thread(target=ticker.run)
    thread.start()
    found: list[Any] = []
    while len(found) < 3:
        found += stage.drain()
    stopping.set()
    ticker.wake()
    thread.join()
    times = [value["scheduled"] for value in found]
    assert times == sorted(times)
    assert all(value["time"] >= value["scheduled"] for value in found)
    stage.drain()
    stage.processes.stop(0)
    stage.executor.close()


def test_timers_over_restarts(tmp_path: Path) -> None:
    keeper = TimerKeeper(tmp_path)
    first = Timed(keeper)
    cron = '[[triggers]]\nname = "hourly"\ncron = "0 * * * *"\n'
    first.deploy("a", EVERY + cron)
    assert first.later(10) == ["a.tick"]
    keeper.save(at_once=True)
    first.drain()
    first.close()
    assert set(json.loads((tmp_path / "timers.json").read_text())["timers"]) == {
        "a.tick",
        "a.hourly",
    }
    second = Timed(TimerKeeper(tmp_path))
    second.now = Moment(77, first.now.wall_ns + 3605 * SECOND)
    changed = EVERY.replace("10s", "20s").replace("tick", "other")
    second.deploy("a", EVERY + cron + changed)
    assert sorted(second.later(0)) == ["a.hourly", "a.tick"]
    missed = {value["trigger"]: value["missed"] for value in second.drain()}
    assert missed == {"tick": 359, "hourly": 0}
    second.close()
    (tmp_path / "timers.json").write_text("{")
    with pytest.raises(StateFileError, match="no timer's past"):
        TimerKeeper(tmp_path)


def test_metrics(stage: Timed) -> None:
    stage.deploy("a", EVERY)
    stage.later(25)
    stage.drain()
    invocations = Invocations(stage.registry, lambda: False)
    metrics = Metrics(
        stage.registry,
        invocations,
        threads=stage.executor.threads,
        refused=lambda: 0,
        lost_records=lambda: 0,
    )
    text = metrics.exposition("")[0].decode()
    assert 'polyvm_trigger_fired_total{trigger="a.tick"} 1.0' in text
    assert 'polyvm_trigger_missed_total{trigger="a.tick"} 1.0' in text

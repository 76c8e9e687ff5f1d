"""Timers with clocks of the test's own: against a plain model, held, missed, set back."""

from __future__ import annotations

import random

from polyvm.host.schedules import SECOND, Cron, Every, Moment
from polyvm.host.timers import Plan, Tick, Timers

DAY = 20_000 * 86400 * SECOND  # a midnight


class Stage:
    """Timers and the time that it is."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.timers = Timers(chance)
        self.now = Moment(1000 * SECOND, DAY)
        self.paused: set[str] = set()

    def later(self, ns: int, jump_ns: int = 0) -> list[Tick]:
        """Let time go by, and set the clock on the wall as well; what fires."""
        self.now = Moment(self.now.monotonic_ns + ns, self.now.wall_ns + ns + jump_ns)
        return self.fire()

    def fire(self) -> list[Tick]:
        found: list[Tick] = []

        def fire(tick: Tick) -> bool:
            if tick.name in self.paused:
                return False
            found.append(tick)
            return True

        self.timers.run(self.now, fire)
        return found


def test_a_thousand_timers_fire_as_a_plain_count_says() -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    stage = Stage()
    plain: dict[str, tuple[int, int]] = {}  # every, next
    for number in range(1000):
        every = choose.randrange(SECOND // 100, 20 * SECOND)
        plain[str(number)] = (every, stage.now.monotonic_ns + every)
        stage.timers.add(str(number), Plan(Every(every)), stage.now)
    for _ in range(200):
        if plain and choose.random() < 0.2:
            name = choose.choice(sorted(plain))
            del plain[name]
            stage.timers.remove(name)
        wait = stage.timers.wait_ns(stage.now)
        soonest = min(following - stage.now.monotonic_ns for _, following in plain.values())
        assert wait == max(0, min(soonest, SECOND))
        found = stage.later(choose.choice([wait, choose.randrange(3 * SECOND)]))
        expected = []
        for name, (every, following) in plain.items():
            missed = -1
            while following <= stage.now.monotonic_ns:
                following += every  # noqa: PLW2901 - the model's
                missed += 1
            plain[name] = (every, following)
            if missed >= 0:
                scheduled = following - every - stage.now.monotonic_ns + stage.now.wall_ns
                expected.append(Tick(name, scheduled, missed))
        assert sorted(found) == sorted(expected)
        assert stage.timers.last_ns().keys() == plain.keys()


def test_what_is_held_fires_once_or_not_at_all() -> None:
    stage = Stage()
    stage.timers.add("once", Plan(Every(10 * SECOND)), stage.now)
    stage.timers.add("skip", Plan(Every(10 * SECOND), skip=True), stage.now)
    stage.paused = {"once", "skip"}
    assert stage.later(10 * SECOND) == []
    assert stage.later(25 * SECOND) == []  # due at 10, 20 and 30
    stage.paused = set()
    assert stage.fire() == []
    stage.timers.release(stage.now)
    assert stage.fire() == [Tick("once", DAY + 30 * SECOND, 2)]
    assert (stage.timers.missed("once"), stage.timers.missed("skip")) == (2, 3)
    assert [tick.name for tick in stage.later(5 * SECOND)] == ["once", "skip"]


def test_a_timer_that_is_late_by_a_little_is_not_missed() -> None:
    stage = Stage()
    stage.timers.add("t", Plan(Every(SECOND // 100), skip=True), stage.now)
    assert [tick.missed for tick in stage.later(SECOND // 10)] == [9]


def test_many_that_are_due_fire_a_few_at_a_time() -> None:
    stage = Stage()
    for number in range(10):
        stage.timers.add(str(number), Plan(Every(SECOND)), stage.now)
    stage.now = Moment(stage.now.monotonic_ns + SECOND, stage.now.wall_ns + SECOND)
    fired: list[int] = []
    for _ in range(4):
        found: list[Tick] = []
        stage.timers.run(stage.now, lambda tick, found=found: found.append(tick) is None, 3)  # type: ignore[misc]
        fired.append(len(found))
        assert stage.timers.wait_ns(stage.now) == (0 if sum(fired) < 10 else SECOND)
    assert fired == [3, 3, 3, 1]


def test_the_same_plan_goes_on_and_another_begins() -> None:
    stage = Stage()
    stage.timers.add("t", Plan(Every(10 * SECOND)), stage.now)
    assert stage.later(6 * SECOND) == []
    stage.timers.add("t", Plan(Every(10 * SECOND)), stage.now)
    assert len(stage.later(4 * SECOND)) == 1
    stage.timers.add("t", Plan(Every(7 * SECOND)), stage.now)
    assert stage.later(6 * SECOND) == []
    assert len(stage.later(SECOND)) == 1
    stage.timers.remove("t")
    assert stage.later(3600 * SECOND) == []


def test_at_start_and_an_earlier_process() -> None:
    stage = Stage()
    stage.timers.add("start", Plan(Every(10 * SECOND), at_start=True), stage.now)
    stage.timers.add("past", Plan(Every(10 * SECOND)), stage.now, DAY - 34 * SECOND)
    stage.timers.add("both", Plan(Every(10 * SECOND), at_start=True), stage.now, DAY - 12 * SECOND)
    stage.timers.add("future", Plan(Every(10 * SECOND)), stage.now, DAY + 5 * SECOND)
    cron = Plan(Cron("0 * * * *", "UTC"))
    stage.timers.add("cron", cron, stage.now, DAY - 2 * 3600 * SECOND)
    assert sorted(stage.fire()) == [
        Tick("both", DAY - 2 * SECOND, 0),
        Tick("cron", DAY, 1),
        Tick("past", DAY - 4 * SECOND, 2),
        Tick("start", DAY, 0),
    ]
    assert [tick.name for tick in stage.later(6 * SECOND)] == ["past"]
    assert sorted(tick.name for tick in stage.later(4 * SECOND)) == ["both", "future", "start"]


def test_jitter_is_within_its_bound_and_adds_up_to_nothing() -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    stage = Stage(random.Random(seed))
    stage.timers.add("t", Plan(Every(SECOND), SECOND // 2), stage.now)
    delays = []
    for _ in range(100):
        found: list[Tick] = []
        while not found:
            found = stage.later(max(1, stage.timers.wait_ns(stage.now)))
        (tick,) = found
        assert (tick.scheduled_ns - DAY) % SECOND == 0
        assert tick.missed == 0
        delays.append(stage.now.wall_ns - tick.scheduled_ns)
    assert all(0 <= delay < SECOND // 2 for delay in delays)
    assert len(set(delays)) > 50


def test_clocks_that_jump() -> None:
    stage = Stage()
    stage.timers.add("cron", Plan(Cron("*/5 * * * *", "UTC")), stage.now)
    stage.timers.add("every", Plan(Every(300 * SECOND)), stage.now)
    assert stage.fire() == []
    # forward: lines of cron have missed something, distances have not
    assert stage.later(0, 3600 * SECOND) == [Tick("cron", DAY + 3600 * SECOND, 11)]
    # back by a little: no time comes twice
    assert stage.later(SECOND, -2 * SECOND) == []
    assert stage.later(2 * SECOND) == []
    assert stage.timers.next_ns("cron", stage.now) == DAY + 3900 * SECOND
    # back by hours: the next one is that of the new time
    assert stage.later(0, -3600 * SECOND * 5) == []
    following = stage.timers.next_ns("cron", stage.now) - stage.now.wall_ns
    assert 0 < following <= 300 * SECOND
    assert sorted(tick.name for tick in stage.later(300 * SECOND)) == ["cron", "every"]

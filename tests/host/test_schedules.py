"""When schedules are due, against a search minute by minute, and over changes to summer time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from polyvm.host import schedules
from polyvm.host.schedules import SECOND, Cron, Due, Every, Moment

BERLIN = "Europe/Berlin"


def wall(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def told(ns: int, zone: str = "UTC") -> str:
    return datetime.fromtimestamp(ns // SECOND, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %z")


def at(wall_ns: int) -> Moment:
    return Moment(5 * SECOND, wall_ns)


def test_cron_is_due_when_a_search_by_minutes_says() -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    for _ in range(150):
        minutes = sorted(choose.sample(range(60), choose.randint(1, 4)))
        hours = sorted(choose.sample(range(24), choose.randint(1, 6)))
        days = sorted(choose.sample(range(7), choose.randint(1, 3)))
        line = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * "
        line += ",".join(map(str, days))
        begin = wall("2026-01-01T00:00:00") + choose.randrange(400 * 86400) * SECOND
        time = datetime.fromtimestamp(begin // SECOND, UTC).replace(second=0) + timedelta(minutes=1)
        while not (
            time.minute in minutes and time.hour in hours and (time.weekday() + 1) % 7 in days
        ):
            time += timedelta(minutes=1)
        assert Cron(line, "UTC").after(begin) == int(time.timestamp()) * SECOND, (line, begin)


@pytest.mark.parametrize(
    ("line", "begin", "expected"),
    [
        # 02:00 to 03:00 is skipped
        ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"]),
        ("*/30 * * * *", "2026-03-29T01:30", ["2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200"]),
        # 02:00 to 03:00 comes twice
        ("30 2 * * *", "2026-10-24T12:00", ["2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"]),
        (
            "*/30 * * * *",
            "2026-10-25T02:15",
            [
                "2026-10-25 02:30 +0200",
                "2026-10-25 02:00 +0100",
                "2026-10-25 02:30 +0100",
                "2026-10-25 03:00 +0100",
            ],
        ),
        ("0 0 29 2 *", "2026-01-01T00:00", ["2028-02-29 00:00 +0100"]),
    ],
)
def test_summer_time(line: str, begin: str, expected: list[str]) -> None:
    schedule, time = Cron(line, BERLIN), wall(begin, BERLIN)
    for each in expected:
        time = schedule.after(time)
        assert told(time, BERLIN) == each


def test_what_cron_has_missed() -> None:
    schedule = Cron("0 * * * *", "UTC")
    noon = wall("2026-05-01T12:00")
    assert schedule.due(noon, at(noon)) == (Due(noon, 0, 0), noon + 3600 * SECOND)
    late = noon + 3 * 3600 * SECOND + 7
    assert schedule.due(noon, at(late)) == (
        Due(noon + 3 * 3600 * SECOND, 7, 3),
        noon + 4 * 3600 * SECOND,
    )
    # years: it stops counting
    far = wall("2036-05-01T12:30")
    due, following = schedule.due(noon, at(far))
    assert due.missed == 1000
    assert following == wall("2036-05-01T13:00")
    assert schedule.after(2**63 - 1) == 2**63 - 1


def test_a_clock_that_is_set_back() -> None:
    schedule, noon = Cron("*/5 * * * *", "UTC"), wall("2026-05-01T12:00")
    # by seconds: noon does not come twice
    assert schedule.set_back(0, at(noon - SECOND), noon) == noon + 300 * SECOND
    # by hours: as if it had never been noon
    back = noon - 7200 * SECOND - 1
    assert schedule.set_back(0, at(back), noon) == noon - 7200 * SECOND
    assert Every(SECOND).set_back(77, at(0), 5) == 77


def test_every() -> None:
    schedule = Every(10 * SECOND)
    now = Moment(100 * SECOND, 1000 * SECOND)
    assert schedule.begin(now) == 110 * SECOND
    assert schedule.begin(now, 994 * SECOND) == 104 * SECOND
    assert schedule.begin(now, 1001 * SECOND) == 110 * SECOND  # a clock that was set back
    overdue = schedule.begin(now, 965 * SECOND)
    assert schedule.wait_ns(overdue, now) == -25 * SECOND
    assert schedule.due(overdue, now) == (Due(995 * SECOND, 5 * SECOND, 2), 105 * SECOND)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("60 * * * *", "bad minute"),
        ("* * * * MOO", "bad day-of-week"),
        ("0 0 30 2 *", "day-of-month"),
        ("x" * 1000, "five fields"),
    ],
)
def test_lines_that_are_none(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        schedules.cron(line, "UTC")
    assert len(str(caught.value)) < 200

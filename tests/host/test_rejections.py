"""What the log says when lines are refused by the thousand."""

from __future__ import annotations

import pytest
import structlog

from polyvm.host.rejections import EVERY, RejectionLog
from polyvm.vm import BreakerOpen, RateLimited


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def events(captured: list[dict[str, object]]) -> list[tuple[object, object]]:
    said = [(each["event"], each["task"]) for each in captured]
    captured.clear()
    return said


def test_the_first_of_a_kind_is_told_and_the_rest_is_summed_up(clock: Clock) -> None:
    with structlog.testing.capture_logs() as captured:
        log = RejectionLog(clock)
        for line in range(1000):
            log.note(line, "a", BreakerOpen(-14, f"rests for {line} s"))
        log.note(7, "a", RateLimited(-15, "too fast"))
        log.note(8, "b", RateLimited(-15, "too fast"))
        first = dict(captured[0])
        assert (first["line"], first["reason"]) == (0, "rests for 0 s")
        assert events(captured) == [("invocation rejected", name) for name in ("a", "a", "b")]
        log.look()
        assert events(captured) == []
        clock.now += EVERY
        log.look()
        assert captured[0]["latest_reason"] == "rests for 999 s"
        assert events(captured) == [("999 more rejected in 10 s", "a")]


def test_it_goes_on_while_they_come(clock: Clock) -> None:
    with structlog.testing.capture_logs() as captured:
        log = RejectionLog(clock)
        for _ in range(5):
            for _ in range(1234):
                log.note(1, "a", RateLimited(-15, "too fast"))
            clock.now += EVERY
            log.look()
        said = events(captured)
        assert said[:3] == [
            ("invocation rejected", "a"),
            ("1,233 more rejected in 10 s", "a"),
            ("1,234 more rejected in 10 s", "a"),
        ]
        assert len(said) == 6
        clock.now += EVERY
        log.look()
        log.note(2, "a", RateLimited(-15, "too fast"))  # after a time without any
        assert events(captured) == [("invocation rejected", "a")]


def test_nothing_is_left_out_at_the_end(clock: Clock) -> None:
    with structlog.testing.capture_logs() as captured:
        log = RejectionLog(clock)
        for line in range(3):
            log.note(line, "a", RateLimited(-15, "too fast"))
        clock.now += 2
        log.close()
        log.close()
        assert events(captured) == [("invocation rejected", "a"), ("2 more rejected in 2 s", "a")]

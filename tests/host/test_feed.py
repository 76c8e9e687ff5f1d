from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from polyvm.host.feed import Feed
from polyvm.host.registry import Registry
from polyvm.host.switches import Switches, Verb
from polyvm.vm import VmError
from tests.host.runner import ManualRunner
from tests.host.test_registry import bundle

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Fed:
    """A feed over some text, with what it reported."""

    def __init__(self, tmp_path: Path, text: bytes, runner: ManualRunner) -> None:
        source = tmp_path / "in.jsonl"
        source.write_bytes(text)
        self.switches = Switches()
        self.registry = Registry(runner, self.switches)
        self.bad: list[tuple[int, str]] = []
        self.refused: list[tuple[int, str, str]] = []
        self.stop, self.cancel = threading.Event(), threading.Event()
        self.feed = Feed(
            str(source),
            self.registry,
            bad_line=lambda *report: self.bad.append(report),
            refused=lambda line, task, error: self.refused.append((line, task, str(error))),
            stop=self.stop,
            cancel=self.cancel,
        )


def test_lines_reach_the_tasks_that_take_them(tmp_path: Path) -> None:
    runner = ManualRunner()
    fed = Fed(tmp_path, b'{"event":"x","n":1}\n\n  \n{"event":"y"}\n[1]\n"x"\n{"event":3}', runner)
    fed.registry.deploy(bundle("all"))
    fed.registry.deploy(bundle("x-only", events='events = ["x"]'))
    fed.feed.run()
    assert [(task, tag) for task, tag, _ in runner.pending] == [
        (1, 1),
        (2, 1),
        (1, 4),
        (1, 5),
        (1, 6),
        (1, 7),
    ]
    assert msgspec.msgpack.decode(runner.pending[1][2]) == {"event": "x", "n": 1}
    assert (fed.feed.lines, fed.feed.bad, fed.feed.unrouted) == (7, 0, 0)


def test_bad_lines_are_reported_and_passed_over(tmp_path: Path) -> None:
    runner = ManualRunner()
    lines = [b"{", b"\xff", b'"\xff"', b"1" + b"0" * 30, b"[" * 10_000, b"1 2", b"7"]
    fed = Fed(tmp_path, b"\n".join(lines), runner)
    fed.registry.deploy(bundle())
    fed.feed.run()
    assert [tag for _, tag, _ in runner.pending] == [7]
    assert [line for line, _ in fed.bad] == [1, 2, 3, 4, 5, 6]
    assert fed.feed.bad == 6
    reasons = [reason for _, reason in fed.bad]
    assert "is not JSON" in reasons[0]
    assert reasons[2] == "is not UTF-8"
    assert "more than 64 bits" in reasons[3]
    assert reasons[4] == "is nested too deeply"


def test_lines_for_nobody_are_counted(tmp_path: Path) -> None:
    fed = Fed(tmp_path, b'{"event":"y"}\n1\n', ManualRunner())
    fed.registry.deploy(bundle(events='events = ["x"]'))
    fed.feed.run()
    assert fed.feed.unrouted == 2


def test_full_queue_makes_the_feed_wait_and_loses_nothing(tmp_path: Path) -> None:
    runner = ManualRunner(room=3)
    count = 500
    fed = Fed(tmp_path, b"".join(b"%d\n" % n for n in range(count)), runner)
    fed.registry.deploy(bundle())
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    values = []
    while thread.is_alive() or runner.pending:
        assert len(runner.pending) <= 3
        settled = fed.registry.settle(runner.finish(2))
        values += [msgspec.msgpack.decode(completion.data) for completion, _ in settled]
    assert values == list(range(count))
    assert fed.feed.lost == 0


def test_stop_ends_the_feed_after_the_line_at_hand(tmp_path: Path) -> None:
    runner = ManualRunner(room=1)
    fed = Fed(tmp_path, b"1\n2\n3\n", runner)
    fed.registry.deploy(bundle("a"))
    fed.registry.deploy(bundle("b"))
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    while not runner.pending:
        pass
    fed.stop.set()
    ended = []
    while thread.is_alive():
        ended += fed.registry.settle(runner.finish())
    ended += fed.registry.settle(runner.finish())
    assert [(c.task, c.tag) for c, _ in ended] == [(1, 1), (2, 1)]


def test_cancel_ends_a_waiting_feed(tmp_path: Path) -> None:
    fed = Fed(tmp_path, b"1\n2\n3\n", ManualRunner(room=1))
    fed.registry.deploy(bundle())
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    fed.stop.set()
    fed.cancel.set()
    thread.join(30)
    assert not thread.is_alive()


def test_what_the_executor_refuses_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = ManualRunner()
    fed = Fed(tmp_path, b"1\n", runner)
    fed.registry.deploy(bundle())

    def refuse(task_id: int, payload: bytes, tag: int = 0, **options: int) -> None:
        del task_id, payload, tag, options
        raise VmError(-2, "payload too large")

    monkeypatch.setattr(runner, "submit", refuse)
    fed.feed.run()
    assert fed.refused == [(1, "a", "payload too large")]


def test_a_paused_task_makes_the_feed_wait(tmp_path: Path) -> None:
    runner = ManualRunner()
    fed = Fed(tmp_path, b"1\n2\n", runner)
    fed.registry.deploy(bundle("a"))
    fed.switches.turn("task", "a", Verb.PAUSE)
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    while fed.feed.lines < 1:
        pass
    fed.switches.turn("task", "a", Verb.RESUME)
    thread.join(30)
    assert not thread.is_alive()
    assert [tag for _, tag, _ in runner.pending] == [1, 2]


def test_stop_does_not_wait_for_a_paused_task(tmp_path: Path) -> None:
    fed = Fed(tmp_path, b"1\n2\n", ManualRunner())
    fed.registry.deploy(bundle("a"))
    fed.switches.turn("lane", "regular", Verb.PAUSE)
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    while fed.feed.lines < 1:
        pass
    fed.stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert fed.refused == [(1, "a", "lane regular is paused; an operator can resume it")]


def test_lines_are_not_for_disabled_tasks(tmp_path: Path) -> None:
    runner = ManualRunner()
    fed = Fed(tmp_path, b"1\n2\n", runner)
    fed.registry.deploy(bundle("a"))
    fed.registry.deploy(bundle("b"))
    fed.switches.turn("task", "a", Verb.DISABLE)
    fed.feed.run()
    assert [(task, tag) for task, tag, _ in runner.pending] == [(2, 1), (2, 2)]
    assert fed.refused == []

"""Lines of the input that are events go to triggers many at a time, as if they went one by one."""

from __future__ import annotations

import os
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import lines
from polyvm.host.event_store import Keeping, Query, open_store, read
from polyvm.host.feed import Feed
from polyvm.host.live_triggers import LiveTriggers
from polyvm.host.streams import Declared, packed
from polyvm.host.switches import Verb
from polyvm.vm import StoreError
from tests.host.test_events import ONE, PAIR, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from polyvm.vm import EventBatch, EventStore

DECLARED = {"orders": Declared(fields={"n": "int", "ts": "time?"}, id="n", duplicates="1h")}
READER = 'events = ["line"]\n'


class Fed:
    """A feed over a file, with what it reported."""

    def __init__(self, stage: Stage, source: Path, skip: int = 0) -> None:
        self.bad: list[tuple[int, str]] = []
        self.refused: list[tuple[int, str, str]] = []
        self.positions: list[int] = []
        self.stop, self.cancel = threading.Event(), threading.Event()
        self.feed = Feed(
            str(source),
            stage.registry,
            bad_line=lambda *why: self.bad.append(why),
            refused=lambda line, task, error: self.refused.append((line, task, str(error))),
            stop=self.stop,
            cancel=self.cancel,
            accepted=self.positions.append,
            skip=skip,
        )


@contextmanager
def keeping(stage: Stage, folder: Path) -> Iterator[EventStore]:
    store = open_store(Keeping(folder=folder, streams=DECLARED))
    stage.executor.triggers.configure(store=store.handle, streams=packed(DECLARED))
    made = LiveTriggers(stage.executor.triggers, stage.switches, kept=True)
    stage.registry._triggers = stage.registry.firing._triggers = made
    yield store
    stage.processes.stop(0)
    stage.executor.close()
    store.close()


def run(stage: Stage, fed: Fed) -> list[tuple[int, Any]]:
    """Feed to the end; tag and result of each invocation, in the order of their ends."""
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    ended = []
    while thread.is_alive() or stage.registry.pending:
        for each, _ in stage.registry.settle(stage.executor.collect(timeout_ms=5)):
            ended.append((each.tag, msgspec.msgpack.decode(each.data)))
    thread.join()
    return ended


def kept(store: EventStore, stream: str) -> list[Any]:
    if all(each.name != stream for each in store.streams()):
        return []
    return [each.event for each in read(store, Query(stream=stream, most=10**6))]


@pytest.mark.parametrize("reader", [False, True])
def test_every_line_is_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: bool
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    monkeypatch.setattr(lines, "_CHUNK", draw.choice([50, 1000, 65536]))
    choices = {
        "buy": b'{"event": "buy", "key": 1, "at": %d}',
        "line": b'{"event": "line", "at": %d}',
        "none": b'{"event": "none", "at": %d}',
        "order": b'{"stream": "orders", "n": %d}',
        "again": b'{"stream": "orders", "n": 0, "was": %d}',
        "wrong": b'{"stream": "orders", "n": "%d"}',
        "bad": b'{"at": %d',
        "utf8": b'{"\xff": %d}',
        "large": b'{"n": 1%d00000000000000000000000000}',
        "blank": b" \t",
        "list": b"[%d]",
        "number": b"%d",
        "deep": b'{"at": %d, "x": ' + b"[" * 500 + b"]" * 500 + b"}",
    }
    drawn = draw.choices(list(choices), weights=[9, 3, 9, 9] + [1] * 9, k=2000)
    text = [
        choices[kind] % n if b"%d" in choices[kind] else choices[kind]
        for n, kind in enumerate(drawn, 1)
    ]
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n".join(text) + b"\n" * draw.randrange(2))
    numbers = {kind: [n for n, each in enumerate(drawn, 1) if each == kind] for kind in choices}
    stage = Stage()
    with keeping(stage, tmp_path / "kept") as store:
        stage.deploy("a", ONE)
        if reader:
            stage.deploy("r", READER)
        fed = Fed(stage, source)
        ended = run(stage, fed)
        assert fed.feed.lines == 2000
        assert fed.positions[-1] == 2000
        assert sorted(fed.positions) == fed.positions
        bought = [(tag, value["event"]["at"]) for tag, value in ended if "trigger" in value]
        assert bought == [(n, n) for n in numbers["buy"]]
        read_by_task = [(tag, value["at"]) for tag, value in ended if "trigger" not in value]
        assert read_by_task == ([(n, n) for n in numbers["line"]] if reader else [])
        order = [tag for tag, _ in ended]
        assert order == sorted(order)
        plain = sorted(numbers["buy"] + numbers["line"] + numbers["none"])
        assert [each["at"] for each in kept(store, "events")] == plain
        assert [each["n"] for each in kept(store, "orders")] == numbers["order"]
        refused = sorted(
            n
            for kind in ("again", "wrong", "bad", "utf8", "large", "list", "number", "deep")
            for n in numbers[kind]
        )
        assert [line for line, _ in fed.bad] == refused
        letters = kept(store, "dead-letters")
        assert [each["source"] for each in letters] == [f"{source}:{n}" for n in refused]
        reasons = dict(fed.bad)
        for kind, words in (
            ("bad", "is not JSON"),
            ("utf8", "is not UTF-8"),
            ("large", "more than 64 bits"),
            ("wrong", "events --dead"),
        ):
            assert all(words in reasons[n] for n in numbers[kind])
        assert fed.feed.bad == len(refused)
        unrouted = numbers["none"] + numbers["order"] + ([] if reader else numbers["line"])
        assert fed.feed.unrouted == len(unrouted)
        assert fed.refused == []


def test_skipped_lines_are_passed_over(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"event": "buy", "key": 1}\n' * 1000)
    stage = Stage()
    stage.deploy("a", ONE)
    fed = Fed(stage, source, skip=700)
    assert [tag for tag, _ in run(stage, fed)] == list(range(701, 1001))
    stage.executor.close()


def test_order_holds_where_there_is_no_room(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(
        b"".join(b'{"event": "buy", "key": %d}\n{"event": "view"}\n' % n for n in range(400))
    )
    stage = Stage(max_pending=2)
    stage.deploy("a", ONE)
    fed = Fed(stage, source)
    assert [tag for tag, _ in run(stage, fed)] == list(range(1, 800, 2))
    assert (fed.feed.unrouted, fed.refused, fed.bad) == (400, [], [])
    stage.executor.close()


def test_a_paused_task_holds_what_comes_after(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"event": "view", "key": 1}\n{"event": "buy", "key": 1}\n' * 50)
    stage = Stage()
    stage.deploy("a", PAIR)
    stage.deploy("b", '[[triggers]]\nsequence = [{type = "view"}]\n')
    stage.switches.turn("task", "a", Verb.PAUSE)
    fed = Fed(stage, source)
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    while fed.feed.lines < 2:
        pass
    seen = [each.tag for each, _ in stage.registry.settle(stage.executor.collect(timeout_ms=1000))]
    assert seen == [1]  # line 2 waits, and so does the rest
    stage.switches.turn("task", "a", Verb.RESUME)
    while thread.is_alive() or stage.registry.pending:
        seen += [
            each.tag for each, _ in stage.registry.settle(stage.executor.collect(timeout_ms=5))
        ]
    assert sorted(seen) == list(range(1, 101))
    stage.executor.close()


def test_a_line_of_a_slow_pipe_is_done_with_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    stdin = os.fdopen(reading)
    monkeypatch.setattr("sys.stdin", stdin)
    stage = Stage()
    stage.deploy("a", ONE)
    fed = Fed(stage, tmp_path)
    fed.feed._source = "-"
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    for turn in range(1, 20):
        os.write(writing, b'{"event": "buy", "key": 1}\n{"event": "bu')
        (ended,) = stage.registry.settle(collect(stage))
        assert ended[0].tag == 2 * turn - 1
        os.write(writing, b'y"}\n')
        (ended,) = stage.registry.settle(collect(stage))
        assert ended[0].tag == 2 * turn
    os.close(writing)
    thread.join()
    stdin.close()
    stage.executor.close()


def collect(stage: Stage) -> list[Any]:
    while not (ended := list(stage.executor.collect(timeout_ms=100))):
        pass
    return ended


def test_stop_ends_it_between_batches(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"event": "buy", "key": 1}\n' * 100_000)
    stage = Stage(max_pending=1)
    stage.deploy("a", ONE)
    fed = Fed(stage, source)
    thread = threading.Thread(target=fed.feed.run)
    thread.start()
    while fed.feed.lines < 2:
        stage.registry.settle(stage.executor.collect(timeout_ms=1))
    fed.stop.set()
    fed.cancel.set()
    thread.join(60)
    assert not thread.is_alive()
    assert fed.feed.lines < 100_000
    stage.drain()
    stage.executor.close()


def test_what_is_not_kept_is_told_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"event": "none"}\n\n' * 5)
    stage = Stage()
    with keeping(stage, tmp_path / "kept") as store:
        triggers = stage.registry.firing._triggers
        assert triggers is not None
        whole = triggers.ingest
        turns = iter(range(100))

        def full(data: bytes | memoryview, **options: Any) -> EventBatch:
            """The second line that comes finds the disk full, then a batch cannot be synced."""
            turn = next(turns)
            if turn == 1:
                raise StoreError(-30, "the disk is full")
            batch = whole(bytes(data)[:19] if turn == 0 else data, **options)
            if turn == 2:
                object.__setattr__(batch, "error", StoreError(-30, "no sync"))
                object.__setattr__(batch, "taken", 0)
            return batch

        monkeypatch.setattr(triggers, "ingest", full)
        fed = Fed(stage, source)
        fed.feed.run()
        assert fed.feed.lines == 10
        assert [line for line, _ in fed.bad] == [3, 5, 7, 9]
        assert "the disk is full" in fed.bad[0][1]
        assert all("no sync" in why for _, why in fed.bad[1:])
        assert len(kept(store, "events")) == 4

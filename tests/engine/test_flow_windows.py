"""Windows of flows against naive models."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.flows import stream
from tests.engine import window_model
from tests.engine.flow_events import SECOND, SUMMARY, events_of, ns
from tests.engine.flow_set_direct import FlowSet
from tests.engine.window_model import Growing, Panes, Sessions

if TYPE_CHECKING:
    from tests.conftest import Seeded


pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

ROUNDS = 30


def summed(row: dict[str, Any]) -> tuple[Any, ...]:
    totals = row["n"], row["total"], row["least"], row["most"]
    return row["k"], row["window_start"], row["window_end"], totals


def test_tumbling_and_sliding_windows(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        size, lateness = rand.randrange(1, 40), rand.choice((0, 5, 25))
        step = rand.choice((size, rand.randrange(1, size + 1)))
        offset = rand.randrange(step)
        events = events_of(rand, 150)
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .window(sliding=(ns(size), ns(step)), offset=ns(offset), columns=SUMMARY)
            .into_stream("out")
        )
        with FlowSet(shards=rand.choice((1, 4))) as flows:
            added = flows.add(flow)
            for event in events:
                assert flows.append("s", event, event["t"]) == 1
            flows.finish()
            expected, late = window_model.replay(Panes(size, step, offset), events, lateness)
            assert Counter(map(summed, flows.rows())) == Counter(expected)
            stats = flows.stats(added)
            assert (stats.late, flows.late) == (late, late)
            assert (stats.keys, stats.bytes, stats.events) == (0, 0, len(events))


def test_sessions(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        gap, lateness = rand.randrange(1, 40), rand.choice((0, 5, 25))
        events = events_of(rand, 150)
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .window(session=ns(gap), columns=SUMMARY)
            .into_stream("out")
        )
        with FlowSet() as flows:
            added = flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            flows.finish()
            expected, late = window_model.replay(Sessions(gap), events, lateness)
            assert Counter(map(summed, flows.rows())) == Counter(expected)
            assert flows.stats(added).late == late
            assert flows.stats(added).bytes == 0


def test_results_come_as_soon_as_their_time_has() -> None:
    flow = (
        stream("s", lateness="2s").key_by("k").window(tumbling="10s", n="count()").into_stream("o")
    )
    with FlowSet() as flows:
        flows.add(flow)
        for time in (1, 9, 11, 10):
            flows.append("s", {"k": "a"}, time * SECOND)
        assert flows.rows() == []
        flows.append("s", {"k": "b"}, 12 * SECOND)
        first = flows.left()
        assert [(one.row["n"], one.row["window_end"]) for one in first] == [(2, 10 * SECOND)]
        assert first[0].time_ns == 10 * SECOND - 1
        flows.append("s", {"k": "a"}, 9 * SECOND)
        assert flows.late == 1


def test_late_events_go_where_they_are_to_go() -> None:
    chain = stream("s", late_into="late").key_by("k").window(tumbling="10s", n="count()")
    with FlowSet() as flows:
        flows.add(chain.into_stream("o"))
        for time in (1, 12, 2):
            flows.append("s", {"k": "a", "time": time}, time * SECOND, key="own")
        on_time, late = flows.left()
    assert on_time.row["n"] == 1
    assert (late.into, late.key, late.time_ns) == ("late", "own", 2 * SECOND)
    assert late.row == {"k": "a", "time": 2}


def test_updates_come_with_each_row() -> None:
    flow = stream("s").key_by("k").window(sliding=("10s", "5s"), emit="update", n="count()")
    with FlowSet() as flows:
        flows.add(flow.into_stream("o"))
        for time in (1, 6, 7):
            flows.append("s", {"k": "a"}, time * SECOND)
        found = [(row["window_start"] // SECOND, row["n"]) for row in flows.rows()]
        assert Counter(found) == Counter([(0, 1), (-5, 1), (0, 2), (5, 1), (0, 3), (5, 2)])
        flows.finish()
        assert flows.rows() == []


def test_counts_and_running_results(rand: Seeded) -> None:
    events = events_of(rand, 200)
    with FlowSet() as flows:
        flows.add(stream("s").key_by("k").window(count=7, total="sum(v)").into_stream("counts"))
        flows.add(stream("s").key_by("k").window(running=True, total="sum(v)").into_stream("runs"))
        for event in events:
            flows.append("s", event, event["t"])
        left = flows.left()
    values: dict[Any, list[int]] = defaultdict(list)
    counts, running = [], []
    for event in events:
        values[event["k"]].append(event["v"])
        running.append((event["k"], sum(values[event["k"]])))
        if len(values[event["k"]]) % 7 == 0:
            counts.append((event["k"], sum(values[event["k"]][-7:])))
    found = {name: [o.row for o in left if o.into == name] for name in ("counts", "runs")}
    assert [(row["k"], row["total"]) for row in found["counts"]] == counts
    assert [(row["k"], row["total"]) for row in found["runs"]] == running


def test_spans(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        lateness, timeout = rand.choice((20, 30)), rand.choice((0, 25))
        events = events_of(rand, 150, jitter=10)
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .window(
                span=("kind == 'a'", "kind == 'b'"),
                timeout=ns(timeout) if timeout else None,
                columns=SUMMARY,
            )
            .into_stream("out")
        )
        with FlowSet() as flows:
            flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            flows.finish()
            found = Counter(map(summed, flows.rows()))
        spans = Growing(
            opens=lambda event: event["kind"] == "a",
            closes=lambda event: event["kind"] == "b",
            timeout=timeout,
            in_order=True,
        )
        assert found == Counter(window_model.replay(spans, events, lateness)[0])


def test_a_window_behind_a_window(rand: Seeded) -> None:
    events = events_of(rand, 300)
    flow = (
        stream("s", lateness=ns(30))
        .key_by("k")
        .window(tumbling=ns(10), n="count()")
        .key_by("window_end")
        .window(tumbling=ns(10), keys="count()", n="sum(n)")
        .into_stream("out")
    )
    with FlowSet() as flows:
        flows.add(flow)
        for event in events:
            flows.append("s", event, event["t"])
        flows.finish()
        found = {row["window_end"]: (row["keys"], row["n"]) for row in flows.rows()}
    windows: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        windows[(event["t"] // 10 + 1) * 10].append(event["k"])
    assert found == {end: (len(set(keys)), len(keys)) for end, keys in windows.items()}


def test_a_key_that_has_rested_has_whoever_tells(rand: Seeded) -> None:
    """Rows of other keys between two of a key change nothing about it."""
    for kind in ({"running": True}, {"count": 2}, {"span": ("kind == 'a'", "kind == 'b'")}):
        flow = stream("s").key_by("k").window(**kind, ttl="10s", n="count()").into_stream("o")
        found = []
        for others in (False, True):
            with FlowSet(shards=rand.choice((1, 8))) as flows:
                added = flows.add(flow)
                for time, what in ((0, "a"), (11, "b"), (19, "a"), (29, "b"), (50, "b")):
                    if others:
                        flows.append("s", {"k": 2, "kind": "other"}, time * SECOND)
                    flows.append("s", {"k": 1, "kind": what}, time * SECOND)
                found.append([row for row in flows.rows() if row["k"] == 1])
                assert flows.stats(added).dropped > 0
        assert found[0] == found[1]
        assert max(row["n"] for row in found[0]) == (3 if "running" in kind else 2)


def test_a_span_ends_at_its_timeout_whoever_tells() -> None:
    span = ("kind == 'a'", "kind == 'b'")
    for ttl in ("4s", "5s", "60s"):  # what comes first ends it
        chain = stream("s").key_by("k").window(span=span, timeout="5s", ttl=ttl, n="count()")
        for key in (1, 2):
            with FlowSet() as flows:
                flows.add(chain.into_stream("o"))
                flows.append("s", {"k": 1, "kind": "a"}, SECOND)
                flows.append("s", {"k": key, "kind": "c"}, 100 * SECOND)
                ends = [(one.time_ns, one.row["n"]) for one in flows.left()]
            assert ends == ([] if ttl == "4s" else [(6 * SECOND, 1)])

"""Flows that come and go, their bounds, and time; several threads."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.flows import stream
from tests.engine.flow_events import SECOND, SUMMARY, ns
from tests.engine.flow_set_direct import FlowSet, RefusedError

if TYPE_CHECKING:
    from tests.conftest import Seeded

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def counting(name: str = "out", size: str = "10s") -> bytes:
    flow = stream("s").key_by("k").window(tumbling=size, n="count()")
    return flow.into_stream("out", name=name).declaration()


def test_a_flow_that_says_the_same_goes_on() -> None:
    with FlowSet() as flows:
        first = flows.add(counting())
        flows.append("s", {"k": 1}, SECOND)
        second = flows.add(counting(), replaces=first)
        flows.append("s", {"k": 1}, 2 * SECOND)
        third = flows.add(counting(size="20s"), replaces=second)
        flows.append("s", {"k": 1}, 3 * SECOND)
        fourth = flows.add(counting(size="20s"), replaces=third)
        flows.finish()
        assert [row["n"] for row in flows.rows()] == [1]
        assert flows.stats(fourth).events == 1
        flows.remove(fourth)
        assert flows.append("s", {"k": 1}, 4 * SECOND) == 0
        assert flows.append("other", {"k": 1}, 4 * SECOND) == 0
        flows.finish()
        assert flows.rows() == []
    with FlowSet() as flows:
        first = flows.add(counting())
        flows.append("s", {"k": 1}, SECOND)
        second = flows.add(counting(), replaces=first)
        flows.append("s", {"k": 1}, 2 * SECOND)
        with pytest.raises(RefusedError, match="flow out: there is one of that name already"):
            flows.add(counting())
        flows.finish()
        assert [row["n"] for row in flows.rows()] == [2]


def test_state_is_bounded() -> None:
    flow = stream("s").key_by("k").window(running=True, n="count()").into_stream("o")
    with FlowSet(max_bytes=100_000, shards=4) as flows:
        added = flows.add(flow)
        for number in range(5000):
            flows.append("s", {"k": number}, number)
        stats = flows.stats(added)
        assert stats.bytes <= 100_000
        assert stats.keys + stats.dropped == 5000
        assert stats.keys > 100
        flows.left()
        flows.append("s", {"k": 4999}, 5000)
        assert flows.rows() == [{"k": 4999, "n": 2}]  # the latest is still there
        flows.append("s", {"k": "x" * 60_000}, 5001)
        flows.append("s", {"k": "y" * 60_000}, 5002)
        assert flows.stats(added).bytes <= 100_000


def test_keys_that_rest_go() -> None:
    flow = stream("s").key_by("k").window(running=True, ttl="10s", n="count()").into_stream("o")
    with FlowSet() as flows:
        added = flows.add(flow)
        for time, key in ((0, "a"), (9, "a"), (18, "a"), (19, "b"), (29, "b")):
            flows.append("s", {"k": key}, time * SECOND)
        assert [row["n"] for row in flows.rows()] == [1, 2, 3, 1, 2]
        assert flows.stats(added).keys == 1
        assert flows.stats(added).dropped == 1


def test_time_goes_on_without_events() -> None:
    with FlowSet() as flows:
        flows.add(counting())
        flows.tick(10**18)
        flows.tick(10**18 + 2 * SECOND)
        flows.append("s", {"k": 1}, SECOND)
        flows.tick(10**18 + 3 * SECOND)
        flows.tick(10**18 + 3 * SECOND + SECOND // 2)
        assert flows.rows() == []
        flows.append("s", {"k": 1}, SECOND)
        flows.tick(10**18 + 4 * SECOND)
        assert flows.rows() == []
        flows.tick(10**18 + 5 * SECOND)
        assert [row["n"] for row in flows.rows()] == [2]


def test_arrival_is_another_time() -> None:
    flow = stream("s", arrival=True).window(tumbling="1h", n="count()").into_stream("o")
    with FlowSet() as flows:
        flows.add(flow)
        for time in (0, 10**18, 5):
            flows.append("s", {}, time)
        flows.tick(4 * 10**18)
        assert sum(row["n"] for row in flows.rows()) == 3
        assert flows.late == 0


EXTREMES = [0, 1, -1, 2**31, -(2**62), 2**62, 2**63 - 1, -(2**63), 2**63 - 10, -(2**63) + 10]


def test_times_at_the_ends_of_all_time(rand: Seeded) -> None:
    chain = stream("s").key_by("k")
    chains = [
        chain.window(tumbling="7s", offset="3s", n="count()"),
        chain.window(session="9h", n="count()"),
        chain.window(sliding=("10s", "3s"), emit="update", n="count()"),
        chain.window(span=("k == 1", "k == 2"), timeout="5s", n="count()"),
        chain.window(running=True, ttl="1s", n="count()"),
        chain.sequence(a="True", b="True", within="5s", columns={"n": "a.k"}),
        chain.join(stream("s"), on={"k": "k"}, lower="-9s", upper="9s", columns={"n": "left.k"}),
        chain.map(k="k", keep=False).top(2, by="k", size="10s"),
    ]
    for _ in range(20):
        with FlowSet() as flows:
            added = [flows.add(c.into_stream("o", name=f"f{i}")) for i, c in enumerate(chains)]
            for _ in range(30):
                time = rand.choice(EXTREMES)
                flows.append("s", {"k": rand.randrange(3)}, time)
            flows.tick(rand.choice((1, 2**62)))
            flows.tick(2**63 - 1)
            assert all(flows.stats(each).events == 30 for each in added)


def test_threads_lose_and_double_nothing(rand: Seeded) -> None:
    threads, each = 4, 3000
    flow = (
        stream("s", lateness="1h")
        .key_by("k")
        .window(tumbling=ns(100), columns=SUMMARY)
        .key_by("k")
        .window(session=ns(1000), n="sum(n)", total="sum(total)")
        .into_stream("out")
    )
    parts = [
        [
            {"k": rand.randrange(50), "v": rand.randrange(100), "t": rand.randrange(10_000)}
            for _ in range(each)
        ]
        for _ in range(threads)
    ]
    with FlowSet(shards=8) as flows:
        added = flows.add(flow)

        def work(part: list[dict[str, Any]]) -> None:
            for event in part:
                flows.append("s", event, event["t"])

        running = [threading.Thread(target=work, args=(part,)) for part in parts]
        for thread in running:
            thread.start()
        for number in range(20):
            other = flows.add(counting(f"other{number}"))
            flows.remove(other)
        for thread in running:
            thread.join()
        flows.left()
        flows.finish()
        rows = [one.row for one in flows.left() if one.into == "out"]
        stats = flows.stats(added)
    assert stats.events == threads * each
    assert (stats.late, stats.bytes, stats.keys) == (0, 0, 0)
    assert sum(row["n"] for row in rows) == threads * each
    assert sum(row["total"] for row in rows) == sum(e["v"] for part in parts for e in part)

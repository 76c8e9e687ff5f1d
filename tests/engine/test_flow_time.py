"""Flows of several streams: the one that is behind, silent ones, what rows have come through."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from polyvm.host.flows import stream
from tests.engine.flow_events import SECOND, ns
from tests.engine.flow_model import FAR, Clock
from tests.engine.flow_set_direct import FlowSet

if TYPE_CHECKING:
    from tests.conftest import Seeded

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

STREAMS = ("a", "b", "c")
END = 2**62


def test_the_stream_that_is_behind_holds_time_back(rand: Seeded) -> None:
    for _ in range(30):
        lateness, idle, size = rand.choice((0, 7)), rand.randrange(1, 40), rand.randrange(1, 30)
        is_join = rand.random() < 0.5  # the same streams, as two inputs
        if is_join:
            other = stream(*STREAMS[1:]).map(v="_time", keep=False)
            chain = stream("a", lateness=ns(lateness), idle=ns(idle)).join(
                other, on={"_time": "v"}, window=ns(size), columns={"k": "left.k"}
            )
        else:
            chain = stream(*STREAMS, lateness=ns(lateness), idle=ns(idle))
        flow = chain.key_by("k").window(tumbling=ns(size), n="count()").into_stream("out")
        clock = Clock(lateness, len(STREAMS), idle)
        wall = 10**6
        behind = [rand.choice((0, 0, 25, 500)) for _ in STREAMS]
        stops = [rand.choice((10, 100, 200)) for _ in STREAMS]
        counts: Counter[int] = Counter()
        late = 0
        with FlowSet() as flows:
            added = flows.add(flow)
            for number in range(200):
                wall += rand.choice((0, 1, 3, 10))
                side = rand.randrange(len(STREAMS))
                if rand.random() < 0.3:
                    flows.tick(wall)
                    clock.tick(wall)
                elif number < stops[side]:
                    time = wall - behind[side] - rand.randrange(5)
                    if (time // size + 1) * size <= clock.now:
                        late += 1
                    else:
                        counts[time // size * size] += 1
                    flows.append(STREAMS[side], {"k": "k"}, time)
                    clock.saw(time, side)
                reached = flows.stats(added).watermark_ns
                assert reached == (clock.now if clock.now != -FAR else None)
            flows.tick(END)
            flows.tick(END + END // 2)
            if not is_join:
                rows = flows.rows()
                assert len(rows) == len(counts)
                assert {row["window_start"]: row["n"] for row in rows} == counts
                assert flows.stats(added).late == late


def test_a_silent_stream_does_not_hold_the_others_back() -> None:
    flow = stream("s", "t").window(tumbling="10s", n="count()").into_stream("o")
    wall = 10**18
    with FlowSet() as flows:
        added = flows.add(flow)
        flows.append("t", {}, SECOND)
        flows.append("s", {}, SECOND)
        flows.append("s", {}, 30 * SECOND)
        assert flows.rows() == []  # t may have more of the first ten seconds
        flows.append("t", {}, 2 * SECOND)
        assert flows.stats(added).late == 0
        flows.tick(wall)
        flows.append("s", {}, 31 * SECOND)
        flows.tick(wall + SECOND)
        assert [row["n"] for row in flows.rows()] == [3]
        flows.append("t", {}, 3 * SECOND)
        assert flows.stats(added).late == 1  # what it missed
        flows.append("s", {}, 60 * SECOND)
        assert flows.rows() == []  # it holds back again
        flows.append("t", {}, 40 * SECOND)
        assert [row["n"] for row in flows.rows()] == [2]
        flows.tick(wall - 3600 * SECOND)  # the clock is set back
        flows.tick(wall - 3599 * SECOND)
        assert flows.stats(added).watermark_ns == wall - 3599 * SECOND


def test_rows_say_what_their_latest_event_has_come_through() -> None:
    chain = stream("s", late_into="late").key_by("k")
    with FlowSet() as flows:
        flows.add(chain.window(tumbling="10s", n="count()").into_stream("window"))
        flows.add(chain.window(count=2, n="count()").into_stream("pairs"))
        flows.add(chain.filter("k == 'a'").into_stream("same"))
        for second, key, way in ((1, "a", 7), (2, "b", 8), (3, "a", 9), (30, "a", 1)):
            flows.append("s", {"k": key}, second * SECOND, way=way)
        flows.append("s", {"k": "b"}, 2 * SECOND, way=4)
        flows.tick(END)
        flows.tick(END + END // 2)
        found = Counter((one.into, one.row["k"], one.way) for one in flows.left())
    assert found == {
        ("window", "a", 1): 2,
        ("window", "b", 8): 1,
        ("pairs", "a", 9): 1,
        ("pairs", "b", 4): 1,
        ("same", "a", 7): 1,
        ("same", "a", 9): 1,
        ("same", "a", 1): 1,
        ("late", "b", 4): 1,
    }

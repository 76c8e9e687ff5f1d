"""Rows of flows that need no state, and where they go."""

from __future__ import annotations

import shutil

import pytest

from polyvm.host.flows import stream
from tests.engine.flow_set_direct import FlowSet

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def test_open_rows_keep_what_nobody_asked_for() -> None:
    flow = stream("s").filter("price > 1").map(price="price * 2", user="upper(user)")
    with FlowSet() as flows:
        flows.add(flow.into_stream("out", key="user"))
        flows.add(stream("s").into_stream("same"))
        event = {"user": "ada", "price": 2, "more": {"deep": [1, None]}}
        flows.append("s", event, 5, key="k")
        flows.append("s", {"price": 0}, 6)
        flows.append("other", event, 7)
        out, same, rest = flows.left()
    assert (out.row, out.key) == ({"more": {"deep": [1, None]}, "price": 4, "user": "ADA"}, "ADA")
    assert (same.row, same.key, same.time_ns) == (event, "k", 5)
    assert rest.row == {"price": 0}


def test_rules_and_what_an_event_is() -> None:
    flow = (
        stream("s", "t")
        .rules("found", cheap="price < 10", dear="price >= 5")
        .map(found="found", at="_time", key="_key", stream="_stream", keep=False)
    )
    with FlowSet() as flows:
        flows.add(flow.into_task("act"))
        flows.append("t", {"price": 7}, 3, key="ada")
        flows.append("s", {"price": "none"}, 4)
        first, second = flows.left()
    assert first.is_task
    assert first.row == {"found": ["cheap", "dear"], "at": 3, "key": "ada", "stream": "t"}
    assert second.row["found"] == []


def test_results_go_into_tables() -> None:
    flow = stream("s").key_by("user", "item").window(running=True, n="count()").into_table("seen")
    with FlowSet() as flows:
        added = flows.add(flow)
        for time in (1, 2):
            flows.append("s", {"user": "ada", "item": 7}, time)
        assert flows.feature("seen", "ada:7") == {"user": "ada", "item": 7, "n": 2}
        assert flows.feature("seen", "bob:7") is None
        flows.append("s", {"user": "x" * 2000, "item": 7}, 3)
        flows.append("s", {"user": "x" * 70_000, "item": 7}, 3)
        assert flows.stats(added).refused == 2

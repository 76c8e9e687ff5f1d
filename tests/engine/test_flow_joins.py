"""Joins and lookups of flows against naive models."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from polyvm.host.flows import stream
from tests.engine import join_model
from tests.engine.flow_events import events_of, ns
from tests.engine.flow_set_direct import FlowSet
from tests.engine.join_model import Interval, Join, SameWindow

if TYPE_CHECKING:
    from tests.conftest import Seeded


pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

ROUNDS = 30


def test_interval_joins(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        lateness, outer = rand.choice((0, 15)), rand.random() < 0.5
        lower, upper = sorted((rand.randrange(-20, 20), rand.randrange(-20, 20)))
        events = [(rand.randrange(2), event) for event in events_of(rand, 120)]

        def signed(value: int) -> str:
            return f"-{ns(-value)}" if value < 0 else ns(value)

        flow = (
            stream("left", lateness=ns(lateness))
            .join(
                stream("right"),
                on={"k": "k"},
                lower=signed(lower),
                upper=signed(upper),
                outer=outer,
                columns={"a": "left.id", "b": "right.id", "k": "left.k"},
            )
            .into_stream("out")
        )
        with FlowSet() as flows:
            added = flows.add(flow)
            for side, event in events:
                flows.append(("left", "right")[side], event, event["t"])
            flows.finish()
            found = [(row["a"], row["b"]) for row in flows.rows()]
            assert flows.stats(added).bytes == 0
        join = Join(Interval(lower, upper), outer)
        assert Counter(found) == Counter(join_model.replay(join, events, lateness)[0])


def test_window_joins(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        lateness, size = rand.choice((0, 15)), rand.randrange(1, 30)
        events = [(rand.randrange(2), event) for event in events_of(rand, 120)]
        flow = (
            stream("left", lateness=ns(lateness))
            .join(
                stream("right"),
                on={"k": "k"},
                window=ns(size),
                columns={"a": "left.id", "b": "right.id", "start": "window_start"},
            )
            .into_stream("out")
        )
        with FlowSet() as flows:
            flows.add(flow)
            for side, event in events:
                flows.append(("left", "right")[side], event, event["t"])
            flows.finish()
            found = [(row["a"], row["b"]) for row in flows.rows()]
        join = Join(SameWindow(size))
        assert Counter(found) == Counter(join_model.replay(join, events, lateness)[0])


def test_lookups_see_what_was_known_then() -> None:
    flow = stream("s").lookup("users", "user", "age", city="home.city").into_stream("o")
    with FlowSet() as flows:
        flows.put_feature("users", "7", 10, {"age": 30, "home": {"city": "x"}})
        flows.put_feature("users", "7", 20, {"age": 31})
        flows.add(flow)
        for time in (5, 10, 19, 25):
            flows.append("s", {"user": 7.0}, time)
        found = [(row["age"], row["city"]) for row in flows.rows()]
    assert found == [(None, None), (30, "x"), (30, "x"), (31, None)]

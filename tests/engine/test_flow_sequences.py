"""Sequences and tops of flows against naive models."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from polyvm.host.flows import stream
from tests.engine import flow_model
from tests.engine.flow_events import SECOND, events_of, ns
from tests.engine.flow_set_direct import FlowSet

if TYPE_CHECKING:
    from tests.conftest import Seeded


pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

ROUNDS = 30


def test_sequences(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        lateness, within = rand.choice((0, 25)), rand.choice((0, 40))
        kinds = rand.choices("abc", k=rand.randrange(2, 5))
        events = events_of(rand, 150)
        steps = {f"s{number}": f"kind == '{kind}'" for number, kind in enumerate(kinds)}
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .sequence(
                columns={f"id{number}": f"s{number}.id" for number in range(len(kinds))},
                within=ns(within) if within else None,
                **steps,
            )
            .into_stream("out")
        )
        with FlowSet() as flows:
            flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            flows.finish()
            found = [tuple(row.values()) for row in flows.rows()]
        assert Counter(found) == Counter(flow_model.sequences(events, lateness, kinds, within))


def test_tops(rand: Seeded) -> None:
    for _ in range(ROUNDS):
        count, ties, size = rand.randrange(1, 6), rand.random() < 0.5, rand.randrange(5, 60)
        events = events_of(rand, 200)
        for event in events:
            event["v"] //= 20
        flow = (
            stream("s", lateness=ns(30))
            .map(id="id", v="v", keep=False)
            .top(count, by="v", size=ns(size), ties=ties)
            .into_stream("out")
        )
        with FlowSet() as flows:
            flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            flows.finish()
            rows = flows.left()
        windows: dict[int, list[int]] = defaultdict(list)
        for event in events:
            windows[event["t"] // size].append(event["v"])
        expected = []
        for window, values in windows.items():
            ordered = sorted(values, reverse=True)
            least = ordered[:count][-1]
            kept = [v for v in ordered if v >= least] if ties else ordered[:count]
            for place, value in enumerate(kept):
                rank = ordered.index(value) + 1 if ties else place + 1
                expected.append((window, value, rank))
        found = [(one.time_ns // size, one.row["v"], one.row["rank"]) for one in rows]
        assert Counter(found) == Counter(expected)


def test_a_key_that_has_rested_begins_anew_whoever_tells() -> None:
    steps = {"a": "kind == 'a'", "b": "kind == 'b'"}
    flow = stream("s").key_by("k").sequence(**steps, ttl="10s", columns={"id": "b.id"})
    for others in (False, True):
        with FlowSet() as flows:
            added = flows.add(flow.into_stream("o"))
            for number, (time, kind) in enumerate(((0, "a"), (10, "b"), (20, "a"), (31, "b"))):
                if others:
                    flows.append("s", {"k": 2, "kind": "c", "id": -1}, time * SECOND)
                flows.append("s", {"k": 1, "kind": kind, "id": number}, time * SECOND)
            assert [row["id"] for row in flows.rows()] == [1]
            assert flows.stats(added).dropped == 1

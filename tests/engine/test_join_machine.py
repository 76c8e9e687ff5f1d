"""Interval, window and lookup joins, driven at random beside a naive model."""

from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from polyvm.host.flows import stream
from tests.engine.aggregate_model import identity
from tests.engine.flow_model import FAR, Clock, Row
from tests.engine.flow_set_direct import FlowSet
from tests.engine.join_model import Interval, Join, Meeting, Met, SameWindow

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

MS = 10**6
IDLE = 50
KEYS = ["ada", "bob", 7, 7.0, None, False, "ключ", math.nan]
LEFT, RIGHT = 0, 1
NAMES = ("left", "right")

keys = st.sampled_from(["ada", "ada", "ada", "bob", *KEYS])
# How far behind the latest event the next one is, or ahead of it; in ms.
moves = st.sampled_from([0, 0, 1, 1, 2, 3, 5, 10, 20, 120, -1, -2, -5, -10, -30, -60])
sides = st.integers(LEFT, RIGHT)


def ms(number: int) -> str:
    return f"{number}ms" if number >= 0 else f"-{-number}ms"


class JoinMachine(RuleBasedStateMachine):
    """Rows of either side come in any order, features change, time goes on without them."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0  # of the latest event, in ms
        self.wall = 1000
        self.came = self.late = self.rows = self.given_up = 0
        self.used: list[Any] = []  # keys, as rows came
        self.ages: dict[str, dict[int, Any]] = {}  # of users, by when they were put
        self.aged: dict[int, Any] = {}  # what a left row was to find, by its number

    @initialize(
        window=st.sampled_from([0, 0, 1, 10, 25]),
        bounds=st.tuples(st.integers(-20, 20), st.integers(-20, 20)).map(sorted),
        lateness=st.sampled_from([0, 0, 5, 25]),
        outer=st.booleans(),
        max_bytes=st.sampled_from([0, 0, 2000, 4000]),
        shards=st.sampled_from([1, 4, 64]),
    )
    def begin(
        self,
        window: int,
        bounds: list[int],
        *,
        lateness: int,
        outer: bool,
        max_bytes: int,
        shards: int,
    ) -> None:
        meeting: Meeting = Interval(bounds[0] * MS, bounds[1] * MS)
        span = {"lower": ms(bounds[0]), "upper": ms(bounds[1])}
        columns = {"a": "left.id", "b": "right.id", "k": "left.k", "age": "left.age"}
        if window:
            meeting, span = SameWindow(window * MS), {"window": ms(window)}
            columns |= {"start": "window_start", "end": "window_end"}
        self.window, self.max_bytes = window * MS, max_bytes
        self.model = Join(meeting, outer)
        self.clock = Clock(lateness * MS, inputs=2, idle=IDLE * MS)
        self.flows = FlowSet(max_bytes, 1 if max_bytes else shards, IDLE * MS)
        self.flows.put_feature("users", "nobody", 0, {})  # makes the table
        chain = (
            stream("left", lateness=ms(lateness), late_into="late")
            .lookup("users", "k", "age")
            .join(stream("right"), on={"k": "k"}, outer=outer, columns=columns, **span)
        )
        self.declared = chain.into_stream("out", key="k").declaration()
        self.added = self.flows.add(self.declared)

    # ---- Rules ----

    def _come(self, side: int, key: Any, time: int) -> None:
        row = Row(time * MS, identity(key), {"k": key, "id": self.came, "v": "x" * 50}, self.came)
        self.came += 1
        self.aged[row.number] = self._age(key, row.time)
        assert self.flows.append(NAMES[side], row.event, row.time, key="own") == 1
        given = self.model.take(side, row, self.clock.now)
        self.late += given is None
        self.used = [one for one in self.used if one != row.key] + [row.key]
        self._give_up()
        self.clock.saw(row.time, side)
        self._settle((given or []) + self.model.advance(self.clock.now), row, given is None)

    def _age(self, key: Any, time: int) -> Any:
        """By the key's text, in which numbers that are equal are one."""
        whole = isinstance(key, float) and key.is_integer()
        known = self.ages.get(str(int(key) if whole else key).lower(), {})
        times = [at for at in known if at <= time]
        return known[max(times)] if times else None

    def _give_up(self) -> None:
        """For the bound, the least recently used keys go; how many, the figures say."""
        known = self.model.keys()
        gone = self.flows.stats(self.added).dropped - self.given_up
        assert not gone or self.max_bytes
        for key in [one for one in self.used if one in known][:gone]:
            self.model.forget(key)
            self.given_up += 1

    @rule(several=st.lists(st.tuples(sides, keys, moves), min_size=1, max_size=8))
    def come(self, several: list[tuple[int, Any, int]]) -> None:
        for side, key, by in several:
            time = self.time + by
            self.time = max(time, self.time)
            self._come(side, key, time)

    @rule(key=st.sampled_from(["ada", "7", "ключ", "false", "nan"]), at=st.integers(-40, 40))
    def learn(self, key: str, at: int) -> None:
        """A feature that is known of a time, which may be long ago or to come."""
        at = (self.time + at) * MS
        self.flows.put_feature("users", key, at, {"age": self.came, "more": None})
        self.ages.setdefault(key, {})[at] = self.came

    @rule(by=st.integers(-100, 200))
    def tick(self, by: int) -> None:
        """The clock on the wall, which may be set back; a side that never came rests, too."""
        self.wall = max(self.wall + by, 1)
        self.flows.tick(self.wall * MS)
        self.clock.tick(self.wall * MS)
        self._settle(self.model.advance(self.clock.now))

    @rule(chance=st.integers(0, 9))
    def finish(self, chance: int) -> None:
        if chance != 0:
            return  # or hardly an example would get far
        self.flows.finish()
        self.clock.finish()
        self._settle(self.model.advance(self.clock.now))

    @rule()
    def declare_again(self) -> None:
        """A flow that says the same goes on with its state."""
        self.added = self.flows.add(self.declared, replaces=self.added)
        self._settle([])

    # ---- What must hold ----

    def _row(self, met: Met) -> dict[str, Any]:
        row = {
            "a": met.left.event["id"],
            "b": None if met.right is None else met.right.event["id"],
            "k": met.left.event["k"],
            "age": self.aged[met.left.number],
        }
        if self.window:
            start = met.left.time // self.window * self.window
            row |= {"start": start, "end": start + self.window}
        return row

    def _settle(self, wanted: list[Met], row: Row | None = None, is_late: bool = False) -> None:
        """What has left is what was to leave."""
        left = self.flows.left()
        late = [one for one in left if one.into == "late"]
        found = [one for one in left if one.into == "out"]
        assert len(late) == is_late
        for one in late:
            assert row is not None
            assert (repr(one.row), one.time_ns, one.key) == (repr(row.event), row.time, "own")
        expected = sorted((met.time, repr(self._row(met))) for met in wanted)
        assert sorted((one.time_ns, repr(one.row)) for one in found) == expected
        self.rows += len(found)

    @invariant()
    def figures(self) -> None:
        stats, known, now = self.flows.stats(self.added), self.model.keys(), self.clock.now
        assert (stats.events, stats.rows, stats.late) == (self.came, self.rows, self.late)
        assert (stats.refused, stats.dropped) == (0, self.given_up)
        assert stats.keys == len(known)
        assert (stats.bytes == 0) == (not known)
        assert stats.watermark_ns == (None if now == -FAR else now)
        assert not self.max_bytes or stats.bytes <= self.max_bytes

    def teardown(self) -> None:
        if hasattr(self, "flows"):
            self.flows.close()


JoinMachine.TestCase.settings = settings(max_examples=500, stateful_step_count=50)
TestJoinMachine = JoinMachine.TestCase

"""Windows of every kind, driven at random beside a naive model, from the intake to what leaves."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from polyvm.host.flows import stream
from tests.engine.aggregate_model import CHECKS, identity
from tests.engine.flow_model import FAR, Clock, Row
from tests.engine.flow_set_direct import FlowSet, Left
from tests.engine.trigger_set_direct import PASSED_OVER, REFUSED, TriggerSet
from tests.engine.window_model import Growing, Panes, Result, Sessions, Windows

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

MS = 10**6
BEGINNING = 1000  # ms; what is late is after 0
IDLE = 50
KEYS = ["ada", "bob", 7, 7.0, 7.5, None, True, "ключ", math.nan]
VALUES: list[Any] = [
    *(0, 1, 2, -3, 1.0, 0.25, -0.0, 2**62, -(2**62)),
    *(None, True, math.nan, "", "ada", "a text of more than eight bytes", "日本", [1, "x"]),
]

contents = st.fixed_dictionaries(
    {
        "k": st.sampled_from(["ada", "ada", "ada", "bob", *KEYS]),
        "kind": st.sampled_from("abc"),
        "v": st.sampled_from(VALUES),
        "w": st.sampled_from([1, 2, 2.0, 0.5, None, math.nan, "no number"]),
    }
)
# How far behind the latest event the next one is, or ahead of it; in ms.
moves = st.sampled_from([0, 0, 1, 1, 2, 3, 5, 10, 20, 120, -1, -2, -5, -10, -30, -60])
small = st.sampled_from([1, 2, 3, 5, 8, 10, 20, 30])
Draw = st.DataObject


def ms(number: int) -> str:
    return f"{number}ms" if number >= 0 else f"-{-number}ms"


def drawn(data: Draw, kind: str, *, lateness: int, update: bool) -> tuple[Windows, dict[str, Any]]:
    """A window of a kind: its model, and what its author writes."""
    ttl = data.draw(st.sampled_from([0, 0, 10, 40]), "ttl")
    written: dict[str, Any] = {"emit": "update"} if update else {}
    model: Windows
    if kind in ("tumbling", "sliding"):
        size = data.draw(small, "size")
        step = data.draw(st.integers(1, size), "step") if kind == "sliding" else size
        offset = data.draw(st.integers(-10, 10), "offset")
        model = Panes(size * MS, step * MS, offset * MS, update)
        what = (ms(size), ms(step)) if kind == "sliding" else ms(size)
        return model, {**written, kind: what, "offset": ms(offset)}
    if kind == "session":
        gap = data.draw(small, "gap")
        return Sessions(gap * MS, update), {**written, "session": ms(gap)}
    if ttl:
        written["ttl"] = ms(ttl)
    if kind == "count":
        count = data.draw(st.integers(1, 5), "count")
        model = Growing(count=count, ttl=ttl * MS, update=update)
        return model, {**written, "count": count}
    if kind == "running":
        written.pop("emit", None)
        return Growing(ttl=ttl * MS, update=True), {**written, "running": True}
    timeout = data.draw(st.sampled_from([0, 5, 20]), "timeout")
    closes = data.draw(st.sampled_from("ab"), "closes")
    model = Growing(
        opens=lambda event: event["kind"] == "a",
        closes=lambda event: event["kind"] == closes,
        timeout=timeout * MS,
        ttl=ttl * MS,
        in_order=lateness > 0,
        update=update,
    )
    if timeout:
        written["timeout"] = ms(timeout)
    return model, {**written, "span": ("kind == 'a'", f"kind == '{closes}'")}


class WindowMachine(RuleBasedStateMachine):
    """Events come in any order, more than once, with odd contents; time goes on without them."""

    def __init__(self) -> None:
        super().__init__()
        self.time = BEGINNING  # of the latest event
        self.wall = BEGINNING
        self.accepted = self.late = self.rows = self.passed_over = self.refused = 0
        self.given_up = 0  # keys, for the bound
        self.used: list[Any] = []  # keys, as rows came
        self.table: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)

    @initialize(
        data=st.data(),
        kind=st.sampled_from(["tumbling", "sliding", "session", "count", "span", "running"]),
        lateness=st.sampled_from([0, 0, 5, 25]),
        update=st.booleans(),
        columns=st.lists(st.sampled_from(sorted(CHECKS)), min_size=1, max_size=4, unique=True),
        bounded=st.sampled_from([False, False, True]),
    )
    def begin(
        self,
        data: Draw,
        *,
        kind: str,
        lateness: int,
        update: bool,
        columns: list[str],
        bounded: bool,
    ) -> None:
        self.model, written = drawn(data, kind, lateness=lateness, update=update)
        self.has_bounds = kind != "running"
        self.is_panes = isinstance(self.model, Panes) and update
        bounded = bounded and "ttl" not in written  # as both count as dropped
        self.max_bytes = data.draw(st.integers(1000, 4000), "max_bytes") if bounded else 0
        self.clock = Clock(lateness * MS, idle=IDLE * MS)
        self.columns = {f"c{place}": text for place, text in enumerate(columns)}
        chain = (
            stream("s", lateness=ms(lateness), late_into="late")
            .key_by("k")
            .window(columns=self.columns, **written)
        )
        shards = 1 if bounded else data.draw(st.sampled_from([1, 4, 64]), "shards")
        self.flows = FlowSet(self.max_bytes, shards, IDLE * MS)
        declared = [chain.into_stream("out")]
        if not bounded:
            self.flows.put_feature("kept", "made with many versions", 0, {})
            declared.append(chain.into_table("kept"))
        self.declared = [one.declaration() for one in declared]
        self.added = [self.flows.add(one) for one in self.declared]
        self.intake = TriggerSet(streams={"s": {"id": "id", "span_ns": FAR}}, flows=self.flows)

    # ---- Rules ----

    def _come(self, event: dict[str, Any], time: int) -> None:
        number = self.accepted
        event = {**event, "stream": "s", "id": number, "time": time}
        assert self.intake.append(event) == 0  # no trigger cares
        self.accepted += 1
        key = identity(event["k"])
        row = Row(time * MS, key, event, number)
        given = self.model.take(row, self.clock.now)
        self.late += given is None
        self.used = [one for one in self.used if one != key] + [key]
        if self.max_bytes:
            self._give_up()
        self.clock.saw(row.time)
        self._settle((given or []) + self.model.advance(self.clock.now), row, given is None)

    def _give_up(self) -> None:
        """For the bound, the least recently used keys go; how many, the figures say."""
        known = self.model.keys()
        gone = self.flows.stats(self.added[0]).dropped - self.given_up
        for key in [one for one in self.used if one in known][:gone]:
            self.model.forget(key)
            self.given_up += 1

    @rule(several=st.lists(st.tuples(contents, moves), min_size=1, max_size=8))
    def come(self, several: list[tuple[dict[str, Any], int]]) -> None:
        for event, by in several:
            time = max(self.time + by, 0)
            self.time = max(time, self.time)
            self._come(event, time)

    @precondition(lambda self: self.accepted > 0)
    @rule(event=contents, which=st.integers(0, 10**6), ahead=st.integers(-20, 200))
    def come_again(self, event: dict[str, Any], which: int, ahead: int) -> None:
        """Its id was seen, whatever else it says: nothing happens, not even to time."""
        time, number = max(self.time + ahead, 0), which % self.accepted
        again = {**event, "stream": "s", "id": number, "time": time}
        assert self.intake.append(again) == PASSED_OVER
        self.passed_over += 1
        self._settle([])

    @rule(event=contents, time=st.sampled_from([math.nan, -1, 2**63]))
    def come_at_no_time(self, event: dict[str, Any], time: float) -> None:
        """It is refused, and its id is not known by that."""
        wrong = {**event, "stream": "s", "id": self.accepted, "time": time}
        assert self.intake.append(wrong) == REFUSED
        self.refused += 1
        self._settle([])
        self._come(event, self.time)

    @rule(by=st.integers(-100, 200))
    def tick(self, by: int) -> None:
        """The clock on the wall, which may be set back."""
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
        self.added = [
            self.flows.add(declaration, replaces=former)
            for declaration, former in zip(self.declared, self.added, strict=True)
        ]
        self._settle([])

    @precondition(lambda self: self.table)
    @rule(which=st.integers(0, 10**6), at=st.integers(-20, 300))
    def read(self, which: int, at: int) -> None:
        """What the table knows of a key at a time is what had left by then."""
        key = sorted(self.table)[which % len(self.table)]
        times = [time for time in self.table[key] if time <= (BEGINNING + at) * MS]
        wanted = self.table[key][max(times)] if times else None
        assert repr(self.flows.feature("kept", key, (BEGINNING + at) * MS)) == repr(wanted)

    # ---- What must hold ----

    def _place(self, one: Left) -> tuple[Any, ...]:
        bounds = one.row["window_start"], one.row["window_end"]
        return (*bounds, one.time_ns)

    def _settle(self, wanted: list[Result], row: Row | None = None, is_late: bool = False) -> None:
        """What has left is what was to leave, of each key in that order."""
        left = self.flows.left()
        late = [one for one in left if one.into == "late"]
        found = [one for one in left if one.into == "out"]
        assert len(late) == is_late * len(self.added)
        for one in late:
            assert row is not None
            assert (repr(one.row), one.time_ns) == (repr(row.event), row.time)
        by_key: dict[Any, list[Left]] = defaultdict(list)
        for one in found:
            by_key[identity(one.row["k"])].append(one)
        expected: dict[Any, list[Result]] = defaultdict(list)
        for result in wanted:
            expected[result.key].append(result)
        assert {key: len(rows) for key, rows in by_key.items()} == {
            key: len(results) for key, results in expected.items()
        }
        for key, results in expected.items():
            if self.is_panes:
                results.sort(key=lambda one: one.start)
                by_key[key].sort(key=lambda one: int(one.row["window_start"]))
            for one, result in zip(by_key[key], results, strict=True):
                self._agree(one, result)
        self.rows += len(found)
        if not self.max_bytes:
            for one in found:
                self.table[one.key][one.time_ns] = one.row

    def _agree(self, one: Left, result: Result) -> None:
        assert one.time_ns == result.time, (one, result)
        if self.has_bounds:
            bounds = one.row["window_start"], one.row["window_end"]
            assert bounds == (result.start, result.end), (one, result)
        rows = [(row.time, row.event["v"], row.event["w"]) for row in result.rows]
        for column, text in self.columns.items():
            assert CHECKS[text](one.row[column], rows), (text, one.row[column], rows)

    @invariant()
    def figures(self) -> None:
        known, now = self.model.keys(), self.clock.now
        for added in self.added:
            stats = self.flows.stats(added)
            assert stats.events == self.accepted
            assert stats.rows == self.rows
            assert stats.late == self.late
            assert stats.refused == 0
            assert stats.dropped == self.model.dropped + self.given_up
            assert stats.keys == len(known)
            assert (stats.bytes == 0) == (not known)
            assert stats.watermark_ns == (None if now == -FAR else now)
            if self.max_bytes:
                assert stats.bytes <= self.max_bytes
        assert self.intake.turned_away() == (self.passed_over, self.refused)

    def teardown(self) -> None:
        if hasattr(self, "intake"):
            self.intake.close()
            self.flows.close()


WindowMachine.TestCase.settings = settings(max_examples=500, stateful_step_count=50)
TestWindowMachine = WindowMachine.TestCase

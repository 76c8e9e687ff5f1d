"""Conditions that come and go while events arrive, driven at random beside a list of them."""

from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.engine.matcher import Condition, Matcher
from tests.engine.trigger_set_direct import REFUSED, TriggerSet

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

MS = 10**6
TTL = 200  # ms
MOST = 12  # conditions at a time
VALUES: list[Any] = [None, True, 0, 1, 1.0, 2.5, -1, math.nan, "", "dear", "é"]

# Few, so that conditions have beginnings in common.
STEPS: list[dict[str, Any]] = [
    {"type": "a"},
    {"type": "b"},
    {"type": "c"},
    {"type": "a", "page": "home"},
    {"type": "b", "ids": ["1", "2"]},
    {"type": "b", "ids": ["2"], "where": [["price", ">", 0]]},
    {"type": "a", "where": [["price", "exists", False]]},
    {"type": "c", "page": "home", "where": [["deep.kind", "in", [1, "dear", None]]]},
    {"type": "b", "where": [["price", "!=", "dear"], ["price", "<=", 1]]},
]

steps = st.lists(st.sampled_from(STEPS), min_size=1, max_size=4)
spans = st.sampled_from([None, None, 10, 60])  # ms
events = st.fixed_dictionaries(
    {"event": st.sampled_from("aaabbbcc") | st.just("d")},
    optional={
        "k": st.sampled_from(["ada", "bob", "7", 7, "ключ", 1.5]),
        "user": st.sampled_from(["u", "v"]),
        "page": st.sampled_from(["home", "cart"]),
        "id": st.sampled_from(["1", 2, "3"]),
        "price": st.sampled_from(VALUES),
        "deep": st.fixed_dictionaries({"kind": st.sampled_from(VALUES)}) | st.just([1]),
    },
)
which = st.integers(0, MOST - 1)


class TriggerMachine(RuleBasedStateMachine):
    """Events of several keys come in any order, and every clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 10_000  # of the latest event; all in ms
        self.wall = 10_000
        self.now = 10_000  # of the clock that nobody sets
        self.numbers = 0  # of conditions
        self.serial = self.fired = 0
        self.handles: dict[int, Any] = {}

    @initialize(max_keys=st.sampled_from([10**6, 10**6, 1, 2, 4]))
    def begin(self, max_keys: int) -> None:
        self.set = TriggerSet(ttl_ns=TTL * MS, max_keys=max_keys)
        self.max_keys = max_keys
        self.plain = Matcher(TTL, max_keys)

    # ---- Conditions ----

    def _register(self, condition: Condition, former: Any = None) -> None:
        written = {
            "steps": condition.steps,
            "within_ns": (condition.within or 0) * MS,
            "key": condition.key,
        }
        self.handles[condition.number] = self.set.add(
            condition.number, written, mode=int(condition.on), replaces=former
        )
        self.plain.conditions[condition.number] = condition

    def _next(self) -> int:
        self.numbers += 1
        return self.numbers

    def _withdraw(self, number: int) -> None:
        self.set.remove(self.handles.pop(number))
        del self.plain.conditions[number]

    def _any(self, place: int) -> Condition:
        return list(self.plain.conditions.values())[place % len(self.handles)]

    @precondition(lambda self: len(self.handles) < MOST)
    @rule(steps=steps, within=spans, key=st.sampled_from(["", "", "user"]), on=st.integers(0, 9))
    def register(self, steps: list[dict[str, Any]], within: int | None, key: str, on: int) -> None:
        self._register(Condition(self._next(), steps, within, key, on > 0))

    @precondition(lambda self: self.handles)
    @rule(place=which)
    def withdraw(self, place: int) -> None:
        self._withdraw(self._any(place).number)

    @precondition(lambda self: self.handles)
    @rule(place=which, on=st.booleans())
    def turn(self, place: int, on: bool) -> None:
        """On again, it begins anew."""
        condition = self._any(place)
        if on and not condition.on:
            condition.partials.clear()
        condition.on = on
        self.set.turn(self.handles[condition.number], int(on))

    @precondition(lambda self: self.handles)
    @rule(place=which, shorter=st.booleans())
    def renew(self, place: int, shorter: bool) -> None:
        """A new version with the same steps goes on; one that was off begins anew.

        Its span is not longer: whether what was over is still there then is not said.
        """
        former = self._any(place)
        within = 5 if shorter else former.within
        partials = former.partials if former.on else {}
        renewed = Condition(self._next(), former.steps, within, former.key, True, partials)
        self._register(renewed, self.handles[former.number])
        self._withdraw(former.number)

    @precondition(lambda self: self.handles)
    @rule(place=which, steps=steps)
    def change(self, place: int, steps: list[dict[str, Any]]) -> None:
        """A new version with other steps begins anew."""
        former = self._any(place)
        same = former.steps == steps and former.on
        partials = former.partials if same else {}
        changed = Condition(self._next(), steps, former.within, former.key, True, partials)
        self._register(changed, self.handles[former.number])
        self._withdraw(former.number)

    # ---- Events ----

    def _come(self, event: dict[str, Any], time: int) -> None:
        self.serial += 1
        event = {**event, "serial": self.serial}
        cared, wanted = self.plain.append(self.serial, {**event, "time": time}, self.now)
        status = self.set.append(event, self.wall * MS, self.now * MS)
        assert status in ((1,) if cared else (0, 1))  # the trie may care for what was withdrawn
        batches = self.set.batches()
        assert len(batches) == (1 if wanted else 0)
        got = []
        for fired in batches[0] if batches else []:
            condition = self.plain.conditions[fired.number]
            key = event.get(condition.key or "k", "")
            assert fired.key == ("" if isinstance(key, float) else str(key))
            assert repr(fired.events[-1]) == repr(event)
            got.append((fired.number, [one["serial"] for one in fired.events]))
        assert sorted(got) == wanted
        self.fired += len(got)

    @rule(event=events, ahead=st.sampled_from([0, 0, 1, 5, 5, 30, TTL, TTL + 1]))
    def come(self, event: dict[str, Any], ahead: int) -> None:
        self.time += ahead
        self._come({**event, "time": self.time}, self.time)

    @rule(event=events, back=st.integers(1, 2 * TTL))
    def come_out_of_order(self, event: dict[str, Any], back: int) -> None:
        time = max(self.time - back, 0)
        self._come({**event, "time": time}, time)

    @rule(event=events, time=st.sampled_from(["noon", None, True]))
    def come_without_time(self, event: dict[str, Any], time: Any) -> None:
        """It counts when it comes, by the clock on the wall."""
        self._come({**event, "time": time}, self.wall)

    @rule(event=events, time=st.sampled_from([-1, math.nan, math.inf, 2**63]))
    def come_at_no_time(self, event: dict[str, Any], time: float) -> None:
        wrong = {**event, "time": time}
        assert self.set.append(wrong, self.wall * MS, self.now * MS) == REFUSED
        assert self.set.batches() == []

    @rule(event=st.sampled_from([{}, {"k": "ada"}, {"event": None, "k": "bob"}, {"event": 1.5}]))
    def come_without_type(self, event: dict[str, Any]) -> None:
        self._come({**event, "time": self.time + 2 * TTL}, self.time + 2 * TTL)

    @rule(by=st.integers(-3 * TTL, 3 * TTL) | st.sampled_from([10**9, -(10**9)]))
    def set_clock(self, by: int) -> None:
        self.wall = max(self.wall + by, 0)

    @rule(by=st.sampled_from([0, 1, TTL // 2, TTL, TTL + 1]))
    def wait(self, by: int) -> None:
        self.now += by

    # ---- What must hold ----

    @invariant()
    def figures(self) -> None:
        stats = self.set.stats()
        assert stats.events == self.serial
        assert stats.fired == self.fired
        assert stats.conditions == len(self.handles)
        assert (stats.nodes == 0) == (not self.handles)
        assert stats.keys <= min(self.plain.known(), self.max_keys)
        assert (stats.bytes == 0) == (stats.pending == 0)

    def teardown(self) -> None:
        if hasattr(self, "set"):
            for number in list(self.handles):
                self._withdraw(number)
            self.figures()
            self.set.close()


TriggerMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=60)
TestTriggerMachine = TriggerMachine.TestCase

"""The trie against a plain matcher, over random conditions and events."""

from __future__ import annotations

import math
import random
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.vm import DecodeError, Executor, TriggerMode, UnknownTask, VmError
from tests.engine.matcher import OPS, Condition, Matcher

if TYPE_CHECKING:
    from collections.abc import Iterator

pack = msgspec.msgpack.encode
unpack = msgspec.msgpack.decode
SECOND = 10**9
TTL = 10_000  # seconds
TYPES = ["pv", "click", "exposure", "scroll"]
PAGES = ["home", "item", "7", "cart"]
IDS = ["buy", "more", "9"]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    0.5,
    -1.5,
    2**53 + 1,
    float(2**53),
    "",
    "a",
    "é",
]
FIELDS = ["price", "kind", "deep.value"]


@pytest.fixture
def executor() -> Iterator[Executor]:
    with Executor(workers=1) as made:
        yield made


class Both:
    """The trie and the plain matcher, fed alike."""

    def __init__(self, executor: Executor, **config: int) -> None:
        self.triggers = executor.triggers
        self.triggers.configure(
            key="k", time="time", **{"ttl_ns": TTL * SECOND, "max_pending": 10**6, **config}
        )
        self.plain = Matcher(TTL)
        self.ids: dict[int, int] = {}
        self.serial = 0

    def add(self, condition: Condition, replaces: int = 0) -> None:
        self.ids[condition.number] = self.triggers.add(
            0,
            str(condition.number),
            pack(condition.packed()),
            mode=TriggerMode.HAND_OUT,
            replaces=replaces,
        )
        self.plain.conditions[condition.number] = condition

    def remove(self, number: int) -> None:
        self.triggers.remove(self.ids.pop(number))
        del self.plain.conditions[number]

    def turn(self, number: int, *, on: bool) -> None:
        condition = self.plain.conditions[number]
        if on and not condition.on:
            condition.partials.clear()
        condition.on = on
        mode = TriggerMode.HAND_OUT if on else TriggerMode.OFF
        self.triggers.set_mode(self.ids[number], mode)

    def append(self, event: dict[str, Any], *, steady: bool = True) -> int:
        """Append to both and compare; how many conditions it completed.

        Unless ``steady``, conditions came and went, and the trie may care for what they left.
        """
        self.serial += 1
        event = {**event, "serial": self.serial}
        did, wanted = self.plain.append(self.serial, event)
        batch = self.triggers.event(pack(event), self.serial)
        got = []
        for fired in batch.fired:
            assert fired.tag == self.serial
            assert fired.payload is not None
            payload = unpack(fired.payload)
            assert payload["event"] == payload["events"][-1] == event
            condition = self.plain.conditions[int(payload["trigger"])]
            assert self.ids[condition.number] == fired.trigger
            assert payload["key"] == str(event.get(condition.key or "k", ""))
            got.append((condition.number, [each["serial"] for each in payload["events"]]))
        assert sorted(got) == wanted
        assert batch.matched == did or not steady
        return len(got)


def random_step(chance: random.Random, *, predicates: bool) -> dict[str, Any]:
    step: dict[str, Any] = {"type": chance.choice(TYPES)}
    if chance.random() < 0.5:
        step["page"] = chance.choice([*PAGES, None])
    if chance.random() < 0.4:
        step["ids"] = chance.sample(IDS, chance.randint(1, 3))
    if predicates and chance.random() < 0.4:
        step["where"] = [random_predicate(chance) for _ in range(chance.randint(0, 2))]
    return step


def random_predicate(chance: random.Random) -> list[Any]:
    op = chance.choice(OPS)
    value: Any = chance.choice(VALUES)
    if op == "in":
        value = chance.sample(VALUES, chance.randint(1, 4))
    elif op == "exists":
        value = chance.random() < 0.5
    return [chance.choice(FIELDS), op, value]


def random_event(chance: random.Random, time: int) -> dict[str, Any]:
    event: dict[str, Any] = {"event": chance.choice([*TYPES, "other"]), "time": time}
    for name, values in (
        ("page", [*PAGES, 7]),
        ("id", [*IDS, 9, "unknown"]),
        ("k", ["a", "b", 1, "1"]),
        ("user", ["u", "v"]),
        ("price", VALUES),
        ("kind", VALUES),
        ("deep", [{"value": value} for value in VALUES] + [1, {}, [1]]),
    ):
        if chance.random() < 0.7:
            event[name] = chance.choice(values)
    return event


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
@pytest.mark.parametrize("predicates", [False, True], ids=["ids", "contents"])
def test_random_sequences(*, late: bool, predicates: bool) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    fired = 0
    for _ in range(40):
        with Executor(workers=1) as executor:
            both = Both(executor)
            for number in range(chance.randint(1, 25)):
                both.add(
                    Condition(
                        number,
                        [
                            random_step(chance, predicates=predicates)
                            for _ in range(chance.choice([1, 2, 2, 3, 3, 4, 6]))
                        ],
                        chance.choice([None, None, 50, 300, 2000]),
                        chance.choice(["", "", "", "user"]),
                    )
                )
            time = TTL
            for _ in range(150):
                time += chance.choice([0, 1, 20, 100, TTL // 20, TTL + 1 if not late else 3])
                back = chance.choice([0, 0, 40, 500]) if late else 0
                fired += both.append(random_event(chance, time - back))
    assert fired > 100


def test_conditions_come_and_go(executor: Executor) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    both = Both(executor)
    time = fired = 0
    for number in range(3000):
        time += chance.choice([0, 1, 20])
        what = chance.random()
        known = sorted(both.ids)
        if what < 0.15 or not known:
            steps = [random_step(chance, predicates=True) for _ in range(chance.randint(1, 4))]
            both.add(Condition(number, steps, chance.choice([None, 300])))
        elif what < 0.25:
            both.remove(chance.choice(known))
        elif what < 0.35:
            both.turn(chance.choice(known), on=chance.random() < 0.6)
        elif what < 0.40:  # a new version of the same condition goes on where the old one was
            former = both.plain.conditions[chance.choice(known)]
            if former.on:
                both.add(
                    Condition(
                        number, former.steps, former.within, former.key, True, former.partials
                    ),
                    replaces=both.ids[former.number],
                )
                both.remove(former.number)
        else:
            fired += both.append(random_event(chance, time), steady=False)
    assert fired > 20
    for number in sorted(both.ids):
        both.remove(number)
    assert both.triggers.event(pack(random_event(chance, time))).fired == []
    stats = both.triggers.all_stats()
    assert (stats.triggers, stats.nodes) == (0, 0)


def simple(executor: Executor, *types: str, within: int = 0, **step: Any) -> int:
    condition = {"steps": [{"type": t, **step} for t in types], "within_ns": within}
    return executor.triggers.add(0, "t", pack(condition), mode=TriggerMode.HAND_OUT)


def send(executor: Executor, *events: str, key: Any = "k", time: int = 1) -> int:
    """Types in a row; how many matches they completed."""
    packed = [pack({"event": e, "key": key, "time": time}) for e in events]
    return len(executor.triggers.events(packed).fired)


def test_an_event_completes_a_condition_once(executor: Executor) -> None:
    simple(executor, "a", "b")
    assert [send(executor, event) for event in "aabbabcab"] == [0, 0, 1, 0, 0, 1, 0, 0, 1]


def test_equal_steps_need_as_many_events(executor: Executor) -> None:
    simple(executor, "a", "a", "b")
    assert [send(executor, event) for event in "abaabab"] == [0, 0, 0, 0, 1, 0, 1]


def test_keys_do_not_mix(executor: Executor) -> None:
    simple(executor, "a", "b")
    assert send(executor, "a", key="x") == 0
    assert send(executor, "b", key="y") == 0
    assert send(executor, "b", key=None) == 0
    assert send(executor, "b", key="x") == 1


def test_all_that_completes_fires_at_once(executor: Executor) -> None:
    mine = [simple(executor, "a", "b") for _ in range(100)]
    send(executor, "a")
    batch = executor.triggers.event(pack({"event": "b", "key": "k", "time": 1}))
    assert sorted(fired.trigger for fired in batch.fired) == sorted(mine)


def test_least_recently_used_keys_go_first(executor: Executor) -> None:
    executor.triggers.configure(max_keys=640)  # ten in each shard
    simple(executor, "a", "b")
    for key in range(5000):
        send(executor, "a", key=f"k{key}")
    stats = executor.triggers.all_stats()
    assert stats.keys <= 640
    assert stats.evicted == 5000 - stats.keys
    assert stats.dropped == stats.evicted
    assert stats.pending == stats.keys
    assert send(executor, "b", key="k4999") == 1
    assert send(executor, "b", key="k0") == 0


def test_events_that_are_held_have_a_limit(executor: Executor) -> None:
    executor.triggers.configure(max_bytes=100_000)
    simple(executor, "a", "b")
    for key in range(1000):
        event = {"event": "a", "key": key, "more": "x" * 1000}
        executor.triggers.event(pack(event))
        assert executor.triggers.all_stats().bytes <= 100_000
    executor.triggers.event(pack({"event": "a", "key": "large", "more": "x" * 200_000}))
    assert executor.triggers.all_stats().bytes <= 100_000
    assert send(executor, "b", key="large") == 0
    assert executor.triggers.all_stats().dropped > 900


def test_partial_matches_of_a_key_have_a_limit(executor: Executor) -> None:
    executor.triggers.configure(max_pending=8)
    for number in range(100):
        simple(executor, f"a{number}", "b")
    send(executor, *(f"a{number}" for number in range(100)))
    stats = executor.triggers.all_stats()
    assert (stats.pending, stats.dropped) == (8, 92)
    assert send(executor, "b") == 8


def test_a_key_that_rests_is_forgotten(executor: Executor) -> None:
    executor.triggers.configure(ttl_ns=100 * SECOND)
    simple(executor, "a", "b")
    send(executor, "a", time=1000)
    assert send(executor, "b", time=1101) == 0
    send(executor, "a", time=2000)
    assert send(executor, "b", time=2100) == 1


def test_times(executor: Executor) -> None:
    simple(executor, "a", "b", within=SECOND)
    for first, second, fires in [(10, 11, 1), (10.5, 11.5, 1), (10, 11.1, 0), (20, 3, 1)]:
        key = f"{first} {second}"
        executor.triggers.event(pack({"type": "a", "user_id": key, "ts": first}))
        batch = executor.triggers.event(pack({"type": "b", "user_id": key, "ts": second}))
        assert len(batch.fired) == fires, key
    for odd in (-1, math.nan, math.inf, 2**64 - 1, "noon", None, [1]):  # as if there were none
        key = f"odd {odd}"
        executor.triggers.event(pack({"type": "a", "user_id": key, "time": odd}))
        assert len(executor.triggers.event(pack({"type": "b", "user_id": key})).fired) == 1


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (b"", "no MessagePack"),
        (b"\x81", "cut short"),
        (pack([]), "no map"),
        (pack({}), "no steps"),
        (pack({"steps": []}), "1 to 16"),
        (pack({"steps": [{"type": "a"}] * 17}), "1 to 16"),
        (pack({"steps": [{}]}), "no type"),
        (pack({"steps": [{"type": 1}]}), "type is a text"),
        (pack({"steps": [{"type": "a" * 257}]}), "type is a text"),
        (pack({"steps": [{"type": "a", "ids": []}]}), "ids"),
        (pack({"steps": [{"type": "a", "ids": [1]}]}), "ids are texts"),
        (pack({"steps": [{"type": "a", "page": 1}]}), "page"),
        (pack({"steps": [{"type": "a", "colour": 1}]}), "nothing else"),
        (pack({"steps": [{"type": "a", "where": [["f", "=", 1]]}]}), "op"),
        (pack({"steps": [{"type": "a", "where": [["f", "==", [1]]]}]}), "values"),
        (pack({"steps": [{"type": "a", "where": [["f", "in", 1]]}]}), "in"),
        (pack({"steps": [{"type": "a", "where": [["f", "exists", 1]]}]}), "exists"),
        (pack({"steps": [{"type": "a", "where": [["f", "=="]]}]}), "[field, op, value]"),
        (pack({"steps": [{"type": "a"}], "within_ns": -1}), "within_ns"),
        (pack({"steps": [{"type": "a"}], "every": "5s"}), "nothing else"),
        (pack({"steps": [{"type": "a"}], "key": 1}), "key"),
    ],
)
def test_unusable_conditions(executor: Executor, condition: bytes, reason: str) -> None:
    with pytest.raises(VmError) as caught:
        executor.triggers.add(0, "t", condition, mode=TriggerMode.HAND_OUT)
    assert "not usable" in str(caught.value)
    assert reason in str(caught.value)
    assert executor.triggers.all_stats().nodes == 0


def test_key_fields_are_limited(executor: Executor) -> None:
    for number in range(15):
        condition = {"steps": [{"type": "a"}], "key": f"field{number}"}
        executor.triggers.add(0, "t", pack(condition), mode=TriggerMode.HAND_OUT)
    with pytest.raises(VmError, match="field99 would be the 16th"):
        executor.triggers.add(
            0,
            "t",
            pack({"steps": [{"type": "a"}], "key": "field99"}),
            mode=TriggerMode.HAND_OUT,
        )


def test_damaged_events_are_refused_and_others_are_not(executor: Executor) -> None:
    simple(executor, "a")
    whole = pack({"event": "a", "more": [1, {"x": "y" * 300}, 2.5, None, b"z", True]})
    for cut in range(len(whole)):
        with pytest.raises(DecodeError):
            executor.triggers.event(whole[:cut])
    with pytest.raises(DecodeError):
        executor.triggers.event(whole + b"\x01")
    for value in (None, 1, "a", [{"event": "a"}], {}, {"event": None}, {"event": 1.5}):
        assert executor.triggers.event(pack(value)).fired == []
    assert executor.triggers.event(pack({"event": None, "type": "a"})).fired
    assert len(executor.triggers.event(whole).fired) == 1
    batch = executor.triggers.events([whole, whole, b"\xc1", whole])
    assert (batch.taken, len(batch.fired)) == (2, 2)


def test_random_bytes_do_no_harm(executor: Executor) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    simple(executor, "a", "b", where=[["deep.value", "in", [1, "x"]]])
    valid = pack({"event": "a", "key": 3, "deep": {"value": 1}, "more": [1.5, "x", {"y": None}]})
    for _ in range(20_000):
        data = bytearray(valid)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            executor.triggers.event(bytes(data))
        except DecodeError:
            continue


def test_removed_triggers_are_unknown(executor: Executor) -> None:
    first = simple(executor, "a")
    executor.triggers.remove(first)
    second = simple(executor, "a")
    assert first != second
    for call in (executor.triggers.remove, executor.triggers.stats):
        with pytest.raises(UnknownTask):
            call(first)
    assert send(executor, "a") == 1
    assert executor.triggers.stats(second).handed_out == 1


def test_threads_append_while_conditions_change(executor: Executor) -> None:
    """Matches of one thread's keys are its own, whatever the others do."""
    simple(executor, "a", "b")
    fired = [0] * 4

    def append(index: int) -> None:
        for turn in range(1000):
            fired[index] += send(executor, "a", "b", key=f"{index} {turn % 7}")

    threads = [threading.Thread(target=append, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        extra = [simple(executor, "a", "c", page=str(number)) for number in range(20)]
        for trigger in extra:
            executor.triggers.remove(trigger)
    assert fired == [1000] * 4


def test_a_key_rests_while_nothing_comes_that_is_asked_for(executor: Executor) -> None:
    """What is asked for need not do anything."""
    executor.triggers.configure(ttl_ns=100 * SECOND)
    simple(executor, "a", "b")
    simple(executor, "c", "d")
    for key, between in (("active", "d"), ("rests", "other")):
        send(executor, "a", time=1000, key=key)
        send(executor, between, time=1090, key=key)
        assert send(executor, "b", time=1180, key=key) == (1 if key == "active" else 0)


def test_a_late_event_counts_at_the_latest_time_of_what_is_asked_for(executor: Executor) -> None:
    simple(executor, "a", "b", within=10 * SECOND)
    simple(executor, "c", "d")
    for between, fires in (("d", 0), ("other", 1)):
        send(executor, "a", time=1000, key=between)
        send(executor, between, time=1050, key=between)
        assert send(executor, "b", time=1005, key=between) == fires

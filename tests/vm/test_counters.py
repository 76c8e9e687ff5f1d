"""Triggers that count what comes into a stream, against a plain count; threads; stores; switching."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, Self

import msgspec
import pytest

from polyvm.vm import EventStore, Executor, Features, TriggerMode, UnknownTask, VmError
from tests.vm.programs import ECHO, pack, program, unpack, until

if TYPE_CHECKING:
    from pathlib import Path


def counter(stream: str = "clicks", **limits: Any) -> bytes:
    return msgspec.msgpack.encode({"stream": stream, **limits})


def event(stream: str | None = "clicks", **fields: Any) -> bytes:
    return pack({**({"stream": stream} if stream else {}), **fields})


def handed_out(executor: Executor, *events: bytes) -> list[dict[str, Any]]:
    return [unpack(fired.payload or b"") for fired in executor.triggers.events(events).fired]


def test_enough_starts_the_task(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    with Executor(2) as executor:
        executor.triggers.configure(store=store.handle)
        task = executor.add(program(ECHO))
        trigger = executor.triggers.add(task, "three", counter(events=3))
        one = event(n=1)
        batch = executor.triggers.events([one] * 7 + [event("other")] * 9, 100)
        assert [(fired.trigger, fired.tag) for fired in batch.fired] == [
            (trigger, 102),
            (trigger, 105),
        ]
        ended: list[Any] = []
        until(lambda: ended.extend(executor.collect(timeout_ms=10)) or len(ended) >= 2)
        common = {"trigger": "three", "stream": "clicks", "key": None, "events": 3}
        assert sorted((unpack(each.data) for each in ended), key=lambda each: each["first"]) == [
            {**common, "first": 1, "last": 3, "bytes": 3 * len(one)},
            {**common, "first": 4, "last": 6, "bytes": 3 * len(one)},
        ]
        assert batch.matched == executor.triggers.all_stats().matched == 7
        assert executor.triggers.stats(trigger).accepted == 2
        assert executor.triggers.all_stats().triggers == 1
    store.close()


def test_counts_are_those_of_a_plain_count() -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    limits = [
        {"events": choose.randint(1, 9)},
        {"bytes": choose.randint(1, 400)},
        {"events": choose.randint(1, 9), "bytes": choose.randint(1, 400), "key": "user"},
        {"events": choose.randint(1, 5), "key": "page"},
    ]
    with Executor(1) as executor:
        for number, each in enumerate(limits):
            executor.triggers.add(0, str(number), counter(**each), mode=TriggerMode.HAND_OUT)
        plain: dict[tuple[int, Any], list[int]] = {}
        for _ in range(2000):
            fields = {"user": choose.choice(["ä", "b", 7, -1]), "x": "x" * choose.randint(0, 40)}
            if choose.random() < 0.5:
                fields["page"] = choose.choice(["p", "q"])
            packed = event(choose.choice(["clicks", "clicks", None, "other"]), **fields)
            expected = []
            for number, each in enumerate(limits):
                if unpack(packed).get("stream") != "clicks":
                    continue
                key = str(fields.get(each["key"], "")) if "key" in each else None
                tally = plain.setdefault((number, key), [0, 0])
                tally[0] += 1
                tally[1] += len(packed)
                most = (each.get("events", 10**9), each.get("bytes", 10**9))
                if tally[0] >= most[0] or tally[1] >= most[1]:
                    expected.append((str(number), key, *plain.pop((number, key))))
            found = [
                (each["trigger"], each["key"], each["events"], each["bytes"])
                for each in handed_out(executor, packed)
            ]
            assert sorted(found, key=str) == sorted(expected, key=str)
        rest = [unpack(fired.payload or b"") for fired in executor.triggers.tick(all=True)[0].fired]
        assert {
            (int(each["trigger"]), each["key"]): [each["events"], each["bytes"]] for each in rest
        } == plain
        assert executor.triggers.tick(all=True)[0].fired == []


@pytest.mark.parametrize("key", ["", "user"])
def test_threads_count_every_event_once(tmp_path: Path, key: str) -> None:
    store = EventStore(tmp_path, segment_bytes=2**16)
    found: list[dict[str, Any]] = []
    lock = threading.Lock()
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)
        executor.triggers.add(0, "t", counter(events=7, key=key), mode=TriggerMode.HAND_OUT)

        def append(thread: int) -> None:
            for i in range(500):
                here = handed_out(executor, event(user=i % 5, thread=thread))
                with lock:
                    found.extend(here)

        threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        found += [
            unpack(fired.payload or b"") for fired in executor.triggers.tick(all=True)[0].fired
        ]
    kept = msgspec.msgpack.decode(store.read("clicks"))
    store.close()
    assert len(kept) == 2000
    users = {sequence: str(value["user"]) for sequence, _, _, _, value in kept}
    seen: list[int] = []
    for each in found:
        inside = [
            number
            for number in range(each["first"], each["last"] + 1)
            if not key or users[number] == each["key"]
        ]
        assert len(inside) == each["events"]
        seen += inside
    assert sorted(seen) == sorted(users)


def test_switching_and_replacing() -> None:
    with Executor(1) as executor:
        first = executor.triggers.add(0, "t", counter(events=3), mode=TriggerMode.HAND_OUT)
        assert handed_out(executor, event(), event()) == []
        second = executor.triggers.add(
            0, "t", counter(events=4), mode=TriggerMode.HAND_OUT, replaces=first
        )
        executor.triggers.remove(first)
        assert handed_out(executor, event()) == []
        (fired,) = handed_out(executor, event())
        assert (fired["events"], fired["first"], fired["last"]) == (4, None, None)
        handed_out(executor, event())
        executor.triggers.set_mode(second, TriggerMode.OFF)
        assert handed_out(executor, *[event()] * 9) == []
        executor.triggers.set_mode(second, TriggerMode.HAND_OUT)
        assert handed_out(executor, *[event()] * 3) == []
        assert len(handed_out(executor, event())) == 1
        other = executor.triggers.add(
            0, "t", counter("other", events=2), mode=TriggerMode.HAND_OUT, replaces=second
        )
        executor.triggers.remove(second)
        assert handed_out(executor, event("other")) == []
        assert len(handed_out(executor, event("other"))) == 1
        executor.triggers.remove(other)
        assert handed_out(executor, *[event("other")] * 9) == []
        assert executor.triggers.all_stats().triggers == 0


def test_the_longest_wait() -> None:
    with Executor(1) as executor:
        executor.triggers.add(
            0, "soon", counter(events=100, wait_ns=1, key="user"), mode=TriggerMode.HAND_OUT
        )
        executor.triggers.add(
            0, "late", counter(events=100, wait_ns=2**62), mode=TriggerMode.HAND_OUT
        )
        assert executor.triggers.tick()[0].fired == []
        handed_out(executor, event(user="a"), event(user="b"), event(user="a"))
        due: list[Any] = []
        until(lambda: due.extend(executor.triggers.tick()[0].fired) or len(due) >= 2)
        found = [unpack(fired.payload) for fired in due]
        assert [(each["trigger"], each["key"], each["events"]) for each in found] == [
            ("soon", "a", 2),
            ("soon", "b", 1),
        ]
        assert executor.triggers.tick()[0].fired == []


def test_keys_beyond_the_bound_fire_before_it_is_enough() -> None:
    with Executor(1) as executor:
        executor.triggers.configure(max_keys=3)
        executor.triggers.add(0, "t", counter(events=100, key="user"), mode=TriggerMode.HAND_OUT)
        found = handed_out(executor, *[event(user=user) for user in (1, 2, 1, 3, 4, 5)])
        assert [(each["key"], each["events"]) for each in found] == [("1", 2), ("2", 1)]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"stream": "", "events": 1}, "1 to 64 bytes"),
        ({"stream": "x" * 65, "events": 1}, "1 to 64 bytes"),
        ({"stream": "s"}, "how much is enough"),
        ({"stream": "s", "events": -1}, "numbers"),
        ({"stream": "s", "events": 1, "key": "k" * 257}, "256 bytes"),
        ({"stream": "s", "events": 1, "more": 1}, "numbers"),
    ],
)
def test_mistakes(declared: dict[str, Any], reason: str) -> None:
    with Executor(1) as executor:
        with pytest.raises(VmError, match=reason):
            executor.triggers.add(0, "t", msgspec.msgpack.encode(declared), mode=TriggerMode.OFF)
        assert executor.triggers.all_stats().triggers == 0


def test_events_that_tasks_append_count(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)
        source = "import polyvm\ndef run(n): return polyvm.append([{'stream': 'clicks'}] * n)\n"
        task = executor.add(program(source))
        executor.triggers.add(0, "t", counter(events=3), mode=TriggerMode.HAND_OUT)
        assert unpack(executor.invoke(task, pack(7)).data) == 7
        batch = executor.triggers.collect()
        assert batch is not None
        found = [unpack(fired.payload or b"") for fired in batch.fired]
        assert [(each["first"], each["last"]) for each in found] == [(1, 3), (4, 6)]
    store.close()


# ---- From process to process -----------------------------------------------------------


class Life:
    """An executor with a kept counter, which ends as if it had been killed: nothing is handed out."""

    def __init__(
        self, folder: Path, declared: bytes, *, mode: TriggerMode = TriggerMode.HAND_OUT
    ) -> None:
        self.store = EventStore(folder)
        self.features = Features(self.store)
        self.executor = Executor(1)
        self.features.attach(self.executor)
        self.executor.triggers.configure(store=self.store.handle)
        self.number = self.executor.triggers.add(0, "t", declared, mode=mode)
        self.executor.triggers.keep(self.number, "clicks", "task.t", mode=mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()
        self.features.close()
        self.store.close()

    def put(self, *events: bytes) -> list[dict[str, Any]]:
        return handed_out(self.executor, *events)

    def recounted(self) -> list[dict[str, Any]]:
        found = []
        while (batch := self.executor.triggers.collect()) is not None:
            found += [unpack(fired.payload or b"") for fired in batch.fired]
        return found

    def rest(self) -> list[dict[str, Any]]:
        batch, _ = self.executor.triggers.tick(all=True)
        return [unpack(fired.payload or b"") for fired in batch.fired]


@pytest.mark.parametrize("key", ["", "user"])
def test_counts_go_on_in_the_next_process(tmp_path: Path, key: str) -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    declared = counter(events=5, key=key)
    users = [choose.choice("abcdef") for _ in range(300)]
    fired: list[dict[str, Any]] = []
    done = 0
    while done < len(users):
        with Life(tmp_path, declared) as life:
            fired += life.recounted()
            count = choose.randrange(30)
            for user in users[done : done + count]:
                fired += life.put(event(user=user), event("other", user=user))
            done += count
            if done >= len(users):
                fired += life.rest()
    covered = []
    for each in fired:
        numbers = [
            number
            for number in range(each["first"], each["last"] + 1)
            if not key or users[number - 1] == each["key"]
        ]
        assert len(numbers) == each["events"] <= 5
        covered += numbers
    assert sorted(covered) == list(range(1, 301))
    assert sum(each["events"] < 5 for each in fired) <= (6 if key else 1)


def test_what_is_enough_by_then_is_handed_out(tmp_path: Path) -> None:
    with Life(tmp_path, counter(events=5)) as life:
        assert len(life.put(*[event(n=n) for n in range(9)])) == 1
    with Life(tmp_path, counter(events=3)) as life:
        (one,) = life.recounted()
        assert (one["first"], one["last"]) == (6, 8)
        (one,) = life.put(event(), event())
        assert (one["first"], one["last"]) == (9, 11)
    with Life(tmp_path, counter(events=3)) as life:
        assert life.recounted() == life.rest() == []


def test_a_counter_that_was_off_or_away_begins_anew(tmp_path: Path) -> None:
    declared = counter(events=5)
    with Life(tmp_path, declared) as life:
        life.put(*[event()] * 4)
    with Life(tmp_path, declared, mode=TriggerMode.OFF) as life:
        assert life.put(*[event()] * 4) == life.rest() == []
    with Life(tmp_path, declared) as life:
        assert life.recounted() == []
        life.put(*[event()] * 2)
        triggers = life.executor.triggers
        other = triggers.add(0, "u", declared, mode=TriggerMode.HAND_OUT, replaces=life.number)
        triggers.keep(other, "clicks", "task.t", mode=TriggerMode.HAND_OUT, goes_on=True)
        triggers.remove(life.number)
        with pytest.raises(UnknownTask):
            triggers.keep(life.number, "clicks", "task.t")
        life.put(event())
    with Life(tmp_path, declared) as life:
        (one,) = life.put(event(), event())
        assert (one["first"], one["last"]) == (9, 13)
        life.put(event())
        life.executor.triggers.remove(life.number)
    with Life(tmp_path, declared) as life:
        assert life.rest() == []


def test_keys_of_any_length_and_streams_in_memory(tmp_path: Path) -> None:
    long = "k" * 5000
    declared = counter(events=2, key="user")
    with Life(tmp_path, declared) as life:
        assert len(life.put(event(user=long), event(user="a"), event(user=long))) == 1
    with Life(tmp_path, declared) as life:
        again = life.recounted()  # more than was lost, as its key is too long to be noted
        assert {each["key"] for each in again} <= {long}
        assert [each["key"] for each in life.put(event(user="a"))] == ["a"]
    with Executor(1) as executor:  # nothing is kept
        number = executor.triggers.add(0, "t", declared, mode=TriggerMode.HAND_OUT)
        executor.triggers.keep(number, "clicks", "task.t", mode=TriggerMode.HAND_OUT)

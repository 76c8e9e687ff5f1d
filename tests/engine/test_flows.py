"""Flows against naive models: windows, joins, sequences, late rows, bounds, several threads."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.flows import Into, stream
from tests.engine import flow_model, flow_set_direct
from tests.engine.flow_set_direct import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.flow_set_direct import FlowSet

SECOND = 10**9
END = 10**9 * SECOND  # a time after all events
SUMMARY = {"n": "count()", "total": "sum(v)", "least": "min(v)", "most": "max(v)"}
ROUNDS = 30

Make = "Callable[..., FlowSet]"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FlowSet]:
    return flow_set_direct.build(tmp_path_factory.mktemp("flows"))


@pytest.fixture
def rng() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def ns(duration: int) -> str:
    """As an author writes so many nanoseconds."""
    return f"0.{duration:09}s" if duration < SECOND else f"{duration // SECOND}s"


def events_of(rng: random.Random, count: int, *, jitter: int = 20) -> list[dict[str, Any]]:
    """Events in a rough order, for a few keys, times from a small range."""
    time, events = rng.randrange(-50, 50), []
    for number in range(count):
        time += rng.choice((0, 1, 1, 2, 5, 30))
        events.append(
            {
                "id": number,
                "k": rng.choice(("ada", "bob", 7)),
                "v": rng.randrange(-100, 100),
                "kind": rng.choice(("a", "b", "c", "d")),
                "t": time - rng.choice((0, 0, rng.randrange(jitter + 1))),
            }
        )
    return events


def finish(flows: FlowSet) -> None:
    """Let all time pass."""
    flows.tick(END)
    flows.tick(2 * END)


def by_window(rows: list[dict[str, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for row in rows:
        place = row["k"], row["window_start"], row["window_end"]
        assert place not in found, f"two results of {place}"
        found[place] = row["n"], row["total"], row["least"], row["most"]
    return found


# ---- Windows ---------------------------------------------------------------------


def test_tumbling_and_sliding_windows(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        size, lateness = rng.randrange(1, 40), rng.choice((0, 5, 25))
        step = rng.choice((size, rng.randrange(1, size + 1)))
        offset = rng.randrange(step)
        events = events_of(rng, 150)
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .window(sliding=(ns(size), ns(step)), offset=ns(offset), columns=SUMMARY)
            .into_stream("out")
        )
        with make(shards=rng.choice((1, 4))) as flows:
            added = flows.add(flow)
            for event in events:
                assert flows.append("s", event, event["t"]) == 1
            finish(flows)
            expected, late = flow_model.panes(events, lateness, size, step, offset)
            assert by_window(flows.rows()) == expected
            stats = flows.stats(added)
            assert (stats.late, flows.late) == (late, late)
            assert (stats.keys, stats.bytes, stats.events) == (0, 0, len(events))


def test_sessions(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        gap, lateness = rng.randrange(1, 40), rng.choice((0, 5, 25))
        events = events_of(rng, 150)
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .window(session=ns(gap), columns=SUMMARY)
            .into_stream("out")
        )
        with make() as flows:
            added = flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            finish(flows)
            expected, late = flow_model.sessions(events, lateness, gap)
            assert by_window(flows.rows()) == expected
            assert flows.stats(added).late == late
            assert flows.stats(added).bytes == 0


def test_results_come_as_soon_as_their_time_has(make: Callable[..., FlowSet]) -> None:
    flow = (
        stream("s", lateness="2s").key_by("k").window(tumbling="10s", n="count()").into_stream("o")
    )
    with make() as flows:
        flows.add(flow)
        for time in (1, 9, 11, 10):
            flows.append("s", {"k": "a"}, time * SECOND)
        assert flows.rows() == []
        flows.append("s", {"k": "b"}, 12 * SECOND)
        first = flows.left()
        assert [(one.row["n"], one.row["window_end"]) for one in first] == [(2, 10 * SECOND)]
        assert first[0].time_ns == 10 * SECOND - 1
        flows.append("s", {"k": "a"}, 9 * SECOND)
        assert flows.late == 1


EXTREMES = [0, 1, -1, 2**31, -(2**62), 2**62, 2**63 - 1, -(2**63), 2**63 - 10, -(2**63) + 10]


def test_times_at_the_ends_of_all_time(make: Callable[..., FlowSet], rng: random.Random) -> None:
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
        with make() as flows:
            added = [flows.add(c.into_stream("o", name=f"f{i}")) for i, c in enumerate(chains)]
            for _ in range(30):
                time = rng.choice(EXTREMES)
                flows.append("s", {"k": rng.randrange(3)}, time)
            flows.tick(rng.choice((1, 2**62)))
            flows.tick(2**63 - 1)
            assert all(flows.stats(each).events == 30 for each in added)


def test_late_events_go_where_they_are_to_go(make: Callable[..., FlowSet]) -> None:
    chain = stream("s", late_into="late").key_by("k").window(tumbling="10s", n="count()")
    with make() as flows:
        flows.add(chain.into_stream("o"))
        for time in (1, 12, 2):
            flows.append("s", {"k": "a", "time": time}, time * SECOND, key="own")
        on_time, late = flows.left()
    assert on_time.row["n"] == 1
    assert (late.into, late.key, late.time_ns) == ("late", "own", 2 * SECOND)
    assert late.row == {"k": "a", "time": 2}


def test_updates_come_with_each_row(make: Callable[..., FlowSet]) -> None:
    flow = stream("s").key_by("k").window(sliding=("10s", "5s"), emit="update", n="count()")
    with make() as flows:
        flows.add(flow.into_stream("o"))
        for time in (1, 6, 7):
            flows.append("s", {"k": "a"}, time * SECOND)
        found = [(row["window_start"] // SECOND, row["n"]) for row in flows.rows()]
        assert Counter(found) == Counter([(0, 1), (-5, 1), (0, 2), (5, 1), (0, 3), (5, 2)])
        finish(flows)
        assert flows.rows() == []


def test_counts_and_running_results(make: Callable[..., FlowSet], rng: random.Random) -> None:
    events = events_of(rng, 200)
    with make() as flows:
        flows.add(stream("s").key_by("k").window(count=7, total="sum(v)").into_stream("counts"))
        flows.add(stream("s").key_by("k").window(running=True, total="sum(v)").into_stream("runs"))
        for event in events:
            flows.append("s", event, event["t"])
        left = flows.left()
    values: dict[Any, list[int]] = defaultdict(list)
    counts, running = [], []
    for event in events:
        values[event["k"]].append(event["v"])
        running.append((event["k"], sum(values[event["k"]])))
        if len(values[event["k"]]) % 7 == 0:
            counts.append((event["k"], sum(values[event["k"]][-7:])))
    found = {name: [o.row for o in left if o.into == name] for name in ("counts", "runs")}
    assert [(row["k"], row["total"]) for row in found["counts"]] == counts
    assert [(row["k"], row["total"]) for row in found["runs"]] == running


def test_spans(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        lateness, timeout = rng.choice((20, 30)), rng.choice((0, 25))
        events = events_of(rng, 150, jitter=10)
        flow = (
            stream("s", lateness=ns(lateness))
            .key_by("k")
            .window(
                span=("kind == 'a'", "kind == 'b'"),
                timeout=ns(timeout) if timeout else None,
                columns=SUMMARY,
            )
            .into_stream("out")
        )
        with make() as flows:
            flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            finish(flows)
            found = [
                (
                    row["k"],
                    row["window_start"],
                    row["window_end"],
                    (row["n"], row["total"], row["least"], row["most"]),
                )
                for row in flows.rows()
            ]
        expected = flow_model.spans(events, lateness, timeout, "a", "b")
        assert Counter(found) == Counter(expected)


def test_a_window_behind_a_window(make: Callable[..., FlowSet], rng: random.Random) -> None:
    events = events_of(rng, 300)
    flow = (
        stream("s", lateness=ns(30))
        .key_by("k")
        .window(tumbling=ns(10), n="count()")
        .key_by("window_end")
        .window(tumbling=ns(10), keys="count()", n="sum(n)")
        .into_stream("out")
    )
    with make() as flows:
        flows.add(flow)
        for event in events:
            flows.append("s", event, event["t"])
        finish(flows)
        found = {row["window_end"]: (row["keys"], row["n"]) for row in flows.rows()}
    windows: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        windows[(event["t"] // 10 + 1) * 10].append(event["k"])
    assert found == {end: (len(set(keys)), len(keys)) for end, keys in windows.items()}


# ---- Joins and sequences ---------------------------------------------------------


def test_interval_joins(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        lateness, outer = rng.choice((0, 15)), rng.random() < 0.5
        lower, upper = sorted((rng.randrange(-20, 20), rng.randrange(-20, 20)))
        events = [(rng.randrange(2), event) for event in events_of(rng, 120)]

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
        with make() as flows:
            added = flows.add(flow)
            for side, event in events:
                flows.append(("left", "right")[side], event, event["t"])
            finish(flows)
            found = [(row["a"], row["b"]) for row in flows.rows()]
            assert flows.stats(added).bytes == 0
        pairs, alone = flow_model.join(
            events,
            lateness,
            lambda a, b, lower=lower, upper=upper: lower <= b - a <= upper,
            lambda time, now: time < now,
        )
        expected = pairs + [(left, None) for left in alone if outer]
        assert Counter(found) == Counter(expected)


def test_window_joins(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        lateness, size = rng.choice((0, 15)), rng.randrange(1, 30)
        events = [(rng.randrange(2), event) for event in events_of(rng, 120)]
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
        with make() as flows:
            flows.add(flow)
            for side, event in events:
                flows.append(("left", "right")[side], event, event["t"])
            finish(flows)
            found = [(row["a"], row["b"]) for row in flows.rows()]
        pairs, _ = flow_model.join(
            events,
            lateness,
            lambda a, b, size=size: a // size == b // size,
            lambda time, now, size=size: (time // size + 1) * size <= now,
        )
        assert Counter(found) == Counter(pairs)


def test_sequences(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        lateness, within = rng.choice((0, 25)), rng.choice((0, 40))
        kinds = rng.choices("abc", k=rng.randrange(2, 5))
        events = events_of(rng, 150)
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
        with make() as flows:
            flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            finish(flows)
            found = [tuple(row.values()) for row in flows.rows()]
        assert Counter(found) == Counter(flow_model.sequences(events, lateness, kinds, within))


def test_tops(make: Callable[..., FlowSet], rng: random.Random) -> None:
    for _ in range(ROUNDS):
        count, ties, size = rng.randrange(1, 6), rng.random() < 0.5, rng.randrange(5, 60)
        events = events_of(rng, 200)
        for event in events:
            event["v"] //= 20
        flow = (
            stream("s", lateness=ns(30))
            .map(id="id", v="v", keep=False)
            .top(count, by="v", size=ns(size), ties=ties)
            .into_stream("out")
        )
        with make() as flows:
            flows.add(flow)
            for event in events:
                flows.append("s", event, event["t"])
            finish(flows)
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


# ---- Rows without state ----------------------------------------------------------


def test_open_rows_keep_what_nobody_asked_for(make: Callable[..., FlowSet]) -> None:
    flow = stream("s").filter("price > 1").map(price="price * 2", user="upper(user)")
    with make() as flows:
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


def test_rules_and_what_an_event_is(make: Callable[..., FlowSet]) -> None:
    flow = (
        stream("s", "t")
        .rules("found", cheap="price < 10", dear="price >= 5")
        .map(found="found", at="_time", key="_key", stream="_stream", keep=False)
    )
    with make() as flows:
        flows.add(flow.into_task("act"))
        flows.append("t", {"price": 7}, 3, key="ada")
        flows.append("s", {"price": "none"}, 4)
        first, second = flows.left()
    assert first.is_task
    assert first.row == {"found": ["cheap", "dear"], "at": 3, "key": "ada", "stream": "t"}
    assert second.row["found"] == []


def test_lookups_see_what_was_known_then(make: Callable[..., FlowSet]) -> None:
    flow = stream("s").lookup("users", "user", "age", city="home.city").into_stream("o")
    with make() as flows:
        flows.put_feature("users", "7", 10, {"age": 30, "home": {"city": "x"}})
        flows.put_feature("users", "7", 20, {"age": 31})
        flows.add(flow)
        for time in (5, 10, 19, 25):
            flows.append("s", {"user": 7.0}, time)
        found = [(row["age"], row["city"]) for row in flows.rows()]
    assert found == [(None, None), (30, "x"), (30, "x"), (31, None)]


def test_results_go_into_tables(make: Callable[..., FlowSet]) -> None:
    flow = stream("s").key_by("user", "item").window(running=True, n="count()").into_table("seen")
    with make() as flows:
        added = flows.add(flow)
        for time in (1, 2):
            flows.append("s", {"user": "ada", "item": 7}, time)
        assert flows.feature("seen", "ada:7") == {"user": "ada", "item": 7, "n": 2}
        assert flows.feature("seen", "bob:7") is None
        flows.append("s", {"user": "x" * 2000, "item": 7}, 3)
        flows.append("s", {"user": "x" * 70_000, "item": 7}, 3)
        assert flows.stats(added).refused == 2


# ---- Lives and bounds ------------------------------------------------------------


def counting(name: str = "out", size: str = "10s") -> bytes:
    flow = stream("s").key_by("k").window(tumbling=size, n="count()")
    return flow.into_stream("out", name=name).declaration()


def test_a_flow_that_says_the_same_goes_on(make: Callable[..., FlowSet]) -> None:
    with make() as flows:
        first = flows.add(counting())
        flows.append("s", {"k": 1}, SECOND)
        second = flows.add(counting(), replaces=first)
        flows.append("s", {"k": 1}, 2 * SECOND)
        third = flows.add(counting(size="20s"), replaces=second)
        flows.append("s", {"k": 1}, 3 * SECOND)
        fourth = flows.add(counting(size="20s"), replaces=third)
        finish(flows)
        assert [row["n"] for row in flows.rows()] == [1]
        assert flows.stats(fourth).events == 1
        flows.remove(fourth)
        assert flows.append("s", {"k": 1}, 4 * SECOND) == 0
        assert flows.append("other", {"k": 1}, 4 * SECOND) == 0
        finish(flows)
        assert flows.rows() == []
    with make() as flows:
        first = flows.add(counting())
        flows.append("s", {"k": 1}, SECOND)
        second = flows.add(counting(), replaces=first)
        flows.append("s", {"k": 1}, 2 * SECOND)
        with pytest.raises(RefusedError, match="flow out: there is one of that name already"):
            flows.add(counting())
        finish(flows)
        assert [row["n"] for row in flows.rows()] == [2]


def test_state_is_bounded(make: Callable[..., FlowSet]) -> None:
    flow = stream("s").key_by("k").window(running=True, n="count()").into_stream("o")
    with make(max_bytes=100_000, shards=4) as flows:
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


def test_keys_that_rest_go(make: Callable[..., FlowSet]) -> None:
    flow = stream("s").key_by("k").window(running=True, ttl="10s", n="count()").into_stream("o")
    with make() as flows:
        added = flows.add(flow)
        for time, key in ((0, "a"), (9, "a"), (18, "a"), (19, "b"), (29, "b")):
            flows.append("s", {"k": key}, time * SECOND)
        assert [row["n"] for row in flows.rows()] == [1, 2, 3, 1, 2]
        assert flows.stats(added).keys == 1
        assert flows.stats(added).dropped == 1


def test_time_goes_on_without_events(make: Callable[..., FlowSet]) -> None:
    with make() as flows:
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


def test_arrival_is_another_time(make: Callable[..., FlowSet]) -> None:
    flow = stream("s", arrival=True).window(tumbling="1h", n="count()").into_stream("o")
    with make() as flows:
        flows.add(flow)
        for time in (0, 10**18, 5):
            flows.append("s", {}, time)
        flows.tick(4 * 10**18)
        assert sum(row["n"] for row in flows.rows()) == 3
        assert flows.late == 0


# ---- Several threads -------------------------------------------------------------


def test_threads_lose_and_double_nothing(make: Callable[..., FlowSet], rng: random.Random) -> None:
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
            {"k": rng.randrange(50), "v": rng.randrange(100), "t": rng.randrange(10_000)}
            for _ in range(each)
        ]
        for _ in range(threads)
    ]
    with make(shards=8) as flows:
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
        finish(flows)
        rows = [one.row for one in flows.left() if one.into == "out"]
        stats = flows.stats(added)
    assert stats.events == threads * each
    assert (stats.late, stats.bytes, stats.keys) == (0, 0, 0)
    assert sum(row["n"] for row in rows) == threads * each
    assert sum(row["total"] for row in rows) == sum(e["v"] for part in parts for e in part)


# ---- Declarations ----------------------------------------------------------------


def declared(**changed: Any) -> bytes:
    whole = {"name": "f", "from": ["s"], "steps": [], "into": {"stream": "o"}, **changed}
    return msgspec.msgpack.encode(whole)


WRONG = [
    (b"\xc1", "no MessagePack"),
    (b"\x90", "it is no map"),
    (declared(name=None), "name is missing"),
    (declared(name="x" * 200), "name is a text of 1 to 160 bytes"),
    (declared(odd=1), "field odd is unknown; there are name, from, lateness_ns"),
    (declared(**{"from": []}), "flow f: from is an array of 1 to 16 items"),
    (declared(lateness_ns=-1), "lateness_ns is an integer from 0"),
    (declared(into=None), "flow f: into: it is missing"),
    (declared(into={"table": "a", "stream": "b"}), "one table, one stream or one task"),
    (declared(steps=[{}]), "step 1: it says nothing"),
    (declared(steps=[{"filter": ["nope"]}]), r"step 1 \(filter\): the condition: "),
    (declared(steps=[{"window": {"kind": "odd"}}]), r"step 1 \(window\): kind is one of"),
    (declared(steps=[{"window": {"kind": "tumbling"}}]), "size_ns is missing"),
    (
        declared(steps=[{"window": {"kind": "session", "gap_ns": 1, "rows": 3}}]),
        "a session window has no rows",
    ),
    (
        declared(steps=[{"window": {"kind": "sliding", "size_ns": 5, "step_ns": 6}}]),
        "step_ns is larger than size_ns",
    ),
    (
        declared(steps=[{"window": {"kind": "sliding", "size_ns": 10**9 + 7, "step_ns": 10**6}}]),
        "more than 4096 panes",
    ),
    (
        declared(steps=[{"window": {"kind": "running", "aggregates": [["n", "nope", [], []]]}}]),
        "column n: ",
    ),
    (
        declared(
            steps=[
                {"map": {"columns": [["x", ["field", "y"]]], "keep": False}},
                {"filter": ["field", "z"]},
            ]
        ),
        r"step 2 \(filter\): .*z",
    ),
    (
        declared(
            steps=[
                {"key_by": [["k", ["field", "k"]]]},
                {"map": {"columns": [["x", 1]], "keep": False}},
                {"window": {"kind": "running"}},
            ]
        ),
        r"step 3 \(window\): the key's column k is not there any more",
    ),
    (declared(steps=[{"top": {"n": 1, "by": 1, "size_ns": 1}}]), "columns of its rows are not"),
    (
        declared(
            steps=[
                {
                    "join": {
                        "from": ["t"],
                        "on": [[1, 1]],
                        "window_ns": 5,
                        "columns": [["x", ["field", "x"]]],
                    }
                }
            ]
        ),
        "column x is of neither side",
    ),
    (
        declared(
            steps=[
                {
                    "sequence": {
                        "steps": [["a", True], ["b", True]],
                        "columns": [["x", ["field", "c.x"]]],
                    }
                }
            ]
        ),
        "column c.x is of no step",
    ),
    (declared(steps=[{"filter": True}] * 33), "steps is an array of 0 to 32 items"),
]


@pytest.mark.parametrize(("declaration", "sentence"), WRONG)
def test_what_is_wrong_is_said(
    make: Callable[..., FlowSet], declaration: bytes, sentence: str
) -> None:
    with make() as flows, pytest.raises(RefusedError, match=sentence):
        flows.add(declaration)


def test_damaged_declarations_are_refused(make: Callable[..., FlowSet], rng: random.Random) -> None:
    flow = (
        stream("s", "t")
        .key_by("k")
        .window(sliding=("10s", "5s"), columns=SUMMARY)
        .filter("n > 1")
        .into(Into(table="x", key="k"), "whole")
    )
    whole = flow.declaration()
    with make() as flows:
        for _ in range(2000):
            damaged = bytearray(whole)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            cut = bytes(damaged[: rng.choice((len(damaged), rng.randrange(len(damaged))))])
            try:
                added = flows.add(cut)
            except RefusedError as error:
                assert str(error)
            else:
                flows.append("s", {"k": 1}, 1)
                flows.remove(added)

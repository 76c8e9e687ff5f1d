"""Time series of streams against a plain computation: functions, steps, gaps, keys, what is no number."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.vm import EventStore, Executor, UnknownTask, VmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FUNCTIONS = ("count", "sum", "mean", "min", "max", "first", "last")
FILLS = ("none", "null", "previous", "linear", "value")
Points = list[tuple[int, float]]  # in the order of their arrival


class Stage:
    """A store with an executor that fills it. Times of events are in nanoseconds."""

    def __init__(self, folder: Path) -> None:
        self.store = EventStore(folder, segment_bytes=2**16)
        self.executor = Executor(1)
        self.executor.triggers.configure(store=self.store.handle, time_unit_ns=1)

    def put(self, *events: dict[str, Any]) -> None:
        packed = [msgspec.msgpack.encode({"stream": "s", **event}) for event in events]
        self.executor.triggers.events(packed)

    def series(self, field: str = "x", **query: Any) -> list[list[Any]]:
        found: list[list[Any]] = msgspec.msgpack.decode(self.store.series("s", field, **query))
        return found

    def close(self) -> None:
        self.executor.close()
        self.store.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def value_of(function: str, points: Points) -> float:
    values = [value for _, value in points]
    if function == "count":
        return len(values)
    if function in ("sum", "mean"):
        total = math.fsum(values)
        return total / len(values) if function == "mean" else total
    if function in ("min", "max"):
        return min(values) if function == "min" else max(values)
    ordered = sorted(points, key=lambda point: point[0])  # stable: of equal times as they came
    return ordered[0][1] if function == "first" else ordered[-1][1]


def plain(  # noqa: PLR0917 - as the query has them
    points: Points,
    functions: list[str],
    step: int,
    span: tuple[int | None, int | None],
    fill: str,
    value: float,
) -> list[list[Any]]:
    begin, end = span
    inside = [
        point
        for point in points
        if (begin is None or point[0] >= begin) and (end is None or point[0] < end)
    ]
    steps: dict[int, Points] = {}
    for point in inside:
        steps.setdefault(point[0] // step, []).append(point)
    if fill == "none" or (not steps and (begin is None or end is None)):
        numbers = sorted(steps)
    else:
        first = begin // step if begin is not None else min(steps)
        last = (end - 1) // step if end is not None else max(steps)
        numbers = list(range(first, last + 1))
    rows = []
    for number in numbers:
        row: list[Any] = [number * step]
        for function in functions:
            before = max((each for each in steps if each < number), default=None)
            after = min((each for each in steps if each > number), default=None)
            if number in steps:
                row.append(value_of(function, steps[number]))
            elif fill == "value":
                row.append(value)
            elif fill == "previous" and before is not None:
                row.append(value_of(function, steps[before]))
            elif fill == "linear" and before is not None and after is not None:
                a, b = value_of(function, steps[before]), value_of(function, steps[after])
                row.append(a + (b - a) * (number - before) / (after - before))
            else:
                row.append(None)
        rows.append(row)
    return rows


def same(found: list[list[Any]], expected: list[list[Any]]) -> None:
    assert [row[0] for row in found] == [row[0] for row in expected]
    for row, other in zip(found, expected, strict=True):
        for a, b in zip(row[1:], other[1:], strict=True):
            assert (a is None and b is None) or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-9)


def test_steps_are_those_of_a_plain_computation(stage: Stage) -> None:
    seed = random.getrandbits(32)
    print("seed", seed)
    choose = random.Random(seed)
    points: dict[str, Points] = {"": [], "a": [], "b": []}
    for _ in range(3000):
        time = choose.randrange(10**6) if choose.random() < 0.9 else choose.randrange(10**4)
        key = choose.choice("ab")
        value: Any = choose.choice(
            [choose.uniform(-1e6, 1e6), choose.randrange(-(2**40), 2**40), 0, -0.5]
        )
        stage.put({"x": value, "key": key, "time": time, "other": "text"})
        points[key].append((time, value))
        points[""].append((time, value))
        if choose.random() < 0.2:
            bad: Any = choose.choice([math.nan, None, "1", True, [1], {"y": 1}])
            stage.put({"x": bad, "key": key, "time": choose.randrange(10**6)})
    for _ in range(120):
        step = choose.choice([1000, 777, 50_000, 3 * 10**6])
        begin = choose.choice([None, choose.randrange(10**6)])
        end = choose.choice([None, choose.randrange(10**6, 2 * 10**6)])
        functions = choose.sample(FUNCTIONS, choose.randint(1, 7))
        fill, key = choose.choice(FILLS), choose.choice(["", "a", "b"])
        found = stage.series(
            key=key.encode() or None,
            from_ns=begin,
            until_ns=end,
            step_ns=step,
            functions=",".join(functions),
            fill=fill,
            value=7.5,
        )
        same(found, plain(points[key], functions, step, (begin, end), fill, 7.5))


def test_points_come_in_the_order_of_time(stage: Stage) -> None:
    times = [5, 3, 9, 3, 1]
    stage.put(*({"x": number, "time": time} for number, time in enumerate(times)))
    assert stage.series() == [[1, 4.0], [3, 1.0], [3, 3.0], [5, 0.0], [9, 2.0]]
    assert stage.series(from_ns=3, until_ns=9) == [[3, 1.0], [3, 3.0], [5, 0.0]]


def test_nested_fields_and_whole_numbers(stage: Stage) -> None:
    stage.put({"a": {"b": {"c": 2**53}}, "time": 1}, {"a": {"b": 1}, "time": 2})
    assert stage.series("a.b.c") == [[1, 2.0**53]]
    ((_, count),) = stage.series("a.b", step_ns=10, functions="count")
    assert (count, type(count)) == (1, int)
    assert stage.series("a") == []


def test_sums_are_compensated_and_infinities_stay(stage: Stage) -> None:
    stage.put(*({"x": value, "time": 1} for value in (1e100, 1.0, -1e100)))
    stage.put({"x": math.inf, "time": 11}, {"x": 1.0, "time": 12})
    found = stage.series(step_ns=10, functions="sum,max")
    assert found == [[0, 1.0, 1e100], [10, math.inf, math.inf]]


def test_steps_that_are_found_from_the_last_to_the_first(stage: Stage) -> None:
    stage.put(*({"x": 1, "key": "k", "time": time} for time in range(5000)))
    found = stage.series(key=b"k", step_ns=1, functions="count")
    assert found == [[time, 1] for time in range(5000)]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"step_ns": 1, "functions": "median"}, "one of count, sum"),
        ({"step_ns": 1, "functions": "sum,,sum"}, "one of count, sum"),
        ({"step_ns": 1, "functions": ",".join(["sum"] * 9)}, "at most 8"),
        ({"step_ns": 1}, "name a function"),
        ({"functions": "sum"}, "name the length"),
        ({"step_ns": -1, "functions": "sum"}, "more than 0"),
        ({"from_ns": 5, "until_ns": 5}, "ends before it begins"),
        ({"fill": "zero"}, "none, null, previous"),
        ({"value": math.nan}, "no number"),
        ({"field": ""}, "name one"),
        ({"step_ns": 1, "functions": "sum", "from_ns": 0}, "1000000 rows"),
        ({"step_ns": 100, "functions": "sum", "from_ns": 0, "rows": 999}, "more than 999 rows"),
        (
            {"step_ns": 1, "functions": "sum", "from_ns": 0, "until_ns": 10**9, "fill": "null"},
            "rows",
        ),
    ],
)
def test_queries_that_are_none(stage: Stage, query: dict[str, Any], reason: str) -> None:
    stage.put({"x": 1, "time": 1}, {"x": 1, "time": 10**7})
    with pytest.raises(VmError, match=reason):
        stage.series(**{"field": "x", **query})


def test_times_at_the_ends_of_all_time(stage: Stage) -> None:
    stage.put({"x": 1, "time": 2**63 - 1}, {"x": 2, "time": 0})
    assert stage.series() == [[0, 2.0], [2**63 - 1, 1.0]]
    step = 2**62
    found = stage.series(step_ns=step, functions="last", from_ns=-(2**63) + 1, fill="null")
    assert found == [[-(2**63), None], [-step, None], [0, 2.0], [step, 1.0]]
    step = 3 * 2**61
    found = stage.series(step_ns=step, functions="last", from_ns=-(2**63) + 1, fill="null")
    assert found == [[-(2**63), None], [-step, None], [0, 2.0], [step, 1.0]]


def test_no_such_stream(stage: Stage) -> None:
    with pytest.raises(UnknownTask):
        stage.store.series("none", "x")

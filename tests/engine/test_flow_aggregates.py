"""Aggregates of flows against plain Python; sketches against the errors that they promise."""

from __future__ import annotations

import bisect
import collections
import contextlib
import math
import re
import shutil
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.expressions import AGGREGATES
from tests.engine import flow_direct
from tests.engine.aggregate_model import (
    Row,
    by_time,
    first,
    identity,
    is_number,
    last,
    naive_by,
    naive_distinct,
    naive_extreme,
    naive_mean,
    naive_sum,
    naive_variance,
    near,
    same,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conftest import Seeded

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

TEXTS = ["", "a", "b", "eight by", "nine byte", "a longer text that is not kept in the value"]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> flow_direct.Flow:
    return flow_direct.build(tmp_path_factory.mktemp("flow"))


def random_value(rand: Seeded) -> Any:
    return rand.choice(
        [
            lambda: rand.randrange(-5, 5),
            lambda: rand.randrange(-(2**63), 2**63) if rand.random() < 0.1 else 7,
            lambda: rand.randrange(-8, 8) / 4,
            lambda: rand.uniform(-100, 100),
            lambda: rand.choice(TEXTS),
            lambda: rand.choice([None, True, False, math.nan]),
            lambda: [rand.randrange(3), {"a": rand.choice(TEXTS)}],
        ]
    )()


def random_rows(rand: Seeded, arguments: int) -> list[Row]:
    """Rows that mostly come in the order of their times, some with equal ones."""
    count = rand.choice([0, 1, 2, 5, 30, 200])
    return [
        (max(0, i // 2 + (rand.randrange(-9, 9) if rand.random() < 0.2 else 0)),
         *(random_value(rand) for _ in range(arguments)))
        for i in range(count)
    ]  # fmt: skip


def cut(rand: Seeded, rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Into panes, some of them empty."""
    ends = sorted(rand.randrange(len(rows) + 1) for _ in range(rand.randrange(5)))
    return [rows[a:b] for a, b in zip([0, *ends], [*ends, len(rows)], strict=True)]


Case = tuple[str, list[Any], "Callable[..., Any]", "Callable[[Any, Any], bool]"]
CASES: list[Case] = [
    ("count", [], len, same),
    ("count_if", [], lambda rows: sum(bool(row[1]) for row in rows), same),
    ("sum", [], naive_sum, near),
    ("mean", [], naive_mean, near),
    ("variance", [], naive_variance, near),
    ("variance", [0], lambda rows: naive_variance(rows, 0), near),
    ("min", [], lambda rows: naive_extreme(rows, lambda a, b: a < b), same),
    ("max", [], lambda rows: naive_extreme(rows, lambda a, b: a > b), same),
    ("first", [], first, same),
    ("last", [], last, same),
    ("min_by", [], lambda rows: naive_by(rows, lambda a, b: a < b), same),
    ("max_by", [], lambda rows: naive_by(rows, lambda a, b: a > b), same),
    ("distinct", [], naive_distinct, same),
    ("distinct_approx", [16], naive_distinct, same),
    ("last_n", [7], lambda rows: by_time(rows)[-7:], same),
    ("collect", [7], lambda rows: by_time(rows)[:7], same),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_rows_in_panes_come_to_what_python_says(
    flow: flow_direct.Flow, rand: Seeded, case: Case
) -> None:
    name, parameters, model, agree = case
    for _ in range(150):
        rows = random_rows(rand, AGGREGATES[name].arguments)
        if name in {"sum", "mean", "variance"} and rand.random() < 0.5:
            rows = [row for row in rows if not is_number(row[1]) or not math.isnan(row[1])]
        panes = cut(rand, rows)
        found = flow.aggregate(name, parameters, *panes)
        assert agree(found, model(rows)), (rows, panes, found, model(rows))


def test_a_sum_is_exact_for_integers_and_compensated_for_floats(
    flow: flow_direct.Flow, rand: Seeded
) -> None:
    whole = [(0, rand.randrange(-(2**60), 2**60)) for _ in range(1000)]
    total = sum(number for _, number in whole)
    found = flow.aggregate("sum", [], *cut(rand, whole))
    assert found == (total if -(2**63) <= total < 2**64 else float(total))
    tenths: list[Row] = [(0, 0.1)] * 100_000
    assert flow.aggregate("sum", [], tenths) == 10_000.0
    assert flow.aggregate("sum", [], [(0, 1e100), (0, 1.0), (0, -1e100)]) == 1.0
    assert flow.aggregate("sum", [], [(0, 1e100), (0, 1.0)], [(0, -1e100)]) == 1.0
    assert flow.aggregate("sum", [], [(0, math.inf), (0, 1.0)]) == math.inf
    assert math.isnan(flow.aggregate("sum", [], [(0, math.inf), (0, -math.inf)]))
    assert flow.aggregate("sum", [], [(0, 2**64 - 1)]) == 2**64 - 1
    assert flow.aggregate("sum", [], [(0, 2**64 - 1), (0, 1)]) == float(2**64)
    assert flow.aggregate("sum", [], [(0, 2**64 - 1), (0, 1)], [(0, -2)]) == 2**64 - 2


def test_a_variance_does_not_suffer_from_a_large_mean(flow: flow_direct.Flow, rand: Seeded) -> None:
    rows: list[Row] = [(0, 1e9 + i % 3) for i in range(3000)]
    wanted = statistics.variance(row[1] - 1e9 for row in rows)
    assert math.isclose(flow.aggregate("variance", [], *cut(rand, rows)), wanted, rel_tol=1e-6)
    found = flow.aggregate("stddev", [0], *cut(rand, rows))
    assert math.isclose(found, math.sqrt(2 / 3), rel_tol=1e-6)


def test_a_decayed_sum_halves(flow: flow_direct.Flow, rand: Seeded) -> None:
    half = 10**9
    assert flow.aggregate("decayed_sum", [half], [(0, 8), (2 * half, 1)]) == 3.0
    assert flow.aggregate("decayed_sum", [half], [(2 * half, 1), (0, 8)]) == 3.0
    assert flow.aggregate("decayed_sum", [half], []) == 0.0
    times = sorted(rand.randrange(10 * half) for _ in range(300))
    rows = [(time, rand.uniform(0, 5)) for time in times]
    wanted = sum(number * 2 ** -((times[-1] - time) / half) for time, number in rows)
    rand.shuffle(rows)
    found = flow.aggregate("decayed_sum", [half], *cut(rand, rows))
    assert math.isclose(found, wanted, rel_tol=1e-9)


def panes_of(values: Sequence[Any], count: int) -> list[list[Row]]:
    size = len(values) // count + 1
    return [[(i, value) for i, value in enumerate(values[at : at + size])]
            for at in range(0, len(values), size)]  # fmt: skip


def test_distinct_goes_on_as_a_sketch_when_there_are_too_many(
    flow: flow_direct.Flow, rand: Seeded
) -> None:
    values = [f"user-{rand.randrange(3000)}" for _ in range(12000)]
    wanted = len(set(values))
    for panes in (1, 5):
        assert flow.aggregate("distinct", [3000], *panes_of(values, panes)) == wanted
        found = flow.aggregate("distinct", [1000], *panes_of(values, panes))
        assert abs(found - wanted) <= 5 * 1.04 / 2**7 * wanted
        assert flow.held <= 2**14 + 64
    assert flow.aggregate("distinct", [2], [(0, 1), (0, 2), (0, 2.0)]) == 2


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
def test_approximate_counts_keep_their_error(
    flow: flow_direct.Flow, rand: Seeded, bits: int
) -> None:
    error = 1.04 / math.sqrt(2**bits)
    squares, tries = 0.0, 0
    for count in (10, 100, 1000, 10_000, 40_000):
        for panes in (1, 3):
            start = rand.randrange(2**50)
            values = [start + i for i in range(count)] * (1 if count > 1000 else 2)
            found = flow.aggregate("distinct_approx", [bits], *panes_of(values, panes))
            if count <= 2**bits / 16:
                assert found == count
            assert abs(found - count) <= 6 * error * count + 1, (count, found)
            squares += ((found - count) / count) ** 2
            tries += 1
            assert flow.held <= 2**bits + 64 + 128
    assert math.sqrt(squares / tries) <= 2.5 * error


def test_frequent_values_are_exact_while_they_fit(flow: flow_direct.Flow, rand: Seeded) -> None:
    for _ in range(100):
        pool = [random_value(rand) for _ in range(rand.choice([1, 5, 60]))]
        pool = [
            value for value in pool if not isinstance(value, float) or not math.isnan(value)
        ] or [1]  # NaN equals nothing
        rows = [(0, rand.choice(pool)) for _ in range(rand.choice([0, 3, 500]))]
        counts = collections.Counter(identity(row[1]) for row in rows if row[1] is not None)
        k = rand.choice([1, 4, 64])
        found = flow.aggregate("top_k", [k], *cut(rand, rows))
        assert len(found) == min(k, len(counts))
        assert [count for _, count in found] == sorted(counts.values(), reverse=True)[:k]
        for value, count in found:
            assert counts[identity(value)] == count


def test_frequent_values_among_many_are_found(flow: flow_direct.Flow, rand: Seeded) -> None:
    k, counters = 10, 80
    values = [f"item {int(rand.paretovariate(1))} of the shop" for _ in range(30_000)]
    counts = collections.Counter(values)
    wanted = counts.most_common(k)
    for panes in (1, 7):
        found = flow.aggregate("top_k", [k], *panes_of(values, panes))
        surely = [value for value, count in wanted if count > len(values) / counters]
        assert set(surely) <= {value for value, _ in found}
        for value, count in found:
            assert counts[value] <= count <= counts[value] + panes * len(values) / counters
        assert flow.held < 40_000


def rank_error(values: Sequence[float], found: float, q: float) -> float:
    """How far the share of values that are not above `found` is from q."""
    low = bisect.bisect_left(values, found) / len(values)
    high = bisect.bisect_right(values, found) / len(values)
    return max(low - q, q - high, 0.0)


def test_a_quantile_is_exact_for_few_rows(flow: flow_direct.Flow, rand: Seeded) -> None:
    for _ in range(60):
        values = [rand.uniform(-5, 5) for _ in range(rand.randrange(1, 200))]
        q = rand.choice([0, 1, 0.5, 0.25, 0.999, rand.random()])
        wanted = sorted(values)[max(math.ceil(q * len(values)) - 1, 0)]
        rows: list[Row] = [(0, value) for value in values]
        assert flow.aggregate("quantile", [q], *cut(rand, rows)) == wanted
    assert flow.aggregate("quantile", [0.5], []) is None
    assert flow.aggregate("quantile", [0.5], [(0, math.nan), (0, "x"), (0, None)]) is None
    assert flow.aggregate("quantile", [0.5], [(0, 3)]) == 3.0


@pytest.mark.parametrize(("k", "error"), [(200, 0.01), (800, 0.0026)])
@pytest.mark.parametrize("panes", [1, 10])
def test_a_quantile_of_many_rows_keeps_its_error(
    flow: flow_direct.Flow, rand: Seeded, k: int, error: float, panes: int
) -> None:
    errors = []
    for shape in range(6):
        make: list[Callable[[int], float]] = [
            float,
            lambda i: float(-i),
            lambda _: rand.gauss(0, 1),
            lambda i: float(i % 7),
            lambda _: rand.paretovariate(1),
            math.sin,
        ]
        values = [make[shape](i) for i in range(20_000)]
        ordered = sorted(values)
        for q in (0.01, 0.1, 0.5, 0.9, 0.99):
            found = flow.aggregate("quantile", [q, k], *panes_of(values, panes))
            errors.append(rank_error(ordered, found, q))
        assert flow.aggregate("quantile", [0, k], *panes_of(values, panes)) == ordered[0]
        assert flow.aggregate("quantile", [1, k], *panes_of(values, panes)) == ordered[-1]
        assert flow.held < 8 * 8 * k
    assert max(errors) <= 2 * error, errors
    assert sorted(errors)[len(errors) * 9 // 10] <= error, errors


ALL = [(name, parameters) for name, parameters, *_ in CASES]
ALL += [("distinct", [40]), ("distinct_approx", [8]), ("top_k", [2]), ("quantile", [0.3, 8])]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_row_that_found_no_memory_has_not_counted(
    flow: flow_direct.Flow, rand: Seeded, case: tuple[str, list[Any]]
) -> None:
    name, parameters = case
    rows = [
        (time, f"value {rand.randrange(150)}" if i % 3 else rand.randrange(100),
         *[rand.randrange(9)] * (AGGREGATES[name].arguments - 1))
        for i, time in enumerate(rand.choices(range(300), k=300))
    ]  # fmt: skip
    rows = [row[: 1 + AGGREGATES[name].arguments] for row in rows]
    wanted = flow.aggregate(name, parameters, rows)
    for allocation in [*range(60), *(rand.randrange(60, 400) for _ in range(20))]:
        flow.fail_after(allocation)  # the shim adds the row again
        found = flow.aggregate(name, parameters, rows)
        # a sketch that could not be halved in time halves other numbers later
        assert found == wanted or name == "quantile"
        flow.fail_after(allocation)
        with contextlib.suppress(flow_direct.NoMemoryError):
            flow.aggregate(name, parameters, rows[:100], rows[100:150], rows[150:])
    flow.fail_after(-1)


def test_what_a_state_holds_is_bounded(flow: flow_direct.Flow) -> None:
    long: list[Row] = [(i, f"{i:0200}") for i in range(1000)]
    for name, parameters, bound in (
        ("last", [], 300),
        ("max_by", [], 300),
        ("last_n", [10], 3000),
        ("collect", [10], 3000),
        ("top_k", [3], 64 * 300),
    ):
        rows = [(*row, row[0]) for row in long] if name == "max_by" else long
        flow.aggregate(name, parameters, rows)
        assert flow.held < bound, name
    for name, parameters, rows in (
        ("count", [], [(0,)]),
        ("sum", [], [(0, 1)]),
        ("variance", [], [(0, 1)]),
        ("min", [], [(0, 1)]),
        ("last", [], [(0, "short")]),
        ("distinct", [], [(0, "short")]),
        ("last_n", [10], [(0, "short")]),
        ("quantile", [0.5], [(0, 1)]),
    ):
        flow.aggregate(name, parameters, rows)
        assert flow.held <= 136, name


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("average", [], "there is no aggregate 'average'; there are: count, count_if, sum"),
        ("sum", [1], "sum takes 0 parameters, not 1"),
        ("quantile", [0.5, 200, 1], "quantile takes 2 parameters, not 3"),
        ("quantile", [], "q of quantile is a number of 0 to 1"),
        ("quantile", [1.5], "q of quantile is a number of 0 to 1"),
        ("quantile", [math.nan], "q of quantile is a number of 0 to 1"),
        ("quantile", [0.5, 7], "k of quantile is an integer of 8 to 4096"),
        ("top_k", [0], "k of top_k is an integer of 1 to 1000"),
        ("top_k", [2.0], "k of top_k is an integer of 1 to 1000"),
        ("top_k", ["3"], "k of top_k is an integer of 1 to 1000"),
        ("last_n", [], "n of last_n is an integer of 1 to 10000"),
        ("distinct_approx", [17], "bits of distinct_approx is an integer of 4 to 16"),
        ("decayed_sum", [0], "halflife of decayed_sum is an integer of 1 to "),
        ("variance", [-1], "ddof of variance is a number of 0 to 1000000000"),
    ],
)
def test_what_is_wrong_is_said(
    flow: flow_direct.Flow, name: str, parameters: list[Any], sentence: str
) -> None:
    with pytest.raises(flow_direct.FlowError, match=re.escape(sentence)):
        flow.aggregate(name, parameters, [])


def test_the_host_knows_the_same_aggregates(flow: flow_direct.Flow) -> None:
    given = {"number": 0.5, "count": 8, "duration": 10**9}
    with pytest.raises(flow_direct.FlowError) as refused:
        flow.aggregate("", [])
    listed = str(refused.value).partition("there are: ")[2].split(", ")
    assert sorted(listed) == sorted(AGGREGATES)
    for name, aggregate in AGGREGATES.items():
        row = (0, *[1] * aggregate.arguments)
        flow.aggregate(name, [given[one.kind] for one in aggregate.parameters], [row])
        required = [given[one.kind] for one in aggregate.parameters if one.required]
        flow.aggregate(name, required, [row])
        if required:
            with pytest.raises(flow_direct.FlowError):
                flow.aggregate(name, required[:-1], [row])

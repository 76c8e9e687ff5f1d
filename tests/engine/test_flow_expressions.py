"""Rows and expressions of flows against plain Python."""

from __future__ import annotations

import datetime as dt
import math
import re
import shutil
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.expressions import FUNCTIONS, parse
from tests.engine import expression_model, flow_direct

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Seeded

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

COLUMNS = ("a", "b", "c", "d", "e")
NUMBERS = [0, 1, -1, 2, 3, 7, -5, 10**6, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]
FLOATS = [0.0, -0.0, 0.5, -2.5, 3.0, 1e300, -1e-300, 5e-324, 0.1, math.inf, -math.inf, math.nan]
TEXTS = ["", "a", "b", "ab", "Zebra", "ünïcode", "a" * 40]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">="]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> flow_direct.Flow:
    return flow_direct.build(tmp_path_factory.mktemp("flow"))


def random_value(rand: Seeded) -> Any:
    kind = rand.randrange(8)
    if kind < 3:
        return rand.choice(NUMBERS) if rand.random() < 0.5 else rand.randrange(-20, 20)
    if kind < 5:
        return rand.choice(FLOATS) if rand.random() < 0.5 else rand.uniform(-10, 10)
    if kind == 5:
        return rand.choice(TEXTS)
    return rand.choice([None, True, False])


def random_tree(rand: Seeded, depth: int) -> Any:
    if depth == 0 or rand.random() < 0.1:
        return random_value(rand) if rand.random() < 0.3 else ["field", rand.choice(COLUMNS)]
    kind = rand.randrange(12)
    parts = [random_tree(rand, depth - 1) for _ in range(3)]
    if kind < 7:
        return [rand.choice(BINARY), *parts[:2]]
    if kind == 7:
        return [rand.choice(["neg", "not", "is_nil"]), parts[0]]
    if kind == 8:
        return ["if", *parts]
    if kind == 9:
        return ["in", parts[0], [random_value(rand) for _ in range(rand.choice([0, 1, 3, 40]))]]
    return [rand.choice(["and", "or"]), *parts[: rand.randrange(1, 4)]]


def same(a: Any, b: Any) -> bool:
    """Of one kind and equal; floats may differ by what libm is allowed to."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-300)
    return bool(a == b)


def test_random_expressions_are_worth_what_python_says(
    flow: flow_direct.Flow, rand: Seeded
) -> None:
    for _ in range(1500):
        tree = random_tree(rand, rand.randrange(1, 6))
        rows = [
            {name: random_value(rand) for name in COLUMNS if rand.random() < 0.9} for _ in range(8)
        ]
        found = flow.values(tree, rows)
        for row, value in zip(rows, found, strict=True):
            wanted = expression_model.value(tree, row)
            assert same(value, wanted), (tree, row, value, wanted)


def evaluate(flow: flow_direct.Flow, text: str, **row: Any) -> Any:
    return flow.value(parse(text), **row)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("price * quantity > 20 and country in ('de', 'at')", True),
        ("price", 12.5),
        ("nothing", None),
        ("nothing + 1", None),
        ("nothing > 1", False),
        ("nothing is None", True),
        ("nothing == None", True),
        ("price is not None", True),
        ("0 < quantity <= 2", True),
        ("quantity // 0", None),
        ("quantity / 0.0", None),
        ("'x' if quantity > 5 else 'y'", "y"),
        ("country + '-' + name", "de-Ada Lovelace"),
        ("'Love' in name", True),
        ("'love' not in name", True),
        ("name.lower()", "ada lovelace"),
        ("place.city", "Köln"),
        ("place.at.lat", 50.9),
        ("place.nothing.deep", None),
        ("field('odd name')", 7),
        ("place", {"city": "Köln", "at": {"lat": 50.9, "lon": 6.9}}),
        ("place['at']", {"lat": 50.9, "lon": 6.9}),
        ("place['at']['lon']", 6.9),
        ("items[0]", "p"),
        ("items[-1]", [1, 2]),
        ("items[9]", None),
        ("get(items, 9, 'no')", "no"),
        ("len(items)", 3),
        ("len(place)", 2),
        ("len(place.city)", 4),
        ("kind(items)", "array"),
        ("True + 1", None),
        ("int(True) + 1", 2),
        ("-quantity ** 2", -4),
        ("9223372036854775807 + 1", 2**63),
        ("18446744073709551615 + 1", float(2**64)),
        ("2 ** 64", float(2**64)),
        ("2 ** -1", 0.5),
        ("(-8) ** 0.5", None),
        ("not items", False),
        ("abs(-3)", 3),
        ("min(3, 2.5, 9)", 2.5),
        ("max('a', 'b')", "b"),
        ("max('a', 1)", None),
        ("sign(-0.5)", -1),
        ("clip(7, 0, 5)", 5),
        ("clip(-7, 0, 5)", 0),
        ("digitize(5, 1, 5, 10)", 2),
        ("bucket(17, 5)", 15),
        ("bucket(-1, 5)", -5),
        ("bucket(0.37, 0.25)", 0.25),
        ("floor(-2.5)", -3),
        ("ceil(2.1)", 3),
        ("trunc(-2.9)", -2),
        ("round(2.5)", 2),
        ("round(1e300)", 1e300),
        ("sqrt(9)", 3.0),
        ("sqrt(-1)", None),
        ("log(0)", None),
        ("log(8, 2)", 3.0),
        ("log2(8)", 3.0),
        ("log10(1000)", 3.0),
        ("log1p(0)", 0.0),
        ("exp(0)", 1.0),
        ("pow(2, 10)", 1024),
        ("sigmoid(0)", 0.5),
        ("sigmoid(-1000)", 0.0),
        ("tanh(0)", 0.0),
        ("sin(0)", 0.0),
        ("cos(0)", 1.0),
        ("atan2(0, 1)", 0.0),
        ("is_nan(float('nan'))", True),
        ("is_nan(nothing)", False),
        ("upper('aß')", "Aß"),
        ("strip('  x ')", "x"),
        ("lstrip('xxyxx', 'x')", "yxx"),
        ("rstrip('xxyxx', 'x')", "xxy"),
        ("startswith(name, 'Ada')", True),
        ("endswith(name, 'lace')", True),
        ("endswith('e', 'lace')", False),
        ("contains(name, '')", True),
        ("find('Köln am Rhein', 'am')", 5),
        ("find('x', 'y')", -1),
        ("substr('Köln', 1, 2)", "öl"),
        ("substr('Köln', -2)", "ln"),
        ("substr('Köln', 9)", ""),
        ("split('a/b/c', '/', 1)", "b"),
        ("split('a/b/c', '/', -1)", "c"),
        ("split('a/b/c', '/', 3)", None),
        ("split('a/b/c', '/', -4)", None),
        ("replace('aXbX', 'X', '--')", "a--b--"),
        ("concat(country, ':', quantity, ':', 1.5, ':', True)", "de:2:1.5:True"),
        ("like(name, 'Ada%')", True),
        ("like(name, '%love%')", False),
        ("coalesce(nothing, None, 4, 5)", 4),
        ("str(1e16)", "1e+16"),
        ("str(-0.0001)", "-0.0001"),
        ("int('12')", 12),
        ("int(' -7 ')", -7),
        ("int('12.5')", None),
        ("int(-12.9)", -12),
        ("int(1e300)", None),
        ("float('1e3')", 1000.0),
        ("float('0x10')", None),
        ("float('nan(1)')", None),
        ("float('-inf')", -math.inf),
        ("float('')", None),
        ("bool('')", False),
        ("hash(nothing)", None),
        ("hash('x', 0)", None),
        ("hash(1) == hash(1.0)", True),
        ("hour(0)", 0),
        ("hour(1700000000)", 22),
        ("hour(1700000000000)", 22),
        ("hour(1700000000000000000)", 22),
        ("hour(1700000000, '2h')", 0),
        ("hour(1700000000, '-2h')", 20),
        ("weekday(1700000000)", 1),
        ("date(1700000000)", "2023-11-14"),
        ("date(-1)", "1969-12-31"),
        ("floor_time(1700000123, '1m')", 1700000100),
        ("floor_time(1700000123456, '1m')", 1700000100000),
        ("floor_time(1700000123.5, '1s')", 1700000123.0),
        ("floor_time(1700000123, '24h', '2h')", 1699999200),
        ("floor_time('x', '24h')", None),
        ("haversine(0, 0, 0, 180) > 20000000", True),
        ("round(haversine(52.52, 13.405, 48.137, 11.575) / 1000)", 504),
    ],
)
def test_what_an_author_may_write(flow: flow_direct.Flow, text: str, wanted: Any) -> None:
    row = {
        "price": 12.5,
        "quantity": 2,
        "country": "de",
        "name": "Ada Lovelace",
        "odd name": 7,
        "place": {"city": "Köln", "at": {"lat": 50.9, "lon": 6.9}},
        "items": ["p", None, [1, 2]],
    }
    found = flow.value(parse(text), **row)
    assert same(found, wanted) if not isinstance(wanted, dict) else found == wanted


def check_function(
    flow: flow_direct.Flow, text: str, rows: list[dict[str, Any]], model: Callable[..., Any]
) -> None:
    found = flow.values(parse(text), rows)
    for row, value in zip(rows, found, strict=True):
        assert same(value, model(**row)), (text, row, value, model(**row))


def random_float(rand: Seeded) -> float:
    """Any bits, or a number as people write them."""
    if rand.random() < 0.5:
        return float(struct.unpack("<d", rand.randbytes(8))[0])
    return round(rand.uniform(-1000, 1000), rand.randrange(8))


def test_floats_become_the_text_that_python_writes(flow: flow_direct.Flow, rand: Seeded) -> None:
    rows = [{"x": random_float(rand)} for _ in range(20000)]
    rows += [{"x": float(10.0**i)} for i in range(-320, 309)]
    for row, text in zip(rows, flow.values(parse("str(x)"), rows), strict=True):
        # where 17 digits are needed there may be several that read back
        assert text == repr(row["x"]) or (len(text) >= 17 and float(text) == row["x"]), row
    back = flow.values(parse("float(str(x))"), rows)
    assert all(same(value, row["x"]) for row, value in zip(rows, back, strict=True))


def test_rounding_is_python_s(flow: flow_direct.Flow, rand: Seeded) -> None:
    rows = [
        {"x": rand.choice([rand.uniform(-1e6, 1e6), rand.randrange(10**5) / 1000]), "n": n}
        for n in range(7)
        for _ in range(500)
    ]
    check_function(flow, "round(x, n)", rows, lambda x, n: round(x, n))  # noqa: PLW0108
    rows = [{"x": rand.randrange(-(10**7), 10**7), "n": rand.randrange(-8, 3)} for _ in range(2000)]
    check_function(flow, "round(x, n)", rows, lambda x, n: round(x, n))  # noqa: PLW0108


def test_the_calendar_is_python_s(flow: flow_direct.Flow, rand: Seeded) -> None:
    rows = [{"t": rand.randrange(-(10**10), 10**11 - 1)} for _ in range(2000)]
    rows += [{"t": day * 86400 - 1} for day in range(0, 30000, 7)]

    def moment(t: int) -> dt.datetime:
        return dt.datetime(1970, 1, 1) + dt.timedelta(seconds=t)  # noqa: DTZ001

    check_function(flow, "date(t)", rows, lambda t: moment(t).date().isoformat())
    check_function(flow, "year(t)", rows, lambda t: moment(t).year)
    check_function(flow, "month(t)", rows, lambda t: moment(t).month)
    check_function(flow, "day(t)", rows, lambda t: moment(t).day)
    check_function(flow, "yearday(t)", rows, lambda t: moment(t).timetuple().tm_yday)
    check_function(flow, "weekday(t)", rows, lambda t: moment(t).weekday())
    check_function(flow, "hour(t)", rows, lambda t: moment(t).hour)
    check_function(flow, "minute(t)", rows, lambda t: moment(t).minute)
    check_function(flow, "second(t)", rows, lambda t: moment(t).second)
    check_function(flow, "floor_time(t, '15m')", rows, lambda t: t // 900 * 900)


def test_letters_of_european_languages_have_cases(flow: flow_direct.Flow) -> None:
    characters = [*range(0x80), *range(0xC0, 0x180), *range(0x386, 0x3CF), *range(0x400, 0x530)]
    # the Turkish i, the n after an apostrophe, the long s, the palochka, the final sigma: their
    # cases are of other lengths, or not each other's
    odd = {0x130, 0x131, 0x149, 0x17F, 0x4C0, 0x4CF, 0x3C2, 0xDF, 0x390, 0x3B0}
    letters = [chr(c) for c in characters if c not in odd and not 0x4C1 <= c <= 0x4CE]
    rows = [{"x": letter} for letter in letters]
    check_function(flow, "lower(x)", rows, lambda x: x.lower())
    check_function(flow, "upper(x)", rows, lambda x: x.upper())
    assert flow.value(parse("upper(x)"), x="aßﬁ中z") == "Aßﬁ中Z"


def random_text(rand: Seeded, most: int) -> str:
    return "".join(rand.choice("aabü%_ €") for _ in range(rand.randrange(most)))


def like(x: str, y: str) -> bool:
    pattern = re.escape(y).replace("%", ".*").replace("_", ".")
    return re.fullmatch(pattern, x, re.DOTALL) is not None


def replaced(x: str, y: str, z: str) -> str:
    return x.replace(y, z) if y else x


def test_functions_of_text_are_python_s(flow: flow_direct.Flow, rand: Seeded) -> None:
    pairs = [{"x": random_text(rand, 12), "y": random_text(rand, 4)} for _ in range(3000)]
    check_function(flow, "find(x, y)", pairs, lambda x, y: x.find(y))
    check_function(flow, "contains(x, y)", pairs, lambda x, y: y in x)
    check_function(flow, "startswith(x, y)", pairs, lambda x, y: x.startswith(y))
    check_function(flow, "endswith(x, y)", pairs, lambda x, y: x.endswith(y))
    check_function(flow, "like(x, y)", pairs, like)
    check_function(flow, "len(x + y)", pairs, lambda x, y: len(x) + len(y))
    triples = [{**pair, "z": random_text(rand, 3)} for pair in pairs]
    check_function(flow, "replace(x, y, z)", triples, replaced)
    parts = [{**pair, "i": rand.randrange(-9, 9), "n": rand.randrange(9)} for pair in pairs]

    def substring(x: str, y: str, i: int, n: int) -> str:  # noqa: ARG001
        start = max(i + len(x), 0) if i < 0 else i
        return x[start : start + n]

    def split(x: str, y: str, i: int, n: int) -> str | None:  # noqa: ARG001
        found = x.split(y) if y else []
        return found[i] if -len(found) <= i < len(found) else None

    check_function(flow, "substr(x, i, n)", parts, substring)
    check_function(flow, "split(x, y, i)", parts, split)


def test_a_row_has_what_its_names_lead_to(flow: flow_direct.Flow, rand: Seeded) -> None:
    names = ["a", "b", "ab", "", "long name of more than thirty-one bytes"]

    def random_map(depth: int) -> dict[str, Any]:
        return {
            rand.choice(names): random_map(depth - 1)
            if depth and rand.random() < 0.6
            else rand.choice([1, -1.5, "t", None, [1, {"a": 2}], b"bytes", 2**40])
            for _ in range(rand.randrange(5))
        }

    for _ in range(1500):
        event = random_map(3)
        paths = [[rand.choice(names) for _ in range(rand.randrange(1, 4))] for _ in range(6)]
        paths = [path for path in paths if path != [""]]
        # all of them in one row: what is found for one must not hide another
        joined = [["call", "coalesce", ["field", ".".join(path)], "none"] for path in paths]
        for turn, path in enumerate(paths):
            tree = ["if", True, joined[turn], ["or", None, *joined]]
            found: Any = event
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            wanted = "none" if found is None else found
            assert flow.values(tree, [event]) == [wanted], (event, path)


def test_values_are_written_and_hashed_by_what_they_are(
    flow: flow_direct.Flow, rand: Seeded
) -> None:
    values = [random_value(rand) for _ in range(500)] + [
        2**i - d for i in range(64) for d in (0, 1)
    ]
    values += [-(2**i) - d for i in range(63) for d in (0, 1)] + [
        "x" * n for n in (31, 32, 255, 256)
    ]
    values += ["x" * 70000, b"", b"b" * 300, b"b" * 70000, math.nan]
    found = flow.values(["field", "x"], [{"x": value} for value in values])
    assert all(same(a, b) for a, b in zip(found, values, strict=True))
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and int(float(value)) == value:
            as_float = float(value)
            if -(2**63) <= as_float < 2**64:
                assert flow.hash(value) == flow.hash(as_float), value
        assert flow.hash(value) != flow.hash(value, seed=1)
    different = {msgspec.msgpack.encode(v) if not isinstance(v, float) else v for v in values}
    assert len({flow.hash(v) for v in values}) <= len(different)
    assert len({flow.hash(i) for i in range(-5000, 5000)}) == 10000


def test_a_hash_is_spread_evenly_and_stays_the_same(flow: flow_direct.Flow) -> None:
    counts = [0] * 16
    for place in flow.values(parse("hash(x, 16)"), [{"x": f"user-{i}"} for i in range(16000)]):
        counts[place] += 1
    assert all(800 < count < 1200 for count in counts), counts
    assert evaluate(flow, "hash(x, 1000000)", x="ada") == 68724
    assert evaluate(flow, "hash(x, 1000000)", x=12) == 534990


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        (["field", "prise"], "there is no column 'prise'; there are: price, user"),
        (["call", "abz", 1], "there is no function 'abz'; there are: abs, sign, min"),
        (["call", "abs", 1, 2], "abs takes 1 value, not 2"),
        (["call", "round"], "round takes 1 to 2 values, not 0"),
        (["+", 1], "'+' takes 2 values, not 1"),
        (["=", 1, 2], "there is no operator '='"),
        ([], "an array of an expression begins with its operator's name"),
        ([1, 2], "an array of an expression begins with its operator's name"),
        (["field", ""], "a column's name is a text of 1 to 256 bytes"),
        (["field", "x" * 257], "a column's name is a text of 1 to 256 bytes"),
        (["in", 1, 2], "what stands behind 'in' is a list of literals"),
        (["in", 1, [[]]], "a literal is null, a boolean, a number or text"),
        (b"bytes", "a literal is null, a boolean, a number or text"),
        ({}, "a literal is null, a boolean, a number or text"),
    ],
)
def test_what_is_wrong_is_said(flow: flow_direct.Flow, tree: Any, sentence: str) -> None:
    with pytest.raises(flow_direct.FlowError, match=re.escape(sentence)):
        flow.compile(tree, ["price", "user"])


def test_nesting_and_columns_are_bounded(flow: flow_direct.Flow) -> None:
    tree: Any = ["field", "x"]
    for _ in range(99):
        tree = ["+", tree, 1]
    assert flow.value(tree, x=1) == 100
    with pytest.raises(flow_direct.FlowError, match="nested more than 100 deep"):
        flow.compile(["+", tree, 1], ["x"])
    many = ["and", *(["field", f"c{i}"] for i in range(65))]
    with pytest.raises(flow_direct.FlowError, match="at most 64 columns"):
        flow.value(many)
    found = flow.value(["+", ["field", "c63"], many[1]], **{f"c{i}": i for i in range(64)})
    assert found == 63


def test_the_host_knows_the_same_functions(flow: flow_direct.Flow) -> None:
    with pytest.raises(flow_direct.FlowError) as refused:
        flow.compile(["call", ""], [])
    listed = str(refused.value).partition("there are: ")[2].split(", ")
    assert set(listed) <= set(FUNCTIONS)
    for name, (least, most) in FUNCTIONS.items():
        for count in range(18):
            tree = ["call", name, *[["field", "x"]] * count]
            if least <= count <= most:
                flow.compile(tree, ["x"])
            else:
                with pytest.raises(flow_direct.FlowError, match=f"{name} takes {least}"):
                    flow.compile(tree, ["x"])
    tables = "".join(file.read_text() for file in flow_direct.FLOW.glob("functions_of_*.c"))
    assert set(re.findall(r'\{"(\w+)", \d', tables)) == set(FUNCTIONS)


def test_without_memory_nothing_is_compiled(flow: flow_direct.Flow) -> None:
    tree = parse("concat('a', 'b' * 2, x) in ('c', 1, 2, 3, 4, 5, 6, 7, 8, 9) or x.lower() == 'd'")
    flow.compile(tree, ["x"])
    refused = 0
    for allocation in range(12):
        flow.fail_after(allocation)
        try:
            flow.compile(tree, ["x"])
        except flow_direct.FlowError as error:
            assert str(error) == "there is no memory for the expression"
            refused += 1
    flow.fail_after(-1)
    assert 3 <= refused < 12


def test_texts_that_grow_beyond_bounds_are_nil(flow: flow_direct.Flow) -> None:
    text: Any = ["field", "x"]
    for _ in range(8):
        text = ["call", "concat", *[text] * 8]
    assert flow.value(["call", "len", text], x="12345678") is None
    assert flow.value(parse("len(replace(x, 'a', x))"), x="a" * 5000) is None

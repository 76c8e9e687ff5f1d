"""Columns of NumPy and Arrow as events, against the values that Python has of them."""

from __future__ import annotations

import datetime as dt
import math
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyvm.host import codec, event_files, ingestion
from polyvm.host.errors import MissingError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def events(data: Any, unit_ns: int = 10**9) -> list[Any]:
    """All events of batches; an event that cannot be packed is its reason."""
    found: list[Any] = []
    for batch in ingestion.batches(data, unit_ns):
        decoder = msgspec.msgpack.Decoder()
        values = decoder.decode(batch.data) if not batch.bad else []
        found += values
        found += [why for _, why in batch.bad]
    return found


def of(column: Any, unit_ns: int = 10**9) -> list[Any]:
    return [each["x"] for each in events({"x": column}, unit_ns)]


def of_arrow(column: Any, unit_ns: int = 10**9) -> list[Any]:
    table = column if isinstance(column, pa.Table) else pa.table({"x": column})
    return [each["x"] for each in events(table, unit_ns)]


EDGES = {
    "i": [0, 1, 31, 32, 127, -1, -32, -33, -128],
    "u": [0, 1, 127, 128, 255],
}


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_integers_take_the_room_they_need(kind: str) -> None:
    info = np.iinfo(kind)
    bounds = [bound + by for bits in (7, 8, 15, 16, 31, 32, 63) for bound in (2**bits, -(2**bits))
              for by in (-1, 0, 1)]  # fmt: skip
    numbers = EDGES[kind[0]] + [each for each in bounds if info.min <= each <= info.max]
    packed = b"".join(codec.encode_payload({"x": each}) for each in numbers)
    for column in (np.array(numbers, kind), np.array(numbers, f">{kind}")):
        (batch,) = ingestion.batches({"x": column})
        assert bytes(batch.data).endswith(packed)
    (batch,) = ingestion.batches(pa.table({"x": np.array(numbers, kind)}))
    assert bytes(batch.data).endswith(packed)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f8", "?", "S5", "U5", "O"])
def test_other_columns_are_python_s_values(kind: str) -> None:
    column = np.array([0, 1, 1, 0], "?" if kind in {"S5", "U5"} else "f8").astype(kind)
    assert of(column) == column.tolist()
    whole = np.arange(40).astype(kind).reshape(10, 4)
    for view in (whole[:, 1], whole[::-2, 3], whole[3:7, 0][::-1], whole[:0, 0]):
        assert of(view) == view.tolist()
    assert of(np.ma.masked_equal(np.arange(4), 2)) == [0, 1, None, 3]


def test_floats_that_are_no_numbers() -> None:
    numbers = [math.nan, math.inf, -math.inf, -0.0, 5e-324]
    for kind in ("f4", "f8"):
        column = np.array(numbers, kind)
        for found in (of(column), of_arrow(pa.array(column))):
            assert list(map(repr, found)) == list(map(repr, column.tolist()))


@pytest.mark.parametrize("unit", ["W", "D", "h", "m", "s", "ms", "us", "ns", "25s", "M"])
@pytest.mark.parametrize("of_unit", [1, 1000, 10**6, 10**9, 60 * 10**9])
def test_times_of_numpy(unit: str, of_unit: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    dtype = f"datetime64[{unit}]"
    most = int(np.array(["2200-01-01"], dtype).astype("i8")[0])
    column = np.array([draw.randrange(-most, most) for _ in range(200)], "i8").view(dtype)
    column[3] = "NaT"
    expected: list[Any] = []
    for ns in column.astype("datetime64[ns]").astype("i8").tolist():
        whole, part = divmod(ns, of_unit)
        expected.append(None if ns == -(2**63) else whole if part == 0 else ns / of_unit)
    assert of(column, of_unit) == expected
    assert list(map(type, of(column, of_unit))) == list(map(type, expected))


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), max_size=20), st.integers(1, 10**9))
def test_quotients_are_the_nearest_doubles(times: list[int], unit: int) -> None:
    column = np.array(times, "i8").view("datetime64[ns]")
    assert of(column, unit) == [ns // unit if ns % unit == 0 else ns / unit for ns in times]


def test_times_beyond_nanoseconds_are_a_sentence() -> None:
    words = "column 'x' has a time beyond what 64 bits"
    with pytest.raises(ValueError, match=words):
        of(np.array(["3000-01-01"], "datetime64[s]"))
    with pytest.raises(ValueError, match=words):
        of_arrow(pa.array([2**62], pa.timestamp("ms")))
    with pytest.raises(ValueError, match="column 'b' has a time"):
        events({"a": [object()], "b": np.array(["3000-01-01"], "datetime64[s]")})


ARROW: dict[str, Any] = {
    "null": pa.nulls(3),
    "bool": pa.array([True, None, False]),
    "int8": pa.array([1, None, -3], pa.int8()),
    "uint64": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "half": pa.array([1.5, None, 2.0], pa.float16()),
    "float": pa.array([1.5, None, 2.25], pa.float32()),
    "text": pa.array(["a", None, "ü" * 100]),
    "large text": pa.array(["", None, "x" * 70_000], pa.large_string()),
    "view": pa.array(["short", None, "longer than twelve bytes"], pa.string_view()),
    "binary": pa.array([b"\xff", None, b"x" * 300]),
    "large binary": pa.array([b"", None, b"x" * 70_000], pa.large_binary()),
    "fixed": pa.array([b"abc", None, b"def"], pa.binary(3)),
    "binary view": pa.array([b"abc", None, b"longer than twelve bytes"], pa.binary_view()),
    "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "list": pa.array([[1, None, 3], None, []]),
    "large list": pa.array([["a"], None, ["b", None]], pa.large_list(pa.string())),
    "fixed list": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2)),
    "list of lists": pa.array([[[1], None, []], None, [[2, 3]]]),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    "list of structs": pa.array([[{"a": 1}], None, [{"a": 2}, None]]),
    "struct of lists": pa.array([{"a": [1], "b": {"c": True}}, None, {"a": None, "b": None}]),
    "list of dictionaries": pa.array([["a"], None, ["b", "a"]], pa.list_(
        pa.dictionary(pa.int8(), pa.string()))),
    "no fields": pa.array([{}, None, {}], pa.struct([])),
    "wide": pa.array([{f"f{n}": n for n in range(20)}, None, {"f0": 1}]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARROW)
def test_values_of_arrow(name: str) -> None:
    column = ARROW[name]
    expected = column.to_pylist()
    assert of_arrow(column) == expected
    turned = pa.concat_arrays([column] * 30)
    for start, length in ((0, 90), (1, 80), (7, 1), (8, 9), (17, 30), (5, 0)):
        part = turned.slice(start, length)
        assert of_arrow(part) == part.to_pylist()
    chunked = pa.chunked_array([column, column.slice(1), column.slice(0, 0)])
    assert of_arrow(chunked) == expected + expected[1:]


def test_what_arrow_has_values_for_that_only_python_reads() -> None:
    day = dt.date(2024, 1, 2)
    assert of_arrow(pa.array([Decimal("1.50"), None])) == ["1.50", None]
    assert of_arrow(pa.array([day, None])) == ["2024-01-02", None]
    kind = pa.map_(pa.string(), pa.int8())
    assert of_arrow(pa.array([[("a", 1)], None], kind)) == [[["a", 1]], None]
    mixed = pa.table({"a": [1, 2], "d": pa.array([day, None]), "b": ["x", "y"]})
    assert events(mixed) == [
        {"a": 1, "d": "2024-01-02", "b": "x"},
        {"a": 2, "d": None, "b": "y"},
    ]
    assert list(events(mixed)[0]) == ["a", "d", "b"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kathmandu"])
def test_times_of_arrow(unit: str, zone: str | None) -> None:
    numbers = [1704067200, None, -1]
    column = pa.array(numbers, pa.int64()).cast(pa.timestamp(unit, zone))
    factor = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[unit]
    expected = [None if n is None else n * factor / 10**9 for n in numbers]
    assert of_arrow(column) == expected
    within = pa.array([[1, None], None], pa.list_(pa.timestamp(unit, zone)))
    assert of_arrow(within) == [[factor / 10**9, None], None]
    deep = pa.StructArray.from_arrays([column], ["t"])
    assert of_arrow(deep) == [{"t": each} for each in expected]
    mapped = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.timestamp(unit, zone)))
    with pytest.raises(TypeError, match=r"column 'x' is of type map.*make columns of them"):
        of_arrow(mapped)


def test_rows_that_cannot_be_packed_are_told_and_the_rest_goes_on() -> None:
    found = events({"n": np.arange(1000), "x": [1] * 600 + [2**70] + [3] * 399})
    assert found[:512] == [{"n": n, "x": 1} for n in range(512)]
    assert len(found) == 512 + 1
    batches = list(ingestion.batches({"n": np.arange(3), "x": [1, {1, object()}, 3]}))
    (batch,) = batches
    unpacker = msgspec.msgpack.Decoder()
    assert unpacker.decode(batch.data[: len(batch.data) // 2]) == {"n": 0, "x": 1}
    assert unpacker.decode(batch.data[len(batch.data) // 2 :]) == {"n": 2, "x": 3}
    ((shown, why),) = batch.bad
    assert b"'n': 1" in shown
    assert "cannot be packed" in why


def test_batches_are_bounded() -> None:
    sizes = [len(each.data) for each in ingestion.batches({"x": np.zeros(2_000_000, "i8")})]
    assert max(sizes) < 3 * ingestion.BYTES
    assert len(sizes) < 60
    wide = {"x": ["x" * 10_000] * 2000}
    assert max(len(each.data) for each in ingestion.batches(wide)) < 6 * 2**20


def test_a_file_that_is_not_sound_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "in.arrow"
    buffers = [None, pa.py_buffer(np.array([0, 100, 5], "i4")), pa.py_buffer(b"hello")]
    torn = pa.Array.from_buffers(pa.string(), 2, buffers)
    with pa.OSFile(str(file), "wb") as sink:
        batch = pa.record_batch({"x": pa.array(["a", "bcd", "e"])})
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
    data = file.read_bytes()
    good = np.array([0, 1, 4, 5], "i4").tobytes()
    assert data.count(good) == 1
    file.write_bytes(data.replace(good, np.array([0, 2**20, 4, 5], "i4").tobytes()))
    with pytest.raises(MissingError, match="cannot be read"):
        list(event_files.bodies(str(file)))
    with pytest.raises(ValueError, match=r"[Oo]ffset"):
        of_arrow(torn)
    mapped = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.timestamp("s")))
    with pa.OSFile(str(file), "wb") as sink:
        table = pa.table({"x": mapped})
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(UsageError, match=r"in\.arrow: column 'x' is of type map"):
        list(event_files.bodies(str(file)))

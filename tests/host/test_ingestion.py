"""Batches of events from lists, JSON lines, NumPy, columns and Arrow, kept as what they are."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from polyvm.host import ingestion
from polyvm.host.embedded import Host, Options
from polyvm.host.event_store import Keeping, Query, read
from polyvm.host.streams import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def host(folder: Path, **streams: Declared) -> Iterator[Host]:
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    keeping = Keeping(folder=folder / "kept", streams=streams)
    with Host(Options(tasks=tasks, keeping=keeping, packed=folder / "packed")) as made:
        yield made


def kept(made: Host, stream: str = "events") -> list[Any]:
    store = made._service.event_store
    assert store is not None
    return [each.event for each in read(store, Query(stream=stream, most=10**6))]


ROWS = [{"user": f"u{n % 7}", "n": n, "x": n / 4, "ts": 1000 + n} for n in range(3000)]


def table() -> pa.Table:
    return pa.table({name: [row[name] for row in ROWS] for name in ROWS[0]})


FORMS = {
    "list": ROWS,
    "generator": (row for row in ROWS),
    "lines": "\n".join(map(json.dumps, ROWS)),
    "bytes": b"\n".join(json.dumps(row).encode() for row in ROWS) + b"\n",
    "view": memoryview("\n".join(map(json.dumps, ROWS)).encode()),
    "columns": {name: [row[name] for row in ROWS] for name in ROWS[0]},
    "arrays": {name: np.array([row[name] for row in ROWS]) for name in ROWS[0]},
    "structured": np.array(
        [tuple(row.values()) for row in ROWS],
        dtype=[("user", "U3"), ("n", "i4"), ("x", "f8"), ("ts", "i8")],
    ),
    "table": table(),
    "record batch": table().to_batches()[0],
    "stream": table().to_reader(max_chunksize=100),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_events(tmp_path: Path, form: str) -> None:
    with host(tmp_path) as made:
        report = made.events(FORMS[form], stream="rows")
        assert (report.events, report.dead, report.error) == (3000, 0, None)
        assert kept(made, "rows") == ROWS


def test_times_become_numbers(tmp_path: Path) -> None:
    times = ["2024-01-01T00:00:00", "2024-01-01T00:00:00.5", "NaT"]
    expected = [1704067200, 1704067200.5, None]
    column = np.array(times, dtype="datetime64[ms]")
    aware = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    arrow = pa.table({"ts": pa.array([aware, None], pa.timestamp("us", "UTC"))})
    with host(tmp_path) as made:
        made.events({"ts": column}, stream="numpy")
        made.events(arrow, stream="arrow")
        assert [row["ts"] for row in kept(made, "numpy")] == expected
        assert [row["ts"] for row in kept(made, "arrow")] == [1704067200, None]
    (batch,) = ingestion.batches(arrow, unit_ns=10**6)
    assert msgspec.msgpack.decode(batch.data)[0] == {"ts": 1704067200000}


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (5, TypeError, "events come as an iterable of maps"),
        (np.arange(5), TypeError, "not as ndarray"),
        ({"a": [1, 2], "b": [1]}, ValueError, "column 'b' has 1 values, and 'a' has 2"),
        ({"a": "text"}, TypeError, "column 'a' is of type str"),
        ({"a": 5}, TypeError, "column 'a' is of type int"),
        ({1: [1]}, TypeError, "names of columns are text"),
    ],
)
def test_what_holds_no_events(data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        list(ingestion.batches(data))


def test_bad_rows_are_dead_letters_and_the_rest_goes_on(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    rows: list[Any] = [
        {"a": 1},
        {"a": object()},
        5,
        {"a": 2**70},
        {"a": loop},
        {"ts": math.nan},
        {"a": 2},
    ]
    with host(tmp_path) as made:
        report = made.events(rows, source="a test")
        assert (report.events, report.dead) == (7, 5)
        assert kept(made) == [{"a": 1}, {"a": 2}]
        letters = kept(made, "dead-letters")
        assert {each["source"] for each in letters} == {"a test"}
        reasons = [each["reason"] for each in letters]
        assert sum(why.startswith("it cannot be packed") for why in reasons) == 3
        lines = b'{"a": 3}\nnonsense\n\n{"a": 4}\n[1]'
        report = made.events(lines)
        assert (report.events, report.dead) == (4, 2)
        assert [each["event"] for each in kept(made, "dead-letters")][-2:] == ["nonsense", [1]]


def test_batches_of_lines_end_at_line_ends() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    lines = [b"x" * draw.choice([0, 10, 5000, ingestion.BYTES * 2 + 7]) for _ in range(200)]
    data = b"\n".join(lines)
    parts = [bytes(batch.data) for batch in ingestion.batches(data)]
    assert b"".join(parts) == data
    assert all(part.endswith(b"\n") for part in parts[:-1])
    assert all(len(part) < ingestion.BYTES + max(map(len, lines)) + 2 for part in parts)


def test_threads_hand_in_batches_once_each(tmp_path: Path) -> None:
    declared = Declared(fields={"i": "int", "t": "int"}, id="i", duplicates="1h")
    reports: list[Any] = []
    with host(tmp_path, s=declared) as made:

        def hand_in(number: int) -> None:
            rows = [{"i": n, "t": number} for n in range(2000)]
            data: Any = rows if number % 2 else "\n".join(map(json.dumps, rows))
            reports.append(made.events(data, stream="s"))

        threads = [threading.Thread(target=hand_in, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(row["i"] for row in kept(made, "s")) == list(range(2000))
        assert sum(report.duplicates for report in reports) == 5 * 2000
        assert all(report.events == 2000 for report in reports)
    with host(tmp_path, s=declared) as made:  # known again
        assert made.events([{"i": 1999, "t": 0}, {"i": 2000, "t": 0}], stream="s").duplicates == 1

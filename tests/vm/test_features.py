"""Tables of features: what a table refuses, and its bounds."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from polyvm.vm import Executor, Features, StateError, UnknownTask, VmError
from tests.vm.programs import pack
from tests.vm.tables import rows_of, value_at


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (["k", 1, [1]], "no map whose names are text"),
        (["k", 1, {1: 2}], "no map whose names are text"),
        (["k" * 1025, 1, {}], "a key takes at most 1024 bytes"),
        (["k", 1, {"a": b"x" * (1 << 20)}], "a row 1 MiB"),
        (["k", 1.5, {}], "the time of a row"),
        (["k", 2**63, {}], "the time of a row"),
        (["k", 1], "a row is a key, a time and a map"),
        ([True, 1, {}], "a key is text or an integer"),
        ("row", "a row is a key, a time and a map"),
    ],
)
def test_bad_rows_are_refused_and_those_before_are_put(
    features: Features, row: Any, why: str
) -> None:
    report = features.put("t", pack([["before", 1, {"a": 1}], row, ["after", 1, {"a": 1}]]))
    assert report.put == 1
    assert why in str(report.error)
    assert value_at(features, "t", "before") == {"a": 1}
    assert value_at(features, "t", "after") is None


def test_what_is_no_row_at_all(features: Features) -> None:
    for data in (b"", b"\xc1", b"\xdd\xff\xff\xff\xff", pack({"a": 1})):
        try:
            report = features.put("t", data)
        except VmError:
            continue
        assert report.error is not None
    with pytest.raises(UnknownTask):
        features.put("other", pack([]))
    with pytest.raises(VmError, match="1 to 54 bytes"):
        features.open("x" * 55)
    with pytest.raises(VmError, match="1 to 4096 versions"):
        features.open("many", versions=5000)


def test_bytes_are_bounded(features: Features) -> None:
    features.open("small", max_bytes=20_000)
    for i in range(1000):
        assert features.put("small", pack([[i, 1, {"a": "x" * 100}]])).error is None
    stats = next(each for each in features.stats() if each.name == "small")
    assert 0 < stats.bytes <= 20_000
    assert stats.keys + stats.dropped == 1000
    assert value_at(features, "small", "999") == {"a": "x" * 100}
    assert value_at(features, "small", "0") is None


def test_keys_that_rest_expire(features: Features) -> None:
    features.open("brief", ttl_ns=1, versions=3)
    now = time.time_ns()
    features.put("brief", pack([["k", now - 100, {"a": 1}], ["k", now, {"b": 1}]]), merge=True)
    deadline = time.time_ns() + 10**9
    while value_at(features, "brief", "k") is not None:
        assert time.time_ns() < deadline
    assert rows_of(features, "brief", "k") == []
    for i in range(200):  # every part has its turn
        features.put("brief", pack([[f"other {i}", now, {}]]))
    stats = next(each for each in features.stats() if each.name == "brief")
    assert stats.expired > 0
    features.open("long", ttl_ns=10**18, versions=3)
    features.put("long", pack([["k", 0, {"a": 1}]]))
    assert value_at(features, "long", "k", 10**18) == {"a": 1}
    assert value_at(features, "long", "k", 10**18 + 1) is None


def test_only_one_set_of_tables_an_executor(features: Features) -> None:
    with Executor(workers=1) as executor:
        features.attach(executor)
        with pytest.raises(StateError):
            features.attach(executor)
    # the executor is gone before the tables are


def test_a_child_reads_and_does_not_write(features: Features) -> None:
    features.put("t", pack([["k", 1, {"n": 1}]]))
    child = os.fork()
    if child == 0:
        try:
            refused = features.put("t", pack([["k", 2, {"n": 2}]])).error is not None
            os._exit(0 if refused and value_at(features, "t", "k") == {"n": 1} else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from polyvm.host import codec


@dataclass
class Point:
    x: int
    y: Any


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


Pair = namedtuple("Pair", ["a", "b"])  # noqa: PYI024


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (None, None),
        ([True, 1, 1.5, "é", b"b"], [True, 1, 1.5, "é", b"b"]),
        ((1, (2,)), [1, [2]]),
        ({"a": {1: None}}, {"a": {1: None}}),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        ({3}, [3]),
        (Point(1, Point(2, None)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Colour.RED, "red"),
        ([Level.HIGH], [3]),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
    ],
)
def test_values_arrive_in_their_plain_form(value: Any, received: Any) -> None:
    assert msgspec.msgpack.decode(codec.encode(value)) == received


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (2**64, OverflowError, "more than 64 bits"),
        (-(2**63) - 1, OverflowError, "more than 64 bits"),
        ("\ud800", ValueError, "lone surrogates"),
        (object(), TypeError, "type 'object' cannot be returned"),
        ({"a": [Decimal(1)]}, TypeError, "type 'Decimal' cannot be returned"),
        (nested(129), ValueError, "nested more than 128 deep"),
    ],
)
def test_refusals(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        codec.encode(value)


def test_the_deepest_value_passes() -> None:
    assert codec.encode(nested(128))


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested"):
        codec.encode(loop)

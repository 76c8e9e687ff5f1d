"""No array is left behind by calls that work, fail, are refused memory or are stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from polyvm.vm import Executor, Outcome
from tests.engine import metered_calls
from tests.vm.programs import apart_ok, program

SOURCE = Path(metered_calls.__file__).read_text()
STOPPABLE = {"unary", "binary", "sum", "scan", "sort", "argsort", "matmul", "svd", "eigh", "fft"}
STOPPABLE |= {"rfft", "random", "random integers", "random shuffle", "mask", "index", "cast"}


def judge(found: dict[str, Any]) -> None:
    assert found["wrong"] == []
    assert found["tried"] == len(metered_calls.CALLS) + len(metered_calls.ERRORS)
    assert STOPPABLE - set(found["stopped"]) == set()
    assert found["refused"] > 100


def test_in_ordinary_python() -> None:
    judge(metered_calls.check({"refusals": 8, "stops": 6}))


def test_in_ordinary_python_without_openblas() -> None:
    printed = apart_ok(
        """
        import msgspec
        from polyvm.engine import blas
        blas.load = lambda tensor: None
        from tests.engine import metered_calls
        print(msgspec.json.encode(metered_calls.check({"refusals": 8, "stops": 6})).decode())
        """
    )
    judge(msgspec.json.decode(printed))


def test_in_a_vm() -> None:
    with Executor(1) as executor:
        task = executor.add(program(SOURCE, entry="main:check"))
        for _ in range(2):
            ended = executor.invoke(task, msgspec.msgpack.encode({"refusals": 4, "stops": 3}))
            assert ended.outcome is Outcome.DONE, ended.data.decode()
            judge(msgspec.msgpack.decode(ended.data))


def test_what_stays_is_seen() -> None:
    kept: list[Any] = []
    np, metered = metered_calls.np, metered_calls._core.tensor._metered
    left, most, requests, _, error = metered(lambda: kept.append(np.ones(1000)), 0, 0)
    assert (left >= 8000, most >= left, requests >= 1, error) == (True, True, True, "")
    kept.clear()
    assert metered(lambda: np.ones(1000) and 1, 1, 0)[4] == "MemoryError"
    with pytest.raises(TypeError):
        metered(1)

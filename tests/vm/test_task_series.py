"""Time series of kept events, read by tasks in VMs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.vm import EventStore, Executor, Limits, Outcome
from tests.vm.programs import failure_of, pack, program, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READS = """
import polyvm
def run(x):
    return polyvm.series(*x[0], **x[1])
"""


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[Executor]:
    store = EventStore(tmp_path / "kept")
    with Executor(workers=2) as made:
        made.triggers.configure(store=store.handle)
        events = [
            {"key": "ab"[n % 2], "ts": n, "x": {"y": n * n}, "stream": "s"} for n in range(10)
        ]
        made.triggers.events([msgspec.msgpack.encode(event) for event in events])
        yield made
    store.close()


def ask(executor: Executor, *args: Any, **options: Any) -> Any:
    task = executor.add(program(READS))
    ended = executor.invoke(task, pack([args, options]))
    return ended.outcome, ended.data


def test_rows(executor: Executor) -> None:
    found = value_of(ask(executor, "x.y", "s", key="b", step=4, agg="max,count"))
    assert found == [[0.0, 9.0, 2], [4.0, 49.0, 2], [8.0, 81.0, 1]]
    assert value_of(ask(executor, "x.y", "s", since=2.5, until=5)) == [[3.0, 9.0], [4.0, 16.0]]
    filled = value_of(ask(executor, "x.y", "s", since=8, until=12, step=1, fill=-1))
    assert filled == [[8.0, 64.0], [9.0, 81.0], [10.0, -1.0], [11.0, -1.0]]
    assert value_of(ask(executor, "x.y", "s", since=9, until=11, step=1, fill="null"))[1] == [
        10.0,
        None,
    ]


@pytest.mark.parametrize(
    ("args", "options", "reason"),
    [
        (["x.y"], {}, "LookupError: there is no stream 'events'"),
        (["x.y", "s"], {"step": 0}, "ValueError: the step"),
        (["x.y", "s"], {"step": float("nan")}, "ValueError: the step"),
        (["x.y", "s"], {"step": 1, "agg": "median"}, "ValueError: a function of a series"),
        (["x.y", "s"], {"step": 1, "fill": "zero"}, "ValueError: gaps"),
        (["x.y", "s"], {"step": 1, "since": 0, "until": 1e6, "fill": 0}, "ValueError: the series"),
        (["x.y", 5], {}, "TypeError"),
        (["", "s"], {}, "ValueError: a series is of a field"),
    ],
)
def test_mistakes(
    executor: Executor, args: list[Any], options: dict[str, Any], reason: str
) -> None:
    assert reason in failure_of(ask(executor, *args, **options))


def test_no_store() -> None:
    with Executor(1) as executor:
        assert "keeps no events" in failure_of(ask(executor, "x"))


def test_eight_vms_at_once(executor: Executor) -> None:
    tasks = [executor.add(program(READS, f"t{n}")) for n in range(8)]
    payload = pack([["x.y", "s"], {"step": 100, "agg": "sum"}])
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda task: executor.invoke(task, payload), tasks * 25))
    assert all(value_of((each.outcome, each.data)) == [[0.0, 285.0]] for each in ended)


def test_it_is_interrupted(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "many")
    with Executor(1) as executor:
        executor.triggers.configure(store=store.handle)
        event = msgspec.msgpack.encode({"stream": "s", "ts": 1, "x": 1})
        for _ in range(20):
            executor.triggers.events([event] * 10_000)
        endless = READS.replace("return", "while True:")
        task = executor.add(program(endless), limits=Limits(timeout_ns=50_000_000))
        ended = executor.invoke(task, pack([["x", "s"], {"step": 1}]))
        assert ended.outcome is Outcome.TIMED_OUT
    store.close()

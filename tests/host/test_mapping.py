"""Host.map: many values in arrays, results in order, with a real executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.invocations import NoSuchTask, NotDone, Stopping
from polyvm.host.latency import Histogram
from polyvm.host.switches import Disabled, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Seeded


@pytest.fixture
def host(tmp_path: Path, make_task: Callable[..., Path]) -> Iterator[Host]:
    make_task("echo")
    make_task("odd", "def run(n):\n    if n % 2: raise ValueError(n)\n    return n\n")
    make_task("spin", "def run(payload):\n    while payload: pass\n")
    options = Options(
        tasks=tmp_path / "tasks",
        workers=2,
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )
    with Host(options) as made:
        yield made


@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_results_come_in_the_order_of_the_values(host: Host, chunk: int) -> None:
    values: list[Any] = [{"n": n, "raw": b"\0"} for n in range(500)] + [None, "", []]
    assert list(host.map("echo", values, chunk=chunk)) == values
    assert list(host.map("echo", [])) == []


def test_values_are_read_only_a_little_ahead(host: Host) -> None:
    read = 0

    def source() -> Iterator[int]:
        nonlocal read
        while True:
            yield read
            read += 1

    results = host.map("echo", source(), chunk=10)
    assert read == 0
    assert [next(results) for _ in range(25)] == list(range(25))
    assert read < 100


def test_the_first_that_is_not_done_is_raised_in_its_place(host: Host) -> None:
    results = host.map("odd", [0, 2, 4, 5, 6])
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    with pytest.raises(NotDone, match="ValueError: 5") as caught:
        next(results)
    assert caught.value.outcome == "failed"
    with pytest.raises(NotDone) as caught:
        list(host.map("spin", [False, True], deadline="50ms"))
    assert caught.value.outcome == "timed_out"


def test_what_is_refused_is_refused_as_for_one(host: Host) -> None:
    with pytest.raises(NoSuchTask):
        next(host.map("nope", [1]))
    host.switches.turn("task", "echo", Verb.DISABLE)
    with pytest.raises(Disabled):
        next(host.map("echo", [1]))
    with pytest.raises(ValueError, match="chunk is 0"):
        host.map("echo", [1], chunk=0)
    with pytest.raises(TypeError):
        next(host.map("odd", [object()]))
    host.close()
    with pytest.raises(Stopping):
        next(host.map("odd", [1]))


def test_a_host_ends_though_nobody_takes_the_results(host: Host) -> None:
    results = host.map("echo", range(100_000), chunk=100)
    assert next(results) == 0
    host.close()
    with pytest.raises(Stopping):
        list(results)


def test_many_durations_count_as_each_of_them(rand: Seeded) -> None:
    durations = [rand.randrange(2 ** rand.randrange(1, 65)) for _ in range(1000)] + [0]
    one, many = Histogram(), Histogram()
    for duration in durations:
        one.record(duration)
    many.record_all([])
    many.record_all(durations[:300])
    many.record_all(durations[300:])
    assert (many.count, many.total, many.maximum) == (one.count, one.total, one.maximum)
    for percent in (0, 1, 50, 99, 100):
        assert many.percentile(percent) == one.percentile(percent)

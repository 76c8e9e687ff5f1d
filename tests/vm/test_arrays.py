"""Arrays of invocations: in as MessagePack, out as MessagePack, in the order of the elements."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import journal
from polyvm.vm import (
    DecodeError,
    Executor,
    Lane,
    Limits,
    Outcome,
    QueueFull,
    StateError,
    UnknownTask,
)
from tests.vm.programs import ECHO, NIL, apart_ok, pack, program, unpack, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Seeded

ODD = """
def run(n):
    if n % 2: raise ValueError(f"odd: {n}")
    return {"half": n // 2}
"""
WAIT = """
import os, time
def run(path):
    while not os.path.exists(path): time.sleep(0.0005)
    return path
"""


def any_value(rand: Seeded, depth: int = 0) -> Any:
    kind = rand.randrange(9 if depth < 4 else 7)
    length = rand.choice([0, 1, 15, 16, 31, 32, 255, 256, 70_000] if depth == 0 else [0, 3, 40])
    match kind:
        case 0:
            return None
        case 1:
            return rand.choice([True, False])
        case 2:
            edge = rand.choice([0, 7, 31, 127, 128, 2**8, 2**16, 2**32, 2**63])
            return rand.choice([edge, -min(edge, 2**63)])
        case 3:
            return rand.random() * 1e300
        case 4 | 5:
            return "ä" * length
        case 6:
            return rand.randbytes(length)
        case 7:
            return [any_value(rand, depth + 1) for _ in range(min(length, 20))]
        case _:
            return {str(i): any_value(rand, depth + 1) for i in range(min(length, 20))}


def test_results_come_back_in_order(start: Callable[..., Executor], rand: Seeded) -> None:
    executor = start()
    task = executor.add(program(ECHO))
    for count in (0, 1, 15, 16, 700, 70_000 % 65_536):
        values = [any_value(rand) for _ in range(min(count, 700))]
        values += list(range(count - len(values)))
        batch = executor.submit_array(task, pack(values)).result()
        assert batch.not_done == 0
        assert len(batch) == count
        assert unpack(batch.packed) == values
        assert [unpack(each.data) for each in batch] == values
    assert executor.collect(timeout_ms=0) == []


def test_every_form_of_an_array_and_of_its_elements_is_taken(
    start: Callable[..., Executor],
) -> None:
    executor = start(1)
    task = executor.add(program(ECHO))
    elements = [
        (b"\xd9\x02hi", "hi"),
        (b"\xda\x00\x02hi", "hi"),
        (b"\xdb\x00\x00\x00\x02hi", "hi"),
        (b"\xc5\x00\x01x", b"x"),
        (b"\xc6\x00\x00\x00\x01x", b"x"),
        (b"\xca\x3f\x80\x00\x00", 1.0),
        (b"\xdd\x00\x00\x00\x01\xc3", [True]),
        (b"\xdf\x00\x00\x00\x01\xa1k\xde\x00\x01\xa1l\x01", {"k": {"l": 1}}),
    ]
    body, count = b"".join(packed for packed, _ in elements), len(elements)
    for head in (b"\x98", b"\xdc\x00\x08", b"\xdd\x00\x00\x00\x08"):
        batch = executor.submit_array(task, head + body).result()
        assert (len(batch), batch.not_done) == (count, 0)
        assert unpack(batch.packed) == [value for _, value in elements]


def test_what_is_no_array_is_refused_whole(start: Callable[..., Executor]) -> None:
    executor = start(1, max_pending=8)
    task = executor.add(program(ECHO))
    whole = pack(["text", {"a": [1, 2.5]}, b"bytes", None])
    for packed in (
        b"",
        b"\x01",
        pack({"a": 1}),
        whole + b"\xc0",
        b"\x91\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91\xdd\xff\xff\xff\xff\xc0",
        b"\xdc\x00",
        *(whole[:end] for end in range(1, len(whole))),
    ):
        with pytest.raises(DecodeError):
            executor.submit_array(task, packed)
    with pytest.raises(ValueError, match="more elements than max_pending, which is 8"):
        executor.submit_array(task, pack([None] * 9))
    with pytest.raises(ValueError, match="priority"):
        executor.submit_array(task, pack([None]), priority=101)
    with pytest.raises(UnknownTask):
        executor.submit_array(task + 1, pack([None]))
    stats = executor.stats(task)
    assert (stats.accepted, stats.finished) == (0, 0)
    assert len(executor.submit_array(task, pack([None] * 8)).result()) == 8


def test_elements_end_each_in_its_own_way(start: Callable[..., Executor]) -> None:
    executor = start()
    task = executor.add(program(ODD))
    batch = executor.submit_array(task, pack(list(range(50))), first_tag=100).result()
    assert batch.not_done == 25
    assert unpack(batch.packed) == [{"half": n // 2} if n % 2 == 0 else None for n in range(50)]
    assert list(batch.outcomes) == [Outcome.FAILED if n % 2 else Outcome.DONE for n in range(50)]
    assert [each.tag for each in batch] == list(range(100, 150))
    assert batch[-1] == list(batch)[49]
    assert batch[0:3] == list(batch)[0:3]
    assert "ValueError: odd: 7" in batch[7].data.decode()
    assert list(batch.run_ns) == [each.run_ns for each in batch]
    assert list(batch.queued_ns) == [each.queued_ns for each in batch]
    with pytest.raises(IndexError):
        batch[50]
    stats = executor.stats(task)
    assert (stats.accepted, stats.finished, stats.failed, stats.running) == (50, 50, 25, 0)


def test_what_rate_and_breaker_refuse_is_rejected_in_its_place(
    start: Callable[..., Executor],
) -> None:
    executor = start(1)
    slow = executor.add(program(ECHO), limits=Limits(rate=0.001, burst=3))
    batch = executor.submit_array(slow, pack([1, 2, 3, 4, 5])).result()
    assert list(batch.outcomes) == [Outcome.DONE] * 3 + [Outcome.REJECTED] * 2
    assert unpack(batch.packed) == [1, 2, 3, None, None]
    assert b"rate" in batch[4].data
    held = executor.add(program(ECHO, name="held"))
    executor.force_breaker(held, 1)
    batch = executor.submit_array(held, pack([1, 2])).result()
    assert list(batch.outcomes) == [Outcome.REJECTED] * 2
    for task, accepted in ((slow, 3), (held, 0)):
        assert executor.stats(task).accepted == executor.stats(task).finished == accepted


def test_places_are_free_again_when_all_have_ended(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start(1, max_pending=10)
    gate = executor.add(program(WAIT, name="gate"))
    echo = executor.add(program(ECHO))
    first = executor.submit_array(gate, pack([str(tmp_path / "open")]))
    second = executor.submit_array(echo, pack(list(range(8))))
    with pytest.raises(QueueFull):
        executor.submit_array(echo, pack([1, 2]))
    assert not first.wait(0)
    assert not second.wait(1)
    (tmp_path / "open").touch()
    assert len(first.result()) == 1
    assert unpack(second.result().packed) == list(range(8))
    assert second.result() is second.result()
    assert len(executor.submit_array(echo, pack([0] * 10)).result()) == 10


def test_an_array_that_is_dropped_runs_on(start: Callable[..., Executor], tmp_path: Path) -> None:
    executor = start(1, max_pending=10)
    gate = executor.add(program(WAIT, name="gate"))
    executor.submit_array(gate, pack([str(tmp_path / "open")] * 5))
    gc.collect()
    (tmp_path / "open").touch()
    until(lambda: executor.stats(gate).finished == 5)

    def all_places() -> bool:
        try:
            executor.submit_array(gate, pack([str(tmp_path / "open")] * 10))
        except QueueFull:
            return False
        return True

    until(all_places)


def test_limits_hold_for_each_element(start: Callable[..., Executor]) -> None:
    executor = start()
    source = "def run(n):\n    while n: pass\n    return n\n"
    task = executor.add(program(source), limits=Limits(timeout_ns=50_000_000, max_running=1))
    batch = executor.submit_array(task, pack([0, 1, 0])).result()
    assert list(batch.outcomes) == [Outcome.DONE, Outcome.TIMED_OUT, Outcome.DONE]


def test_a_thread_that_is_given_up_does_not_hold_an_array(start: Callable[..., Executor]) -> None:
    executor = start(1, grace_ms=1)
    long = "import decimal\ndef run(n):\n    if n: str(decimal.Decimal(1 << 10**6))\n    return n\n"
    task = executor.add(program(long), limits=Limits(timeout_ns=200_000_000))
    array = executor.submit_array(task, pack([1, 0]))
    assert array.result()[0].outcome is Outcome.TIMED_OUT
    assert array.result()[1].outcome is Outcome.DONE
    del array
    until(lambda: executor.threads().stuck == 0)


def test_stop_ends_arrays(start: Callable[..., Executor]) -> None:
    executor = start(1)
    task = executor.add(program("def run(n):\n    while True: pass\n"))
    array = executor.submit_array(task, pack(list(range(100))))
    until(lambda: executor.stats(task).running == 1)
    assert executor.stop(0) == 100
    assert set(array.result().outcomes) == {Outcome.CANCELLED}
    with pytest.raises(StateError):
        executor.submit_array(task, pack([1]))
    executor.close()
    assert len(array.result()) == 100


def test_map_keeps_the_order_and_waits_for_its_own_places(
    start: Callable[..., Executor],
) -> None:
    executor = start(max_pending=64)
    task = executor.add(program("def run(n):\n    return -n\n"))
    arrays = [pack(list(range(i, i + 30))) for i in range(0, 3000, 30)]
    got = [n for batch in executor.map(task, arrays, ahead=8) for n in unpack(batch.packed)]
    assert got == [-n for n in range(3000)]
    assert list(executor.map(task, [])) == []
    executor.submit_many(task, [pack(1)] * 64)
    with pytest.raises(QueueFull):
        list(executor.map(task, arrays))


def test_many_threads_share_the_lanes(start: Callable[..., Executor], rand: Seeded) -> None:
    executor = start(2, max_pending=300)
    tasks = [executor.add(program(ECHO, name=f"t{lane}"), lane) for lane in Lane]
    wrong: list[Any] = []

    def use(number: int) -> None:
        arrays = [pack(list(range(n, n + 40))) for n in range(number, number + 40)]
        got = [
            unpack(batch.packed) for batch in executor.map(tasks[number % 3], arrays, ahead=number)
        ]
        if got != [msgspec.msgpack.decode(array) for array in arrays]:
            wrong.append(got)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(200):
        executor.submit(tasks[rand.randrange(3)], NIL, tag=turn)
    ended = 0
    while ended < 200:
        ended += len(executor.collect_batch())
    for thread in threads:
        thread.join()
    assert wrong == []


def test_arrays_are_in_the_journal_until_they_end(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with Executor(1, journal=done, epoch=3) as executor:
        task = executor.add(program(ECHO))
        array = executor.submit_array(task, pack(["a", "b"]))
        array.result()
    assert not done.exists() or not journal.read(done).unfinished
    died = tmp_path / "died"
    apart_ok(
        """
        import os, sys
        from pathlib import Path
        from polyvm.vm import Executor
        from tests.vm.programs import pack, program
        executor = Executor(1, journal=Path(sys.argv[1]), epoch=4)
        task = executor.add(program("def run(x):\\n    while True: pass\\n"))
        array = executor.submit_array(task, pack(["a", "b"]), first_tag=7)
        os._exit(0)
        """,
        str(died),
    )
    left = journal.read(died).unfinished
    assert [(each.tag, unpack(each.payload)) for each in left] == [(7, "a"), (8, "b")]

"""The executor: every accepted invocation ends exactly once, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Lane, Outcome, QueueFull, UnknownTask, VmError
from tests.vm.completions import collect
from tests.vm.programs import ECHO, NIL, apart_ok, pack, program, unpack, until
from tests.vm.tasks import COUNT, GATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Seeded


def test_every_tag_comes_back_once_with_its_result(
    start: Callable[..., Executor], rand: Seeded
) -> None:
    executor = start(2)
    tasks = [
        executor.add(program(f"def run(x):\n    return [{n}, x * {n}]\n", f"times-{n}"))
        for n in range(20)
    ]
    work = [(rand.choice(tasks), tag) for tag in range(4000)]
    for task, tag in work:
        executor.submit(task, pack(tag), tag)
    by_tag = {}
    for ended in collect(executor, len(work)):
        assert ended.outcome is Outcome.DONE
        assert ended.tag not in by_tag
        by_tag[ended.tag] = (ended.task, unpack(ended.data))
        assert ended.worker < 2
    assert by_tag == {
        tag: (task, [tasks.index(task), tag * tasks.index(task)]) for task, tag in work
    }
    submitted = Counter(task for task, _ in work)
    for task in tasks:
        stats = executor.stats(task)
        assert (stats.accepted, stats.finished) == (submitted[task], submitted[task])
        assert (stats.failed, stats.running) == (0, 0)
        assert stats.vms in (1, 2)
        assert stats.bytes > 0


def test_submit_many_takes_what_fits_in_order(start: Callable[..., Executor]) -> None:
    executor = start(2, max_pending=64)
    task = executor.add(program(ECHO))
    payloads = [pack([n, "x" * n]) for n in range(100)]
    assert executor.submit_many(task, payloads, first_tag=1000) == 64
    with pytest.raises(QueueFull):
        executor.submit_many(task, payloads[64:], first_tag=1064)
    with pytest.raises(QueueFull):
        executor.submit(task, NIL)
    with pytest.raises(QueueFull):
        executor.invoke(task, NIL)
    first = collect(executor, 64)
    assert executor.submit_many(task, payloads[64:], first_tag=1064) == 36
    ended = first + collect(executor, 36)
    assert {e.tag: e.data for e in ended} == {1000 + n: p for n, p in enumerate(payloads)}
    assert executor.stats(task).accepted == 100


def test_submit_many_of_nothing(start: Callable[..., Executor]) -> None:
    executor = start(1)
    assert executor.submit_many(executor.add(program(ECHO)), []) == 0
    assert executor.collect(timeout_ms=0) == []


def test_back_pressure_loses_nothing(start: Callable[..., Executor]) -> None:
    executor = start(2, max_pending=32)
    task = executor.add(program(ECHO))
    tags: list[int] = []
    for tag in range(2000):
        while True:
            try:
                executor.submit(task, pack(tag), tag)
                break
            except QueueFull:
                tags.extend(e.tag for e in executor.collect())
    tags.extend(e.tag for e in collect(executor, 2000 - len(tags)))
    assert sorted(tags) == list(range(2000))


def test_one_worker_keeps_the_order_and_the_state_of_a_task(start: Callable[..., Executor]) -> None:
    executor = start(1)
    one, other = executor.add(program(COUNT, "one")), executor.add(program(COUNT, "other"))
    for tag in range(100):
        executor.submit(one if tag % 2 else other, NIL, tag)
    ended = collect(executor, 100)
    assert [e.tag for e in ended] == list(range(100))
    assert [unpack(e.data) for e in ended] == [tag // 2 + 1 for tag in range(100)]
    assert [e.load_ns > 0 for e in ended] == [True] * 2 + [False] * 98
    assert all(e.run_ns > 0 and e.queued_ns > 0 for e in ended)


def test_a_blocked_worker_does_not_hold_up_the_others(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    executor = start(2)
    gate = executor.add(program(GATE, "gate"))
    path = tmp_path / "open"
    executor.submit(gate, pack(str(path)), 999)
    until(lambda: executor.stats(gate).running == 1)
    tasks = [executor.add(program(ECHO, f"echo-{n}")) for n in range(10)]
    for n, task in enumerate(tasks):
        for i in range(10):
            executor.submit(task, pack(n), 10 * n + i)
    assert {e.tag for e in collect(executor, 100)} == set(range(100))
    path.touch()
    assert [e.tag for e in collect(executor, 1)] == [999]


def test_two_that_come_while_all_sleep_run_at_once() -> None:
    """Though the first to wake up cannot take both."""
    told = apart_ok(
        """
        from pathlib import Path
        from polyvm.vm import Executor, Lane
        from tests.vm.programs import NIL, program, until

        def asleep():
            threads = [path.read_text() for path in Path("/proc/self/task").glob("*/stat")]
            return all(" S " in each for each in threads if "(pvm-worker" in each)

        for lane in (Lane.REGULAR, Lane.CORE):
            with Executor(2) as executor:
                forever = executor.add(program("def run(x):\\n    while True: pass\\n"), lane)
                for _ in range(30):
                    until(asleep)
                    numbers = [executor.submit(forever, NIL) for _ in range(2)]
                    until(lambda: executor.stats(forever).running == 2)
                    ended = []
                    for number in numbers:
                        executor.cancel(number)
                    while len(ended) < 2:
                        ended += executor.collect()
        print("all")
        """
    )
    assert told == "all\n"


def test_invoke_from_many_threads(start: Callable[..., Executor]) -> None:
    executor = start(2)
    tasks = [executor.add(program(f"def run(x): return [x, {n}]\n", f"t-{n}")) for n in range(4)]
    wrong: list[object] = []

    def work(thread: int) -> None:
        for i in range(100):
            n = (thread + i) % 4
            ended = executor.invoke(tasks[n], pack(1000 * thread + i))
            if ended.outcome is not Outcome.DONE or unpack(ended.data) != [1000 * thread + i, n]:
                wrong.append(ended)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(executor.stats(t).finished for t in tasks) == 1600
    assert executor.collect(timeout_ms=0) == []


def test_collectors_share_the_completions(start: Callable[..., Executor]) -> None:
    executor = start(2)
    task = executor.add(program(ECHO))
    seen: list[list[int]] = [[], [], []]
    total = 3000

    def gather(mine: list[int]) -> None:
        while sum(map(len, seen)) < total:
            mine.extend(e.tag for e in executor.collect(max=7, timeout_ms=10))

    threads = [threading.Thread(target=gather, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for tag in range(total):
        executor.submit(task, NIL, tag)
    for thread in threads:
        thread.join()
    assert sorted(seen[0] + seen[1] + seen[2]) == list(range(total))


def test_stats_never_contradict_themselves(start: Callable[..., Executor]) -> None:
    executor = start(2)
    task = executor.add(program("def run(x):\n    if x % 3 == 0: raise ValueError(x)\n"))
    samples = []
    for tag in range(900):
        executor.submit(task, pack(tag), tag)
        samples.append(executor.stats(task))
    collect(executor, 900)
    for stats in samples:
        assert stats.failed <= stats.finished <= stats.accepted
        assert stats.running <= 2
        assert stats.vms <= 2
    last = executor.stats(task)
    assert (last.accepted, last.finished, last.failed, last.running) == (900, 900, 300, 0)


def test_failures_are_reported_each_time_and_disturb_nobody(start: Callable[..., Executor]) -> None:
    executor = start(2)
    broken = executor.add(program("import nosuchmodule\ndef run(x): pass\n", "broken"))
    nofunction = executor.add(program("def walk(x): pass\n", "nofunction"))
    raising = executor.add(program("def run(x): return 1 / x\n", "raising"))
    good = executor.add(program(ECHO, "good"))
    for _ in range(3):
        ended = executor.invoke(broken, NIL)
        assert ended.outcome is Outcome.FAILED
        assert 'File "broken/main.py", line 1, in <module>' in ended.data.decode()
        assert "No module named 'nosuchmodule'" in ended.data.decode()
        ended = executor.invoke(nofunction, NIL)
        assert ended.outcome is Outcome.FAILED
        assert ended.data.decode() == "nofunction: module 'main' has no function 'run'"
        ended = executor.invoke(raising, pack(0))
        assert ended.outcome is Outcome.FAILED
        assert ended.data.decode().endswith("ZeroDivisionError: division by zero")
        ended = executor.invoke(raising, b"\xc1")
        assert ended.outcome is Outcome.FAILED
        assert "not valid MessagePack" in ended.data.decode()
        assert unpack(executor.invoke(raising, pack(4)).data) == 0.25
        assert executor.invoke(good, pack("fine")).data == pack("fine")
    assert executor.stats(broken).vms == 0
    assert executor.stats(broken).failed == 3
    assert executor.stats(raising).failed == 6


def test_a_task_whose_load_failed_is_tried_again(
    start: Callable[..., Executor], tmp_path: Path
) -> None:
    """Not at each invocation, but soon."""
    executor = start(1)
    path = tmp_path / "needed"
    source = f"text = open({str(path)!r}).read()\ndef run(x): return text\n"
    task = executor.add(program(source, read=[str(tmp_path)]))
    for _ in range(3):
        assert "FileNotFoundError" in executor.invoke(task, NIL).data.decode()
    path.write_text("there")
    until(lambda: executor.invoke(task, NIL).outcome is Outcome.DONE)
    assert unpack(executor.invoke(task, NIL).data) == "there"


def test_workers_that_empty_their_queue_while_more_is_pushed(
    start: Callable[..., Executor],
) -> None:
    """Large payloads take longer to push than to run: workers fall asleep in between."""
    executor = start(2, spin_us=0)
    task = executor.add(program("def run(x): return len(x)"))
    payload = pack("x" * 100_000)
    for _ in range(40):
        assert executor.submit_many(task, [payload] * 50) == 50
        assert {unpack(e.data) for e in collect(executor, 50)} == {100_000}


@pytest.mark.parametrize("task", [0, -1, 2, 10**6, 2**62])
def test_unknown_tasks_are_refused(start: Callable[..., Executor], task: int) -> None:
    executor = start(1)
    assert executor.add(program(ECHO)) == 1
    attempts: list[Callable[[], object]] = [
        lambda: executor.submit(task, NIL),
        lambda: executor.submit_many(task, [NIL]),
        lambda: executor.invoke(task, NIL),
        lambda: executor.stats(task),
        lambda: executor.withdraw(task),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownTask):
            attempt()


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"workers": 257},
        {"workers": 1, "max_pending": 0},
        {"workers": 1, "max_pending": 2**24 + 1},
        {"workers": 1, "vms_per_worker": 0},
        {"workers": 1, "warm_vms": 1025},
        {"workers": 1, "spin_us": 1_000_001},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(VmError, match="out of its range"):
        Executor(**options)


def test_options_that_are_no_32_bit_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="workers is out of range: -1"):
        Executor(-1)
    with pytest.raises(ValueError, match="spin_us is out of range"):
        Executor(1, spin_us=2**32)


def test_lanes_are_accepted(start: Callable[..., Executor]) -> None:
    executor = start(1)
    for lane in Lane:
        assert executor.invoke(executor.add(program(ECHO), lane), NIL).outcome is Outcome.DONE
    with pytest.raises(VmError):
        executor.add(program(ECHO), 3)  # type: ignore[arg-type]


def test_idle_workers_sleep_and_wake(start: Callable[..., Executor]) -> None:
    executor = start(2, spin_us=0, warm_vms=0)
    task = executor.add(program(ECHO))
    for n in range(300):
        assert executor.invoke(task, pack(n)).data == pack(n)

"""Kernels of the tensor engine stop in the middle of their work when the task must."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Lane, Outcome
from tests.vm.programs import NIL, pack, program, unpack, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polyvm.vm import Completion

MS = 10**6
# One call each, over an array whose 10^12 and more elements are one in memory.
ENDLESS = {
    "sum": "np.sum(many)",
    "sum of integers": "np.sum(many_ints)",
    "prod": "np.prod(many)",
    "max": "np.max(many)",
    "min of integers": "np.min(many_ints)",
    "argmax": "np.argmax(many)",
    "mean": "np.mean(many)",
    "var": "np.var(many)",
    "any": "np.any(none)",
    "all": "np.all(many_ints)",
    "count_nonzero": "np.count_nonzero(many)",
    "sum of rows": "np.sum(rows, axis=0)",
    "matmul": "many[None, :] @ many[:, None]",
    "vecdot": "np.vecdot(many, many)",
    "nonzero": "np.nonzero(none)",
    "a mask": "many[none]",
}
# `out` is what the call fills from the front to the back.
FILLING = {
    "power": "np.power(floats, 1.7, out=out)",
    "sin": "np.sin(floats, out=out)",
    "divide": "np.divide(floats, floats, out=out)",
    "cumsum": "np.cumsum(floats, out=out)",
    "cumprod": "np.cumprod(floats, out=out)",
    "fill": "out[...] = floats",
    "a cast": "out[...] = ints",
    "a transposed copy": "out.reshape(5000, 8000)[...] = floats.reshape(8000, 5000).T",
    "clip": "np.clip(floats, 0.1, 0.9, out=out)",
    "a matrix product": "np.matmul(floats.reshape(8000, 5000), square, out=out.reshape(8000, 5000))",
}
# Without a place that could be looked at: interrupted all the same.
LONG = {
    "sort": "np.sort(mixed)",
    "argsort": "np.argsort(mixed)",
    "unique": "np.unique(mixed)",
    "where": "np.where(floats > 0.5, floats, ints)",
    "take": "np.take(table, ints)",
    "searchsorted": "np.searchsorted(np.arange(10**6), mixed)",
    "fft": "np.fft.fft(mixed)",
    "fft of a prime length": "np.fft.fft(mixed[:1_000_003])",
    "random": "np.random.default_rng(1).gamma(2.0, size=5_000_000)",
    "svd": "np.linalg.svd(np.reshape(mixed[:40_000] + 0.5, (200, 200)))",
    "convolve": "[np.convolve(floats[:10**6], floats[:10**4]) for _ in range(9)]",
}
SETTING = """
from polyvm import np
import polyvm
one, zero = np.ones(1), np.zeros(1, dtype=bool)
many = np.broadcast_to(one, (10**13,))
many_ints = np.broadcast_to(np.ones(1, dtype=np.int32), (10**13,))
none = np.broadcast_to(zero, (10**13,))
rows = np.broadcast_to(one, (10**12, 3)).T.T
"""
ARRAYS = """
N = 40_000_000
floats = np.broadcast_to(np.asarray(0.7), (N,))
ints = np.broadcast_to(np.asarray(3), (N,))
table = np.arange(10.0)
square = np.broadcast_to(np.asarray(1.5), (5000, 5000))
"""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    # The grace is longer than any of this may take: no thread is to be given up.
    made = Executor(1, grace_ms=30_000)
    yield made
    made.close()


def interrupt(executor: Executor, task: int) -> str:
    """Let the deadline of a run pass while it runs; the traceback."""
    deadline = 20 * MS
    while True:
        ended = executor.invoke(task, pack(1), deadline_ns=deadline)
        assert ended.outcome is Outcome.TIMED_OUT, (ended.outcome, ended.data)
        traceback = ended.data.decode()
        assert "given up" not in traceback
        if "before it ran" not in traceback:
            return traceback
        deadline *= 2  # the machine is busy


def text(arrays: str, body: str) -> str:
    return f"{SETTING}{arrays}\ndef run(x):\n    if x is None: return\n{body}"


@pytest.mark.parametrize("expression", ENDLESS.values(), ids=ENDLESS)
def test_kernels_without_an_end(executor: Executor, expression: str) -> None:
    task = executor.add(program(text("", f"    {expression}\n"), "stuck"))
    ready = executor.invoke(task, NIL)
    assert ready.outcome is Outcome.DONE, ready.data.decode()
    traceback = interrupt(executor, task)
    executor.withdraw(task)
    assert "polyvm.Interrupted" in traceback


@pytest.mark.parametrize("statement", FILLING.values(), ids=FILLING)
def test_kernels_stop_in_the_middle(executor: Executor, statement: str) -> None:
    """What they had not come to yet is as it was before."""
    body = f"""
    try:
        {statement}
    except polyvm.Interrupted:
        return "in the middle" if out[-1] == 0 else "at the end"
    return "too late"
"""
    task = executor.add(program(text(f"{ARRAYS}out = np.zeros(N)\n", body), "stuck"))
    tries: list[object] = []
    while "in the middle" not in tries:
        assert len(tries) < 20, tries
        # a VM that was interrupted may be replaced: then its arrays are made anew
        assert executor.invoke(task, NIL).outcome is Outcome.DONE
        deadline = (10 + 5 * len(tries)) * MS
        ended = executor.invoke(task, pack(1), deadline_ns=deadline)
        done = ended.outcome is Outcome.DONE
        tries.append(unpack(ended.data) if done else ended.data.decode())
        assert done or ended.outcome is Outcome.TIMED_OUT, tries
        assert "given up" not in str(tries[-1])
    executor.withdraw(task)


@pytest.mark.parametrize("expression", LONG.values(), ids=LONG)
def test_long_calls(executor: Executor, expression: str) -> None:
    arrays = ARRAYS + "mixed = (np.arange(10_000_000) * 2654435761) % 1000003\n"
    task = executor.add(program(text(arrays, f"    while True: {expression}\n"), "stuck"))
    ready = executor.invoke(task, NIL)
    assert ready.outcome is Outcome.DONE, ready.data.decode()
    interrupt(executor, task)
    executor.withdraw(task)


def test_cancelling_reaches_a_kernel(executor: Executor) -> None:
    task = executor.add(program(text("", "    np.sum(many)\n"), "stuck"))
    assert executor.invoke(task, NIL).outcome is Outcome.DONE
    number = executor.submit(task, pack(1))
    until(lambda: executor.stats(task).running == 1)
    assert executor.cancel(number)
    (ended,) = executor.collect(timeout_ms=30_000)
    assert ended.outcome is Outcome.CANCELLED
    executor.withdraw(task)


def test_nothing_is_left_of_an_interrupted_kernel(executor: Executor) -> None:
    source = text(ARRAYS, "    np.sort(np.concatenate([table] * 10**6) + 1)[none]\n")
    task = executor.add(program(source, "stuck"))
    assert executor.invoke(task, NIL).outcome is Outcome.DONE
    level = executor.stats(task).bytes
    for _ in range(5):
        interrupt(executor, task)
        assert executor.invoke(task, NIL).outcome is Outcome.DONE
        assert executor.stats(task).bytes < level + 2**20
    executor.withdraw(task)


def test_low_kernels_pause_for_the_core_lane() -> None:
    """They run no bytecode: wherever they pause is in the kernel."""
    cores = len(os.sched_getaffinity(0))
    with Executor(cores + 1, grace_ms=30_000) as executor:
        low = executor.add(program(text("", "    np.sum(many)\n"), "low"), Lane.LOW)
        core = executor.add(program("def run(x):\n    return x + 1\n", "core"), Lane.CORE)
        numbers = [executor.submit(low, pack(1)) for _ in range(cores)]
        until(lambda: executor.stats(low).running == cores)
        until(
            lambda: (
                unpack(executor.invoke(core, pack(1)).data) == 2 and executor.threads().pauses >= 5
            )
        )
        for number in numbers:
            assert executor.cancel(number)
        ended: list[Completion] = []
        until(lambda: ended.extend(executor.collect(timeout_ms=10)) or len(ended) == cores)
        assert {each.outcome for each in ended} == {Outcome.CANCELLED}
        assert executor.threads().stuck == 0

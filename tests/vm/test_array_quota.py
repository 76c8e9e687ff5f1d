"""Arrays count against a task's memory limit, and everything comes back when it is passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.host import codec
from polyvm.vm import Executor, Limits, Outcome, Vm
from tests.vm.programs import NIL, pack, program, unpack, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 32 * 2**20
# What is there before fits, what the last expression takes does not: its result, or its scratch.
PASSING = {
    "creation": ("", "np.ones(10**7)"),
    "a result": ("a = np.ones(2 * 10**6)", "[a + a]"),
    "a temporary": ("a = np.ones(1_000_000)", "(a * 2) + (a * 3) * (a * 4)"),
    "a cast": ("a = np.ones(4 * 10**6, dtype=np.int8)", "a.astype(np.complex128)"),
    "a copy": ("a = np.broadcast_to(np.ones(1), (10**7,))", "a.copy()"),
    "a matrix product": ("a = np.ones((3000, 1))", "a @ a.T"),
    "broadcasting": ("a = np.arange(3000.0)", "a[:, None] + a"),
    "scratch of a sort": ("a = np.arange(2_500_000)[::-1].copy()", "a.sort()"),
    "a scan": ("a = np.ones(2_500_000)", "np.cumsum(a)"),
    "a mask": ("a = np.ones(2_500_000)", "a[a > 0]"),
    "an index": ("a = np.ones(2); i = np.zeros(10**6, dtype=np.int64)", "[a[i], a[i], a[i], a[i]]"),
    "concatenation": ("a = np.ones(10**6)", "np.concatenate([a] * 4)"),
    "from a list": ("a = [1.0] * 10**6", "[np.asarray(a) for _ in range(5)]"),
    "many small ones": ("a = []", "[np.ones(100) for _ in range(10**6)]"),
    "one that grows": ("a = np.ones(10**5)", "[a := np.concatenate([a, a]) for _ in range(20)]"),
    "a result that is packed": ("a = np.ones(2_200_000)", "a"),
}


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(1)
    yield made
    made.stop(0)
    made.close()


def source(setting: str, expression: str) -> str:
    return f"""
from polyvm import np
def run(x):
    if x == 0: return 0
    {setting or "pass"}
    return [{expression}] and 1 if x == 1 else {expression}
"""


@pytest.mark.parametrize("name", PASSING)
def test_whatever_passes_the_limit_ends_alone(executor: Executor, name: str) -> None:
    limits = Limits(memory_bytes=LIMIT)
    other = "from polyvm import np\nkept = np.arange(10**6)\ndef run(x): return int(kept.sum())\n"
    good = executor.add(program(other, "good"), limits=limits)
    assert unpack(executor.invoke(good, NIL).data) == 499999500000
    task = executor.add(program(source(*PASSING[name])), limits=limits)
    assert executor.invoke(task, pack(0)).outcome is Outcome.DONE
    level = executor.stats(task).bytes
    payload = pack(2 if name == "a result that is packed" else 1)
    for _ in range(3):
        ended = executor.invoke(task, payload)
        assert ended.outcome is Outcome.OVER_QUOTA, (ended.outcome, ended.data[:500])
        assert ended.data.decode().startswith("stopped: over its quota\n")
        assert executor.invoke(task, pack(0)).outcome is Outcome.DONE
        assert executor.stats(task).bytes < level + 2**20
    assert unpack(executor.invoke(good, NIL).data) == 499999500000
    assert executor.stats(good).bytes > 8 * 10**6


def test_arrays_that_are_given_back_count_no_more(executor: Executor) -> None:
    text = "from polyvm import np\ndef run(x):\n    for _ in range(200): np.ones(2 * 10**6)\n    return 1\n"
    task = executor.add(program(text), limits=Limits(memory_bytes=LIMIT))
    for _ in range(3):
        assert executor.invoke(task, NIL).outcome is Outcome.DONE


def test_a_payload_counts(executor: Executor) -> None:
    task = executor.add(program("def run(x): return x.size\n"), limits=Limits(memory_bytes=LIMIT))
    from polyvm import np

    ended = executor.invoke(task, codec.encode_payload(np.ones(10**6)))
    assert unpack(ended.data) == 10**6
    ended = executor.invoke(task, codec.encode_payload(np.ones(10**7)))
    assert ended.outcome is not Outcome.DONE
    assert executor.invoke(task, codec.encode_payload(np.ones(10**6))).outcome is Outcome.DONE


def test_arrays_are_in_the_figures_of_a_vm() -> None:
    text = """
    from polyvm import np
    kept = []
    def run(n):
        kept.clear()
        if n: kept.append(np.ones(n))
        return len(kept)
    """
    with Vm() as vm:
        vm.load(program(text))
        value_of(vm.call(pack(0)))
        empty = vm.stats().bytes
        for n in (10**5, 10**6, 10**7):
            value_of(vm.call(pack(n)))
            assert 8 * n <= vm.stats().bytes - empty < 8 * n + 2**20
            assert vm.stats().peak_bytes >= 8 * n
        value_of(vm.call(pack(0)))
        assert vm.stats().bytes - empty < 2**20

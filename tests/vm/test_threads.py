"""Host threads that each have VMs of their own do not meet inside the library."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from polyvm.vm import Executor, Vm
from tests.vm.programs import ECHO, apart_ok, pack, program, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

WORK = """
import collections, dataclasses, datetime, decimal, enum, hashlib, json, math, re, statistics
@dataclasses.dataclass
class Row:
    name: str
    n: int
class Kind(enum.Enum):
    A = 1
    B = 2
def run(seed):
    rows = [Row(f"row-{seed}-{i}", i * seed) for i in range(50)]
    text = json.dumps([dataclasses.asdict(r) for r in rows])
    back = [Row(**d) for d in json.loads(text)]
    assert back == rows
    words = collections.Counter(re.findall(r"[a-z]+", text)).most_common(2)
    total = sum(decimal.Decimal(r.n) / 7 for r in rows)
    day = datetime.datetime(2020, 1, 1) + datetime.timedelta(days=seed, microseconds=seed)
    return [hashlib.sha256(text.encode()).hexdigest(), words, str(total), day.isoformat(),
            statistics.fmean(r.n for r in rows), Kind(1 + seed % 2).name, math.factorial(seed % 20)]
"""


def together(count: int, work: Callable[[int], None]) -> None:
    """Run work(0) to work(count - 1) on threads of their own; the first error is raised."""
    errors: list[BaseException] = []
    go = threading.Barrier(count)

    def body(index: int) -> None:
        try:
            go.wait()
            work(index)
        except BaseException as error:  # noqa: BLE001 - raised below, on the test's thread
            errors.append(error)

    threads = [threading.Thread(target=body, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_eight_threads_compute_the_same_as_one() -> None:
    made = program(WORK)
    with Vm() as vm:
        vm.load(made)
        expected = [value_of(vm.call(pack(seed))) for seed in range(60)]

    def work(index: int) -> None:
        with Vm() as vm:
            vm.load(made)
            for turn in range(60):
                seed = (turn + 7 * index) % 60
                assert value_of(vm.call(pack(seed))) == expected[seed]
                if turn % 20 == 19:
                    vm.reset()
                    vm.load(made)

    together(8, work)


def test_vms_that_come_and_go_on_four_threads() -> None:
    """Creation, first imports and retirement in parallel: apart, as this is where CPython crashed."""
    out = apart_ok(
        """
        from polyvm.vm import Vm
        from tests.vm.programs import pack, program, value_of
        from tests.vm.test_threads import WORK, together
        made = program(WORK)
        seen = set()
        def work(index):
            for turn in range(50):
                with Vm() as vm:
                    vm.load(made)
                    seen.add(repr(value_of(vm.call(pack(3)))))
        together(4, work)
        assert len(seen) == 1
        print("ended")
        """
    )
    assert out == "ended\n"


def test_the_first_vms_may_be_made_at_once() -> None:
    """Starting the runtime is safe from many threads."""
    out = apart_ok(
        """
        from polyvm.vm import Executor, Vm, toolchain
        from tests.vm.programs import ECHO, NIL, program, value_of
        from tests.vm.test_threads import together
        def work(index):
            if index % 2:
                with Vm() as vm:
                    vm.load(program(ECHO))
                    assert value_of(vm.call(NIL)) is None
            else:
                with Executor(1) as executor:
                    assert executor.invoke(executor.add(program(ECHO)), NIL).data == NIL
        together(8, work)
        print("ended")
        """
    )
    assert out == "ended\n"


def test_executors_and_vms_side_by_side() -> None:
    with Executor(2) as executor:
        task = executor.add(program(ECHO))

        def work(index: int) -> None:
            if index % 2:
                for n in range(300):
                    assert executor.invoke(task, pack(n)).data == pack(n)
            else:
                for n in range(10):
                    with Vm() as vm:
                        vm.load(program(ECHO))
                        assert value_of(vm.call(pack(n))) == n

        together(4, work)
        assert executor.stats(task).finished == 600


def test_one_thread_may_own_the_vms_that_outlive_another() -> None:
    """A thread that ends without retiring its VM disturbs no one."""
    left: list[Vm] = []
    thread = threading.Thread(target=lambda: left.append(Vm()))
    thread.start()
    thread.join()
    with Vm() as vm:
        vm.load(program(ECHO))
        assert value_of(vm.call(pack(1))) == 1
    assert len(left) == 1

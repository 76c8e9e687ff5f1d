"""Memory levels off: resets, retirements and withdrawals give back what VMs took.

Each test runs apart, so that what other tests left behind is not measured.
"""

from __future__ import annotations

from tests.vm.programs import apart_ok

RESIDENT = """
import os
def resident():
    with open("/proc/self/statm") as f: return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20
HEAVY = '''
import asyncio, collections, dataclasses, datetime, decimal, enum, fractions, json, logging
import random, re, statistics, typing, unicodedata, zoneinfo, hashlib, pickle, html.parser
@dataclasses.dataclass
class A:
    x: int
kept = []
def run(n):
    kept.append([A(i) for i in range(2_000)])
    kept.append(b"x" * 3_000_000)
    kept.append(re.compile("a+b*" * 5)); kept.append(pickle.dumps(kept[0]))
    loop = asyncio.new_event_loop(); kept.append(loop)
    return len(kept)
'''
"""


def apart_measured(source: str, seconds: float = 120) -> str:
    # concatenated: `apart_ok` takes the indentation out of one text, not of two
    lines = source.splitlines()
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return apart_ok(RESIDENT + "\n".join(line[margin:] for line in lines), seconds=seconds)


def test_three_hundred_resets() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Vm
        from tests.vm.programs import NIL, program, value_of
        made = program(HEAVY)
        clean = set()
        with Vm() as vm:
            for turn in range(300):
                vm.load(made)
                value_of(vm.call(NIL))
                used = vm.stats().bytes
                assert used > 5_000_000, used
                vm.reset()
                if turn >= 20: clean.add(vm.stats().bytes)
                if turn == 60: before = resident()
            growth = resident() - before
        assert max(clean) - min(clean) < 64 << 10, clean
        assert growth < 4 * MIB, growth
        print("level")
        """
    )
    assert out == "level\n"


def test_create_and_retire() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Vm
        from tests.vm.programs import NIL, program, value_of
        made = program(HEAVY)
        for turn in range(150):
            with Vm() as vm:
                vm.load(made)
                value_of(vm.call(NIL))
            if turn == 50: before = resident()
        growth = resident() - before
        assert growth < 4 * MIB, growth
        print("level")
        """
    )
    assert out == "level\n"


def test_failed_loads_and_calls() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Executor, Outcome
        from tests.vm.programs import NIL, program, value_of
        with Executor(1, warm_vms=0) as executor:
            loads = executor.add(program("kept = [0] * 300_000\\nimport nosuch\\ndef run(x): pass\\n"))
            calls = executor.add(program("def run(x):\\n    big = [x] * 300_000\\n    raise ValueError('v' * 10000)"))
            for turn in range(200):
                assert executor.invoke(loads, NIL).outcome is Outcome.FAILED
                assert executor.invoke(calls, NIL).outcome is Outcome.FAILED
                if turn == 50: before = resident()
            growth = resident() - before
        assert growth < 4 * MIB, growth
        print("level")
        """
    )
    assert out == "level\n"


def test_one_hundred_tasks_loaded_and_withdrawn_again_and_again() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Executor
        from tests.vm.programs import NIL, program, until
        source = "import json, re, dataclasses\\nkept = list(range(50_000))\\ndef run(x): return len(kept)\\n"
        programs = [program(source, f"t-{n}", assets={"model": bytes(100_000)}) for n in range(100)]
        levels = []
        with Executor(2) as executor:
            for turn in range(6):
                tasks = [executor.add(p) for p in programs]
                for task in tasks: executor.submit(task, NIL, task)
                got = 0
                while got < 100: got += len(executor.collect())
                assert all(executor.stats(t).bytes > 0 for t in tasks)
                for task in tasks: executor.withdraw(task)
                until(lambda: all(executor.stats(t).vms == 0 for t in tasks))
                assert sum(executor.stats(t).bytes for t in tasks) == 0
                levels.append(resident() // 1024)
        assert max(levels[2:]) - levels[1] < 16 * 1024, levels
        print("level")
        """
    )
    assert out == "level\n"


def test_a_withdrawn_program_is_freed() -> None:
    out = apart_measured(
        """
        import gc
        from polyvm.vm import Executor
        from tests.vm.programs import ECHO, NIL, program, until
        with Executor(1) as executor:
            first = executor.add(program(ECHO))
            executor.invoke(first, NIL)
            before = resident()
            task = executor.add(program(ECHO, assets={"model": b"x" * (64 * MIB)}))
            gc.collect()
            executor.invoke(task, NIL)
            assert resident() - before > 60 * MIB
            executor.withdraw(task)
            until(lambda: executor.stats(task).vms == 0)
            until(lambda: resident() - before < 16 * MIB)
        print("freed")
        """
    )
    assert out == "freed\n"


def test_executors_come_and_go() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Executor
        from tests.vm.programs import ECHO, pack, program
        made = program(ECHO)
        for turn in range(40):
            with Executor(2, max_pending=1024) as executor:
                task = executor.add(made)
                executor.submit_many(task, [pack("x" * 1000)] * 500)
                if turn % 2: executor.stop()
            if turn == 15: before = resident()
        growth = resident() - before
        assert growth < 4 * MIB, growth
        print("level")
        """
    )
    assert out == "level\n"


def test_payloads_and_results_are_given_back() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Executor, collect_logs
        from tests.vm.programs import pack, program
        source = "def run(x):\\n    print('y' * 1000)\\n    return x * 2\\n"
        with Executor(2) as executor:
            task = executor.add(program(source))
            payload = pack("x" * 200_000)
            for turn in range(60):
                executor.submit_many(task, [payload] * 50)
                got = 0
                while got < 50: got += len(executor.collect(timeout_ms=1000))
                collect_logs(timeout_ms=0)
                if turn == 20: before = resident()
            growth = resident() - before
        assert growth < 16 * MIB, growth
        print("level")
        """
    )
    assert out == "level\n"

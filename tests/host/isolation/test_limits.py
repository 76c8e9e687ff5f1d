"""Limits of tasks in processes: memory, processor time, deadlines."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyvm.host.manifest import Permissions
from polyvm.vm import Outcome
from tests.host.isolation.bench import GATED, Bench, gone, wait_until


@pytest.mark.parametrize("limit", ["timeout_ns", "deadline_ns"])
def test_a_hang_ends_with_all_that_the_task_has_started(
    bench: Bench, limit: str, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    task = bench.add_with(
        Permissions(write=(str(tmp_path),)),
        """
import os, signal, subprocess, sys
def run(path):
    if path is None:
        return os.getpid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with open(path + ".new", "w") as file:
        file.write(str(child.pid))
    os.rename(path + ".new", path)
    while True:
        pass
""",
        **{limit: 2 * 10**9},
    )
    outcome, text = bench.failure(task, str(file))
    assert (outcome, text) == (Outcome.TIMED_OUT, "stopped at its deadline")
    grandchild = int(file.read_text())
    wait_until(lambda: gone(grandchild), "the end of the task's own process")
    wait_until(lambda: bench.runner.stats(task).vms == 0, "the end of the process")
    assert bench.value(task) > 0


def test_a_deadline_passes_while_others_run(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    gate = tmp_path / "gate"
    bench.submit(task, str(gate), 1)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    bench.submit(task, None, 2, deadline_ns=10**7)
    (late,) = bench.wait(2)
    assert (late.outcome, late.data) == (Outcome.TIMED_OUT, b"its deadline passed before it ran")
    assert late.run_ns == 0
    gate.touch()
    assert bench.wait(1)[0].outcome is Outcome.DONE


def test_memory_over_the_limit_is_refused(bench: Bench) -> None:
    task = bench.add(
        """
import os, numpy
KEPT = []
def run(what):
    if what == "numpy":
        numpy.ones(200 << 20, dtype="u1")
    elif what == "bytes":
        KEPT.append(bytearray(200 << 20))
    elif what == "caught":
        try:
            bytearray(200 << 20)
        except MemoryError:
            pass
    else:
        KEPT.append(bytearray(1 << 20))
    return os.getpid()
""",
        memory_bytes=150 << 20,
    )
    pid = bench.value(task)
    assert bench.value(task, "caught") == pid
    for what in ("numpy", "bytes"):
        outcome, text = bench.failure(task, what)
        assert outcome is Outcome.OVER_QUOTA
        assert text.startswith("stopped: over its quota\nTraceback")
        assert "MemoryError" in text.rpartition("\n")[2]
    assert bench.value(task) != pid


def test_processor_time_is_limited_and_sleep_is_none(bench: Bench) -> None:
    task = bench.add(
        """
import time
def run(what):
    if what == "python":
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    if what == "c":
        return sum(range(10**12))
    time.sleep(0.6)
    return 1
""",
        cpu_ns=500_000_000,
    )
    for what in ("python", "c"):
        outcome, text = bench.failure(task, what)
        assert outcome is Outcome.OVER_QUOTA
        assert text.startswith("stopped: over its quota; ended by SIGPROF after ")
    assert [bench.value(task, "sleep") for _ in range(2)] == [1, 1]

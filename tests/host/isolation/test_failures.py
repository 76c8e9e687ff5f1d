"""Tasks in processes that fail or crash: the invocation alone pays for it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from polyvm.vm import Outcome
from tests.host.isolation.bench import ECHO, PATIENCE, Bench, wait_until


def test_a_failure_is_the_task_s_own_traceback(bench: Bench) -> None:
    task = bench.add("def run(x):\n    return inner(x)\ndef inner(x):\n    raise SystemExit(x)\n")
    traceback = (
        'Traceback (most recent call last):\n  File "a/main.py", line 2, in run\n'
        '  File "a/main.py", line 4, in inner\nSystemExit: so'
    )
    assert bench.failure(task, "so") == (Outcome.FAILED, traceback)


@pytest.mark.parametrize(
    ("main", "words"),
    [
        ("import surely_not_there\n", "No module named 'surely_not_there'"),
        ("def run(x:\n", "SyntaxError"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("run = 3\n", "TypeError: entry 'main:run' is not callable"),
    ],
)
def test_what_cannot_be_loaded_fails_each_time(bench: Bench, main: str, words: str) -> None:
    task = bench.add(main)
    for _ in range(2):
        outcome, text = bench.failure(task)
        assert outcome is Outcome.FAILED
        assert words in text
        assert "isolation_child" not in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.abort()", "ended by SIGABRT after "),
        ("ctypes.string_at(0)", "ended by SIGSEGV after "),
        ("os.kill(os.getpid(), 9)", "ended by SIGKILL after "),
        ("x = os.fork() and os._exit(5)", "ended with exit code 5 after "),
        ("os._exit(0)", "ended with exit code 0 after "),
        ("os.closerange(3, 9999)", "its process was ended "),
        ("os.write(control(), b'junk' * 9)", "its process sent what cannot be read: "),
        ("os.write(control(), bytes([1, 0, 0, 0, 3]))", "its process sent what cannot be read: "),
    ],
)
def test_a_crash_is_its_invocation_s_alone(bench: Bench, code: str, words: str) -> None:
    other = bench.add("import os\ndef run(x):\n    return os.getpid()\n")
    pid = bench.value(other)
    task = bench.add(
        f"""
import ctypes, os
def control():
    links = [(os.readlink(f"/proc/self/fd/{{n}}"), n) for n in range(3, 9999)
             if os.path.lexists(f"/proc/self/fd/{{n}}")]
    return next(n for link, n in links if link.startswith("socket"))
def run(x):
    if x:
        {code}
    return os.getpid()
"""
    )
    first = bench.value(task, 0)
    for tag, payload in enumerate((1, 0, 1, 0)):
        bench.submit(task, payload, tag)
    crashed, done, *rest = bench.wait(0, 1, 2, 3)
    assert crashed.outcome is Outcome.CRASHED
    assert crashed.worker == first
    assert words in crashed.data.decode()
    assert done.outcome is Outcome.DONE
    assert msgspec.msgpack.decode(done.data) != first
    assert [each.outcome for each in rest] == [Outcome.CRASHED, Outcome.DONE]
    assert bench.value(other) == pid


def test_where_it_crashed_is_in_the_log(bench: Bench) -> None:
    task = bench.add("import ctypes\ndef run(x):\n    ctypes.string_at(0)\n")
    assert bench.run(task).outcome is Outcome.CRASHED
    texts = [record.text for record in bench.runner.collect_logs()[0]]
    assert "Fatal Python error: Segmentation fault" in texts
    assert any('File "a/main.py", line 3 in run' in text for text in texts)


def test_an_idle_process_that_ends_is_replaced(bench: Bench) -> None:
    task = bench.add(ECHO)
    pid = bench.run(task).worker
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: bench.runner.stats(task).vms == 0, "its end to be noticed")
    assert bench.value(task, 3) == 3


def test_a_task_that_returns_twice_ends_once(bench: Bench) -> None:
    task = bench.add("import os\ndef run(x):\n    return os.fork() == 0\n")
    assert [bench.run(task).outcome for _ in range(5)] == [Outcome.DONE] * 5


def test_a_process_ends_with_its_host(tmp_path: Path) -> None:
    script = tmp_path / "host.py"
    script.write_text(
        """
import sys, threading
from polyvm.host.isolation import ProcessRunner
from polyvm.host.sources import Sources
from polyvm.vm import Executor, Module
runner = ProcessRunner(Executor(workers=1))
code = b"import os, time\\ndef run(x):\\n    print(os.getpid())\\n    time.sleep(1000)\\n"
tasks = [Sources(n, "1", "main:run", {"main": Module(code)}, {}) for n in "abc"]
for task in tasks:
    runner.submit(runner.add(task), b"\\x01")
pids = []
while len(pids) < 3:
    pids += [record.text for record in runner.collect_logs()[0]]
print(*pids, flush=True)
threading.Event().wait()
"""
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # for what a killed host leaves behind
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=environment
    ) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.readline().split()]
        assert len(pids) == 3
        handles = [os.pidfd_open(pid) for pid in pids]
        host.kill()
        for handle in handles:
            assert select.select([handle], [], [], PATIENCE)[0], "it outlives its host"
            os.close(handle)

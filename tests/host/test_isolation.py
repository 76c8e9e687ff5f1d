"""Tasks in processes: what they return, and all the ways in which one of them can go wrong."""

from __future__ import annotations

import mmap
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import msgspec
import pytest

from polyvm.host import bundle, packer
from polyvm.host.errors import BundleError, PackError, UsageError
from polyvm.host.isolation import ProcessRunner
from polyvm.host.isolation_frames import Inbox, Run, pack
from polyvm.host.isolation_process import THREADS, VARIABLES, environment
from polyvm.host.manifest import Permissions
from polyvm.host.sealing import sealer
from polyvm.host.sources import Sources
from polyvm.vm import (
    Completion,
    Executor,
    Lane,
    Limits,
    Module,
    Outcome,
    QueueFull,
    RateLimited,
    StateError,
    UnknownTask,
    info,
)
from tests.conftest import write_task
from tests.host.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from polyvm.vm import SubmitOptions

PATIENCE = 60  # seconds after which a test gives up; nothing is measured by it
ECHO = "def run(payload):\n    return payload\n"


def sources(main: str, **assets: bytes) -> Sources:
    return Sources(
        "a",
        "1.0",
        "main:run",
        {"main": Module(main.encode())},
        {name.replace("__", "."): data for name, data in assets.items()},
    )


class Bench:
    """A runner, and the results of what was given to it, by tag."""

    def __init__(self, executor: Executor, runner: ProcessRunner) -> None:
        self.executor = executor
        self.runner = runner
        self.order: list[int] = []  # tags, as they ended
        self.ended: dict[int, Completion] = {}

    def add(self, main: str, lane: Lane = Lane.REGULAR, **limits: Any) -> int:
        return self.runner.add(sources(main), lane, Limits(**limits))

    def add_with(self, permissions: Permissions, main: str, **limits: Any) -> int:
        program = Sources(
            "a", "1", "main:run", {"main": Module(main.encode())}, {}, permissions=permissions
        )
        return self.runner.add(program, limits=Limits(**limits))

    def submit(self, task: int, payload: Any, tag: int, **options: Unpack[SubmitOptions]) -> int:
        return self.runner.submit(task, msgspec.msgpack.encode(payload), tag, **options)

    def wait(self, *tags: int) -> list[Completion]:
        end = time.monotonic() + PATIENCE
        while not set(tags) <= self.ended.keys():
            assert time.monotonic() < end, f"waited in vain for {set(tags) - self.ended.keys()}"
            for completion in self.executor.collect(timeout_ms=1000):
                assert completion.tag not in self.ended
                self.order.append(completion.tag)
                self.ended[completion.tag] = completion
        return [self.ended[tag] for tag in tags]

    def run(self, task: int, payload: Any = None) -> Completion:
        tag = 10**6 + len(self.ended)
        self.submit(task, payload, tag)
        return self.wait(tag)[0]

    def value(self, task: int, payload: Any = None) -> Any:
        completion = self.run(task, payload)
        assert completion.outcome is Outcome.DONE, completion.data.decode()
        return msgspec.msgpack.decode(completion.data)

    def failure(self, task: int, payload: Any = None) -> tuple[Outcome, str]:
        completion = self.run(task, payload)
        assert completion.outcome is not Outcome.DONE
        return completion.outcome, completion.data.decode()


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    """Make runners, which are stopped in the end."""
    made: list[Bench] = []

    def make(executor: Mapping[str, Any] | None = None, **options: Any) -> Bench:
        accepts = Executor(workers=1, **(executor or {}))
        made.append(Bench(accepts, ProcessRunner(accepts, **options)))
        return made[-1]

    yield make
    for bench in made:
        bench.runner.stop(0)
        bench.executor.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """Whether the process has ended, waited for by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_numpy_results_cross_by_the_same_rules_as_from_a_vm(bench: Bench) -> None:
    task = bench.add(
        """
import numpy, enum
from dataclasses import dataclass
@dataclass
class Sum:
    total: float
    of: list
def run(what):
    values = numpy.arange(4.0)
    return {
        "dataclass": lambda: Sum(values.sum(), values.tolist()),
        "array": lambda: values,
        "int64": lambda: numpy.int64(3),
        "bytes": lambda: memoryview(values.tobytes()[:2]),
        "set": lambda: {(1, 2)},
    }[what]()
"""
    )
    assert bench.value(task, "dataclass") == {"total": 6.0, "of": [0.0, 1.0, 2.0, 3.0]}
    assert bench.value(task, "bytes") == b"\0\0"
    assert bench.value(task, "set") == [[1, 2]]
    for what, name in (("array", "ndarray"), ("int64", "int64")):
        outcome, text = bench.failure(task, what)
        assert outcome is Outcome.FAILED
        assert text.startswith(f"TypeError: a value of type '{name}' cannot be returned")


def test_large_payloads_and_results(bench: Bench) -> None:
    task = bench.add(ECHO)
    payload = {"data": os.urandom(5_000_000), "list": list(range(1000))}
    assert bench.value(task, payload) == payload


def test_a_task_meets_its_own_files_and_name(make_task: Callable[..., Path], bench: Bench) -> None:
    folder = make_task(
        "reader",
        """
        import polyvm
        from pkg import inner
        def run(path):
            view = polyvm.asset_view("data/w.bin")
            return [polyvm.asset("data/w.bin"), view.readonly, bytes(view), inner.NAME,
                    polyvm.task.name, polyvm.task.version, polyvm.in_vm, polyvm.asset(path)]
        """,
        isolation="process",
    )
    (folder / "pkg").mkdir()
    (folder / "pkg" / "__init__.py").write_text("from .inner import NAME\n")
    (folder / "pkg" / "inner.py").write_text("NAME = __name__\n")
    (folder / "data").mkdir()
    (folder / "data" / "w.bin").write_bytes(b"weights")
    (folder / "none").write_bytes(b"")
    _, content = packer.build(folder)
    program = bundle.from_zip(content, folder, info().bytecode_magic).bundle().program
    assert isinstance(program, Sources)
    task = bench.runner.add(program)
    assert bench.value(task, "none") == [
        *(b"weights", True, b"weights", "pkg.inner", "reader", "1.0.0", False, b"")
    ]
    outcome, text = bench.failure(task, "main.py")
    assert outcome is Outcome.FAILED
    assert text.endswith("FileNotFoundError: task 'reader' has no asset 'main.py'")


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


GATED = """
import os, time
def run(gate):
    while gate and not os.path.exists(gate):
        time.sleep(0.005)
    return gate
"""


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


def test_what_a_task_prints_and_logs(bench: Bench) -> None:
    task = bench.add(
        r"""
import logging, os, sys
def run(x):
    print("one\ntwo", x)
    print("oops \udc80", file=sys.stderr)
    logging.getLogger("my.log").warning("careful %s", x)
    logging.getLogger("my.log").debug("never")
    sys.stdout.write("x" * 70000 + "no end")
    sys.stdout.flush()
    os.abort()
"""
    )
    bench.run(task, 7)
    records = {(r.source, r.level, r.logger, r.text) for r in bench.runner.collect_logs()[0]}
    assert {
        ("stdout", 20, "", "one"),
        ("stdout", 20, "", "two 7"),
        ("stderr", 40, "", "oops \\udc80"),
        ("logging", 30, "my.log", "careful 7"),
    } <= records
    long = "".join(text for *_, text in sorted(records) if text.startswith("x"))
    assert long.count("x") == 70000
    assert any(text.endswith("no end") for *_, text in records)
    assert not any(text == "never" for *_, text in records)


def test_lost_records_are_counted(bench: Bench) -> None:
    task = bench.add("def run(x):\n    print('line\\n' * x)\n")
    bench.run(task, 20_000)
    got = lost = 0
    while got + lost < 20_001:
        records, dropped = bench.runner.collect_logs(timeout_ms=PATIENCE * 1000)
        assert records or dropped
        got, lost = got + len(records), lost + dropped
    assert lost > 0
    assert got >= 8192


def test_a_withdrawn_task_finishes_what_it_has(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    gate = tmp_path / "gate"
    for tag in range(3):
        bench.submit(task, str(gate), tag)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    bench.runner.withdraw(task)
    for refused in (lambda: bench.submit(task, None, 9), lambda: bench.runner.withdraw(task)):
        with pytest.raises(UnknownTask):
            refused()
    gate.touch()
    assert {each.outcome for each in bench.wait(0, 1, 2)} == {Outcome.DONE}
    pid = bench.ended[0].worker
    wait_until(lambda: gone(pid), "the end of its process")
    wait_until(lambda: not bench.runner.has(task), "the task to be forgotten")
    assert bench.runner.stats(task).finished == 3


def test_an_idle_process_that_ends_is_replaced(bench: Bench) -> None:
    task = bench.add(ECHO)
    pid = bench.run(task).worker
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: bench.runner.stats(task).vms == 0, "its end to be noticed")
    assert bench.value(task, 3) == 3


def test_fifty_tasks_share_a_few_processes(make: Callable[..., Bench]) -> None:
    bench = make(max_processes=6)
    tasks = [bench.add(f"def run(x):\n    return [x, {number}]\n") for number in range(50)]
    for number, task in enumerate(tasks):
        bench.submit(task, number, number)
    wait_until(lambda: sum(bench.runner.stats(task).vms for task in tasks) <= 6, "no more than six")
    for number, completion in enumerate(bench.wait(*range(50))):
        assert msgspec.msgpack.decode(completion.data) == [number, number]
        assert completion.task == tasks[number]
    stats = [bench.runner.stats(task) for task in tasks]
    assert sum(each.vms for each in stats) == 6
    assert all((each.accepted, each.finished, each.failed) == (1, 1, 0) for each in stats)
    assert all((each.bytes > 0) == (each.vms > 0) for each in stats)


def test_as_many_run_at_once_as_the_manifest_says(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(
        """
import os, time
def run(name):
    folder, mine, other = name
    open(os.path.join(folder, mine), "w").close()
    while not os.path.exists(os.path.join(folder, other)):
        time.sleep(0.005)
    return os.getpid()
""",
        max_running=2,
    )
    bench.submit(task, [str(tmp_path), "a", "b"], 1)
    bench.submit(task, [str(tmp_path), "b", "a"], 2)
    first, second = bench.wait(1, 2)
    assert first.worker != second.worker


def test_order_is_priority_then_arrival(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    gate = tmp_path / "gate"
    bench.submit(task, str(gate), 0)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    for tag, priority in ((1, -100), (2, 1), (3, 100)):
        bench.submit(task, None, tag, priority=priority)
    gate.touch()
    bench.wait(0, 1, 2, 3)
    assert bench.order == [0, 3, 2, 1]


def test_core_goes_first_when_all_processes_are_busy(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make(max_processes=1)
    gate = tmp_path / "gate"
    tasks = {lane: bench.add(GATED, lane) for lane in (Lane.LOW, Lane.REGULAR, Lane.CORE)}
    bench.submit(tasks[Lane.REGULAR], str(gate), 9)
    wait_until(lambda: bench.runner.stats(tasks[Lane.REGULAR]).running == 1, "the first to run")
    for lane, task in tasks.items():
        bench.submit(task, None, int(lane))
    gate.touch()
    bench.wait(0, 1, 2)
    assert bench.order == [9, Lane.CORE, Lane.REGULAR, Lane.LOW]


def test_low_lane_is_nice(bench: Bench) -> None:
    main = "import os\ndef run(x):\n    return os.nice(0)\n"
    own = os.nice(0)
    assert bench.value(bench.add(main)) == own
    assert bench.value(bench.add(main, Lane.LOW)) == min(own + 10, 19)


def test_refusals(make: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make(max_pending=2)
    task = bench.add(GATED)
    bench.submit(task, str(tmp_path / "gate"), 1)
    bench.submit(task, None, 2)
    with pytest.raises(QueueFull):
        bench.submit(task, None, 3)
    (tmp_path / "gate").touch()
    bench.wait(1, 2)
    bench.submit(task, None, 4)
    limited = bench.add(ECHO, rate=0.001)
    bench.submit(limited, None, 5)
    with pytest.raises(RateLimited):
        bench.submit(limited, None, 6)
    bench.wait(4, 5)
    for unknown in (limited + 1, 10**12):
        with pytest.raises(UnknownTask):
            bench.submit(unknown, None, 8)
    with pytest.raises(UsageError, match=r"none: no program; name a Python"):
        ProcessRunner(bench.executor, tmp_path / "none")


def test_ids_are_unique_over_runners_of_other_epochs(make: Callable[..., Bench]) -> None:
    bench = make({"epoch": 5})
    task = bench.add(ECHO)
    first, second = bench.run(task), bench.run(task)
    assert first.id >> 40 == second.id >> 40 == 5
    assert first.id != second.id
    bench.submit(task, None, 1, id=77, attempt=3)
    (again,) = bench.wait(1)
    assert (again.id, again.attempt) == (77, 3)


def test_stop_cancels_what_runs_and_what_waits(bench: Bench, tmp_path: Path) -> None:
    task = bench.add(GATED)
    for tag in range(3):
        bench.submit(task, str(tmp_path / "gate"), tag)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the first to run")
    assert bench.runner.stop(0) == 3
    completions = bench.wait(0, 1, 2)
    assert {each.outcome for each in completions} == {Outcome.CANCELLED}
    (pid,) = {each.worker for each in completions} - {0}
    assert gone(pid)
    for refused in (lambda: bench.submit(task, None, 1), lambda: bench.add(ECHO)):
        with pytest.raises(StateError):
            refused()
    assert bench.runner.stop() == 0


def test_stop_lets_work_finish(bench: Bench) -> None:
    task = bench.add(ECHO)
    for tag in range(20):
        bench.submit(task, tag, tag)
    assert bench.runner.stop(PATIENCE * 1000) == 0
    assert {each.outcome for each in bench.wait(*range(20))} == {Outcome.DONE}


def test_surroundings(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYVM_TEST_SECRET", "x")  # one that is not passed on
    task = bench.add(
        """
import os, resource, sys
def run(x):
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "pid": os.getpid(),
        "files": os.listdir("."),
        "stdin": sys.stdin.read(),
        "descriptors": sorted(os.readlink(f"/proc/self/fd/{n}").partition(":")[0]
                              for n in os.listdir("/proc/self/fd")
                              if os.path.lexists(f"/proc/self/fd/{n}")),
        "inheritable": [n for n in range(3, 64) if inheritable(n)],
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "leader": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "argv": sys.argv[1:],
        "path": "" in sys.path,
    }
def inheritable(n):
    try:
        return os.get_inheritable(n)
    except OSError:
        return False
"""
    )
    found = bench.value(task)
    folder = found["folder"]
    assert found["environment"].keys() <= {*VARIABLES, *THREADS, "TMPDIR"}
    assert found["environment"]["TMPDIR"] == folder
    assert found["files"] == []
    assert found["stdin"] == ""
    own = f"/proc/{found['pid']}"
    assert found["descriptors"] == ["/dev/null", "/memfd", own, "pipe", "pipe", "socket"]
    assert found["inheritable"] == []
    assert found["core"] == [0, 0]
    assert found["leader"]
    assert not found["argv"]
    assert not found["path"]
    bench.runner.withdraw(task)
    wait_until(lambda: not Path(folder).exists(), "the folder to be removed")


def test_environment() -> None:
    assert environment({"PATH": "/bin", "X": "y", "OMP_NUM_THREADS": "4"}, "/f") == {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TMPDIR": "/f",
    }


def test_another_python_is_used_and_what_it_says_is_told(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    bench = make(python=python)
    assert bench.value(bench.add(ECHO), 1) == 1
    python.write_text("#!/bin/sh\necho no polyvm here >&2\nexit 3\n")
    outcome, text = bench.failure(bench.add(ECHO))
    assert outcome is Outcome.CRASHED
    assert text.startswith("its process was ended with exit code 3 after ")
    assert text.endswith(": no polyvm here")
    python.unlink()
    outcome, text = bench.failure(bench.add(ECHO))
    assert (outcome, text) == (
        Outcome.CRASHED,
        "its process could not be started: No such file or directory",
    )


def test_no_thread_and_no_process_before_the_first_task() -> None:
    executor = Executor(workers=1)
    before = descriptors()
    runner = ProcessRunner(executor)
    assert runner.collect_logs(timeout_ms=0) == ([], 0)
    assert runner.stop() == 0
    assert descriptors() == before
    executor.close()


def test_memory_of_a_version_is_shared_read_only_and_wiped() -> None:
    made = sources("SECRET = 1\n", w__bin=b"weights" * 1000)
    assert made.size == len("SECRET = 1\n") + 7000
    with pytest.raises(PermissionError):
        os.pwrite(made.descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        mmap.mmap(made.descriptor, 100)
    seen = mmap.mmap(made.descriptor, made.size, prot=mmap.PROT_READ)
    assert b"SECRET" in seen[:]
    assert b"weights" in seen[:]
    made.release()
    assert seen[:] == bytes(made.size)
    seen.close()


def test_what_came_sealed_is_kept_from_others(tmp_path: Path, bench: Bench) -> None:
    site = Site(tmp_path)
    source = write_task(
        tmp_path / "sealed",
        """
        import ctypes, os
        def run(x):
            return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
        """,
        isolation="process",
    )
    (source / "large.py").write_text("# a comment that goes on\n" * 5000)
    sealed = sealer.seal(
        source,
        tmp_path / "sealed.bundle",
        publisher=site.publisher,
        recipients=[site.host],
        magic=info().bytecode_magic,
    )
    assert b"PR_GET_DUMPABLE" not in sealed.read_bytes()
    program = site.load(sealed).program
    assert isinstance(program, Sources)
    assert program.secret
    assert bench.value(bench.runner.add(program)) == 0
    with pytest.raises(PackError, match="nothing can be stripped; leave --strip out"):
        packer.members(source, strip=True)


def test_bundles_hold_what_the_task_s_isolation_needs(tmp_path: Path) -> None:
    toml = b'name = "a"\nversion = "1.0"\nentry = "main:run"\nisolation = "process"\n'
    magic = info().bytecode_magic
    made = bundle.assemble({"task.toml": toml, "main.py": b"x"}, tmp_path, magic)
    assert made.modules["main"].code == b"x"
    with pytest.raises(BundleError, match=r"'b\.pyc' is bytecode; bundles of tasks that run in"):
        bundle.assemble({"task.toml": toml, "main.py": b"x", "b.pyc": b""}, tmp_path, magic)
    folder = write_task(tmp_path / "bad", "def run(x:\n", isolation="process")
    with pytest.raises(PackError, match=r"main\.py:1: SyntaxError|main\.py:1"):
        packer.build(folder)


def test_a_task_that_returns_twice_ends_once(bench: Bench) -> None:
    task = bench.add("import os\ndef run(x):\n    return os.fork() == 0\n")
    assert [bench.run(task).outcome for _ in range(5)] == [Outcome.DONE] * 5


def test_messages_are_cut_wherever_they_come_apart(rand: Any) -> None:
    messages = [Run(number, rand.randbytes(rand.randrange(300))) for number in range(50)]
    stream = b"".join(map(pack, messages))
    inbox, got, at = Inbox(), [], 0
    while at < len(stream):
        step = rand.randrange(1, 200)
        got += inbox.take(stream[at : at + step])
        at += step
    assert got == messages
    with pytest.raises(ValueError, match="a message of 4294967295 bytes"):
        list(inbox.take(b"\xff\xff\xff\xff"))


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


def test_what_runs_is_cancelled_with_its_process(bench: Bench) -> None:
    task = bench.add("def run(x):\n    while True: pass\n")
    other = bench.add(ECHO)
    number = bench.submit(task, None, 1)
    wait_until(lambda: bench.runner.stats(task).running == 1, "the task to begin")
    assert bench.runner.cancel(number)
    assert bench.runner.cancel(number) in (True, False)  # twice is no more than once
    (ended,) = bench.wait(1)
    assert (ended.id, ended.outcome) == (number, Outcome.CANCELLED)
    assert ended.data == b"stopped: it was cancelled"
    assert not bench.runner.cancel(number)
    wait_until(lambda: gone(ended.worker), "the process to end")
    assert bench.value(other, 1) == 1
    stats = bench.runner.stats(task)
    assert (stats.running, stats.finished, stats.failed) == (0, 1, 1)


def test_what_waits_is_cancelled_at_once(bench: Bench) -> None:
    task = bench.add("def run(x):\n    while x == 0: pass\n    return x\n")
    ids = [bench.submit(task, number, number) for number in range(5)]
    for tag in (3, 1):
        assert bench.runner.cancel(ids[tag])
        (ended,) = bench.wait(tag)
        assert (ended.outcome, ended.run_ns) == (Outcome.CANCELLED, 0)
        assert ended.data == b"cancelled before it ran"
        assert not bench.runner.cancel(ids[tag])
    assert bench.runner.cancel(ids[0])
    assert [each.outcome for each in bench.wait(0, 2, 4)] == [
        Outcome.CANCELLED,
        Outcome.DONE,
        Outcome.DONE,
    ]
    assert not bench.runner.cancel(12345)

"""What a task in a process finds around it: its Python, environment, files and memory."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.host import bundle, packer
from polyvm.host.errors import BundleError, PackError
from polyvm.host.isolation import ProcessRunner
from polyvm.host.isolation_process import THREADS, VARIABLES, environment
from polyvm.host.sealing import sealer
from polyvm.host.sources import Sources
from polyvm.vm import Executor, Outcome, info
from tests.conftest import write_task
from tests.host.isolation.bench import ECHO, Bench, descriptors, sources, wait_until
from tests.host.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable


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

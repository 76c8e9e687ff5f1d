"""What tasks in processes can open and call, and what their permissions change."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.errors import ProcessRefusedError
from polyvm.host.isolation import ProcessRunner
from polyvm.host.manifest import Permissions
from polyvm.host.sealing import keys
from polyvm.host.sealing.keys import KeyKind
from polyvm.host.sources import Sources
from polyvm.vm import Executor, Module, Outcome, VmError, info, process_filter, process_ruleset
from tests.host.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(
    info().landlock_abi == 0 or not info().has_seccomp, reason="needs Landlock and seccomp"
)

# Each returns "" or the name of what was raised.
TRY = """
import ctypes, os, pathlib, shutil, socket, subprocess, sys, tempfile, threading

def listen(family, address):
    with socket.socket(family) as made:
        made.bind(address)

def into(path):
    with open(path, "w") as file:
        file.write("x")

def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "")

def thread():
    started = threading.Thread(target=lambda: None)
    started.start()
    started.join()

ACTS = {
    "read": lambda path: open(path).close(),
    "write": into,
    "list": os.listdir,
    "make": os.mkdir,
    "remove": os.remove,
    "link": lambda path: (os.symlink(path, "link"), open("link").close()),
    "own": lambda x: (into("a"), os.mkdir("b"), os.rename("a", "b/c"), os.symlink("b", "d"),
                      os.mkfifo("e"), shutil.rmtree("b")),
    "about": lambda x: (open("/proc/self/status").close(), os.listdir("/proc/self/fd")),
    "temporary": lambda x: tempfile.NamedTemporaryFile().close(),
    "null": lambda x: into("/dev/null"),
    "random": lambda x: open("/dev/urandom", "rb").close(),
    "program": lambda path: subprocess.run([sys.executable, "-c", "import json"], check=True),
    "sub-read": lambda path: subprocess.run(["cat", path], check=True, capture_output=True),
    "package": lambda x: __import__("numpy"),
    "late": lambda x: __import__("sqlite3").connect(":memory:").close(),
    "thread": lambda x: thread(),
    "pair": lambda x: [each.close() for each in socket.socketpair()],
    "tcp": lambda port: socket.create_connection(("127.0.0.1", port)).close(),
    "udp": lambda x: listen(socket.AF_INET if x else socket.AF_INET6, ("127.0.0.1", 0)),
    "unix": lambda x: listen(socket.AF_UNIX, "sock"),
    "signal": lambda pid: os.kill(pid, 0),
    "self": lambda x: os.kill(os.getpid(), 0),
    "environ": lambda pid: open(f"/proc/{pid}/environ").close(),
    "trace": lambda pid: call({"x86_64": 101}.get(os.uname().machine, 117), 16, pid, 0, 0),
    "namespace": lambda x: call({"x86_64": 272}.get(os.uname().machine, 97), 0x10000000),
    "ring": lambda x: call(425, 1, 0),
}

def run(wanted):
    ended = []
    for act, argument in wanted:
        try:
            ACTS[act](argument)
            ended.append("")
        except Exception as error:
            ended.append(type(error).__name__)
    return ended
"""


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(1)
    yield made
    made.close()


@pytest.fixture
def runner(executor: Executor) -> Iterator[ProcessRunner]:
    made = ProcessRunner(executor)
    yield made
    made.stop(0)


@pytest.fixture
def attempt(executor: Executor, runner: ProcessRunner) -> Callable[..., list[str]]:
    def attempt(*acts: tuple[str, Any], **permissions: Any) -> list[str]:
        task = runner.add(
            Sources(
                "a",
                "1",
                "main:run",
                {"main": Module(TRY.encode())},
                {},
                permissions=Permissions(**permissions),
            )
        )
        runner.submit(task, msgspec.msgpack.encode(acts))
        completions = executor.collect(timeout_ms=60_000)
        assert [each.outcome for each in completions] == [Outcome.DONE], completions
        ended: list[str] = msgspec.msgpack.decode(completions[0].data)
        return ended

    return attempt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "file").write_text("secret")
    return made


def test_without_permissions(attempt: Callable[..., list[str]], folder: Path) -> None:
    file = str(folder / "file")
    refused = [
        *(("read", file), ("write", file), ("write", str(folder / "new")), ("list", str(folder))),
        *(("make", str(folder / "new")), ("remove", file), ("link", file), ("read", "/etc/shadow")),
        *(("list", "/"), ("list", "/tmp"), ("list", str(Path.home())), ("write", "/dev/shm/x")),
        *(("tcp", 80), ("udp", 1), ("udp", 0), ("unix", 0)),
        *(("environ", os.getpid()), ("trace", os.getpid()), ("namespace", 0), ("ring", 0)),
    ]
    assert attempt(*refused) == ["PermissionError"] * len(refused)
    assert (folder / "file").read_text() == "secret"
    if info().landlock_abi >= 6:
        assert attempt(("signal", os.getpid())) == ["PermissionError"]
    fine = "own about temporary null random program package late thread pair self"
    acts = [(each, "") for each in fine.split()]
    assert attempt(*acts) == [""] * len(acts)


def test_what_a_task_starts_is_held_as_well(
    attempt: Callable[..., list[str]], folder: Path
) -> None:
    path = str(folder / "file")
    assert attempt(("sub-read", path)) == ["CalledProcessError"]
    assert attempt(("sub-read", path), read=(str(folder),)) == [""]


def test_permitted_paths(attempt: Callable[..., list[str]], folder: Path, tmp_path: Path) -> None:
    file, new = str(folder / "file"), str(folder / "new")
    (tmp_path / "beside").write_text("x")
    (folder / "out").symlink_to(tmp_path / "beside")
    acts = (("read", file), ("write", file), ("make", new), ("read", str(folder / "out")))
    no = "PermissionError"
    assert attempt(*acts, read=(str(folder),)) == ["", no, no, no]
    assert attempt(*acts, read=(file,)) == ["", no, no, no]
    assert attempt(*acts, write=(str(folder),)) == ["", "", "", no]
    assert (folder / "file").read_text() == "x"


def test_network(attempt: Callable[..., list[str]], folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        acts = [("tcp", port), ("udp", 1), ("unix", 0), ("read", str(folder / "file"))]
        assert attempt(*acts, network=True) == ["", "", "", "PermissionError"]
        assert attempt(*acts) == ["PermissionError"] * 4


def test_unconfined(attempt: Callable[..., list[str]], folder: Path) -> None:
    acts = [
        *(("read", str(folder / "file")), ("write", str(folder / "new")), ("list", "/")),
        *(("udp", 1), ("signal", os.getpid())),
    ]
    assert attempt(*acts, unconfined=True) == [""] * len(acts)


def test_paths_are_looked_for_when_the_task_comes(runner: ProcessRunner, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for kind, words in (("read", "reading"), ("write", "writing")):
        task = Sources(
            *("a", "1", "main:run", {"main": Module(b"")}, {}),
            permissions=Permissions(**{kind: (missing,)}),
        )
        with pytest.raises(VmError, match=f"{words} is permitted to '.*/missing': No such file"):
            runner.add(task)


def test_nothing_is_left_open(runner: ProcessRunner, executor: Executor) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    task = Sources("a", "1", "main:run", {"main": Module(b"def run(x): 1 / 0")}, {})
    runner.add(task)
    before = descriptors()
    for _ in range(20):
        runner.add(task)
        ruleset = process_ruleset("/tmp", ["/usr"], [], network=True)
        assert ruleset is not None
        os.close(ruleset)
    assert descriptors() == before
    assert len(process_filter(network=True)) < len(process_filter(network=False))
    del executor


def test_a_host_without_process_tasks(make_task: Callable[..., Path], tmp_path: Path) -> None:
    site = Site(tmp_path)
    admission = site.admission(process_tasks=False)
    stranger = keys.generate(KeyKind.HOST).public_key
    refused = [
        make_task("apart", isolation="process"),
        site.seal(tmp_path / "own.bundle", 1, isolation="process"),
        # Its header says enough: it is not even decrypted.
        site.seal(tmp_path / "other.bundle", 2, isolation="process", recipients=[stranger]),
    ]
    for path in refused:
        with pytest.raises(ProcessRefusedError, match="the task runs in processes, and this host"):
            site.load(path, admission)
        if path != refused[-1]:
            site.load(path)
    site.load(make_task("usual"), admission)

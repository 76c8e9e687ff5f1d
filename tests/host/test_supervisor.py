"""The supervisor as users have it: a process of its own, with real children."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import supervisor
from polyvm.host.errors import ExitCode
from polyvm.host.supervisor import Intensity

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60
CHILD = [sys.executable, "-S", "-E", "-c"]
# Told by signals what to do, as the host is. Says what it got, and ends at the second.
OBEDIENT = """
import os, signal, sys
def told(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")  # print is not reentrant
    if told.before:
        os._exit(130)
    told.before = True
told.before = False
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, told)
print(os.getpid(), os.getpgid(0), os.getppid(), os.environ["POLYVM_SUPERVISOR"], flush=True)
while True:
    signal.pause()
"""
DIE = "import os, signal; print('began', flush=True); os.kill(os.getpid(), signal.SIGSEGV)"


def code_of(child: str, intensity: Intensity | None = None, before: str = "") -> list[str]:
    call = f"supervisor.supervise({[*CHILD, child]!r}, {intensity!r})"
    imports = "import sys\nfrom polyvm.host import supervisor\n"
    imports += "from polyvm.host.supervisor import Intensity\n"
    return [sys.executable, "-c", f"{imports}{before}\nsys.exit({call})"]


def run(child: str, intensity: Intensity | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        code_of(child, intensity),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Running:
    """A supervisor that the test sends signals to."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def start() -> Iterator[Any]:
    started: list[Running] = []

    def begin(*arguments: Any, **options: Any) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield begin
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.end()


@pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.PARTIAL, ExitCode.USAGE, ExitCode.BAD_DATA])
def test_a_child_that_says_why_it_ends_is_not_started_again(code: int) -> None:
    done = run(f"import os; print('began', flush=True); os._exit({int(code)})")
    assert (done.returncode, done.stdout) == (code, "began\n")


def test_what_dies_is_started_again_and_told_why() -> None:
    child = """
import os, signal, sys
turn = int(os.environ["POLYVM_RESTARTS"])
print(turn, os.environ.get("POLYVM_LAST_END"), flush=True)
if turn == 0: os.kill(os.getpid(), signal.SIGSEGV)
if turn == 1: os.kill(os.getpid(), signal.SIGKILL)
if turn == 2: raise ValueError
os._exit({3: 75, 4: 3}[turn])
"""
    done = run(child)
    assert done.returncode == ExitCode.PARTIAL
    assert done.stdout.splitlines() == ["0 None", "1 SIGSEGV", "2 SIGKILL", "3 exit 1", "4 exit 75"]
    assert done.stderr.count("starting it again") == 4


def test_it_gives_up_on_a_child_that_dies_too_often() -> None:
    done = run(DIE, Intensity(restarts=2, seconds=600))
    assert done.returncode == ExitCode.GAVE_UP
    assert done.stdout == "began\n" * 3
    assert "3 times within 600 s" in done.stderr
    assert "Traceback" not in done.stderr


def test_pauses_come_in_the_second_half_and_old_restarts_do_not_count() -> None:
    now = 0.0
    record = supervisor._Record(Intensity(restarts=5, seconds=60), lambda: now)
    assert [record.pause() for _ in range(6)] == [0, 0, 0.25, 0.5, 1.0, None]
    now = 60.0
    assert record.pause() == 0
    now = 119.0
    assert [record.pause() for _ in range(5)] == [0, 0.25, 0.5, 1.0, None]
    now = 120.0
    assert record.pause() == 1.0  # the one at 60 has gone


def test_a_command_that_cannot_be_started(start: Any) -> None:
    code = (
        "import sys\nfrom polyvm.host import supervisor\n"
        "sys.exit(supervisor.supervise(['/no/such/program']))"
    )
    status, _, err = start([sys.executable, "-c", code]).end()
    assert status == ExitCode.UNAVAILABLE
    assert "/no/such/program" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_child_once_each(start: Any, number: signal.Signals) -> None:
    running = start(code_of(OBEDIENT))
    pid, group, parent, told = map(int, running.line().split())
    assert parent == told == running.process.pid
    assert group == pid  # what is sent to the supervisor's group does not reach it twice
    running.process.send_signal(number)
    assert running.line() == number.name
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[:2] == (130, "SIGTERM\n")


def test_no_restart_while_stopping(start: Any) -> None:
    running = start(code_of(OBEDIENT))
    pid = int(running.line().split()[0])
    running.process.send_signal(signal.SIGTERM)
    assert running.line() == "SIGTERM"
    os.kill(pid, signal.SIGSEGV)
    code, out, _ = running.end()
    assert (code, out) == (128 + signal.SIGSEGV, "")


def test_it_can_be_stopped_between_two_children(start: Any) -> None:
    slow = "supervisor._FIRST_PAUSE = supervisor._LONGEST_PAUSE = 3600.0"
    running = start(code_of(DIE, Intensity(restarts=1), slow))
    assert running.line() == "began"
    assert running.process.stderr is not None
    assert "starting it again" in running.process.stderr.readline()
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[:2] == (128 + signal.SIGTERM, "")


def test_the_child_ends_with_its_supervisor(start: Any) -> None:
    running = start(code_of(OBEDIENT))
    handle = os.pidfd_open(int(running.line().split()[0]))
    try:
        running.process.kill()
        assert select.select([handle], [], [], PATIENCE)[0] == [handle]
    finally:
        os.close(handle)


def test_a_key_at_the_terminal_reaches_the_child_once(start: Any) -> None:
    master, terminal = os.openpty()
    try:

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        running = start(code_of(OBEDIENT), stdin=terminal, preexec_fn=own_terminal)
        pid, group, *_ = map(int, running.line().split())
        assert group != pid
        os.write(master, b"\x03")
        assert running.line() == "SIGINT"
        running.process.send_signal(signal.SIGTERM)
        assert running.end()[:2] == (130, "SIGTERM\n")
    finally:
        os.close(master)
        os.close(terminal)


def test_a_child_begins_with_no_signal_blocked_or_ignored() -> None:
    status = "".join(
        line for line in run("print(open('/proc/self/status').read())").stdout.splitlines(True)
    )
    for field in ("SigBlk", "SigIgn"):
        match = re.search(rf"{field}:\s*([0-9a-f]+)", status)
        assert match is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            assert not int(match[1], 16) >> (number - 1) & 1


def test_the_supervisor_is_small() -> None:
    code = "import sys\nfrom polyvm.host import supervisor\nprint('polyvm.vm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_its_command_is_the_same_without_the_option() -> None:
    command = supervisor.command_of(["run", "tasks", "--supervise", "--workers", "2"])
    assert command[-4:] == ["run", "tasks", "--workers", "2"]
    assert command[0] == sys.executable

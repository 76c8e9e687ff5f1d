"""Keeps a host running: starts it as a child, and again when it dies of something unforeseen.

This process stays small, so that hardly anything can happen to it: it loads no VM library, has
one thread, and sleeps in the kernel until a signal tells that the child has ended or that
somebody wants it to. The child goes when this process does, even by SIGKILL.

A child that says why it ends (an exit code of the `polyvm` command) is not started again: it
would end the same way. One that is killed by a signal, or leaves with any other code, is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyvm.host import log
from polyvm.host.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# What a child is told by its environment.
PID = "POLYVM_SUPERVISOR"  # the supervisor's process id
RESTARTS = "POLYVM_RESTARTS"  # how many children there were before it
LAST_END = (
    "POLYVM_LAST_END"  # how the one before it ended: "SIGSEGV", "exit 1"; unset for the first
)

_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGCHLD})
_SENT_BY_KERNEL = 0x80  # SI_KERNEL: a key pressed at the terminal, which the child saw as well
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_UNCAUGHT = 1  # Python's exit code after a traceback; `run` has no other use for it
_SAID_WHY = frozenset(int(code) for code in ExitCode) - {_UNCAUGHT, ExitCode.RESTART}
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Intensity:
    """How many restarts within how many seconds are too many, as in an OTP supervisor."""

    restarts: int = 5
    seconds: float = 60.0


class _Record:
    """The restarts of late."""

    def __init__(self, intensity: Intensity, clock: Callable[[], float]) -> None:
        self._intensity = intensity
        self._clock = clock
        self._times: deque[float] = deque()

    def pause(self) -> float | None:
        """Count a restart; how long to wait before it, None if it is one too many.

        None of the first half waits, so that a single crash costs no time.
        """
        now = self._clock()
        while self._times and self._times[0] <= now - self._intensity.seconds:
            self._times.popleft()
        if len(self._times) >= self._intensity.restarts:
            return None
        self._times.append(now)
        beyond = len(self._times) - 1 - self._intensity.restarts // 2
        return 0.0 if beyond < 0 else min(_FIRST_PAUSE * 2.0**beyond, _LONGEST_PAUSE)


def command_of(arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs what `polyvm ARGUMENTS --supervise` supervises."""
    rest = [word for word in arguments if word != "--supervise"]
    return [sys.executable, "-P", "-m", "polyvm.host", *rest]


def supervise(command: Sequence[str], intensity: Intensity | None = None) -> int:
    """Run the command until it ends for good; the exit code that is then the supervisor's.

    Call it in the main thread of a process that has no other. The first SIGINT or SIGTERM is
    passed on and asks the child to finish, the second to give up; neither is followed by a
    restart. What is sent to the whole process group or control group reaches the child twice:
    under systemd say `KillMode=mixed`.
    """
    log.configure()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would leave no exit status
    with _blocked() as former:
        return _Supervisor(command, intensity or Intensity(), former).run()


class _Supervisor:
    def __init__(self, command: Sequence[str], intensity: Intensity, former: set[Any]) -> None:
        self._command = command
        self._intensity = intensity
        self._former = former  # the signals that a child begins with blocked
        self._record = _Record(intensity, time.monotonic)
        self._log = log.get()
        self._stopping: int | None = None  # the first signal that asked for the end
        self._restarts = 0
        # At a terminal the child must be in the foreground group, or it could not read from it.
        self._own_group = not os.isatty(0)

    def run(self) -> int:
        last: str | None = None
        while True:
            child = self._start(last)
            if child is None:
                return int(ExitCode.UNAVAILABLE)
            began = time.monotonic()
            code = self._wait(child)
            if self._stopping is not None or code in _SAID_WHY:
                return 128 - code if code < 0 else code
            last = signal.Signals(-code).name if code < 0 else f"exit {code}"
            pause = self._record.pause()
            ran = f"{time.monotonic() - began:.1f} s"
            if pause is None:
                self._log.error(
                    f"the host ended {self._intensity.restarts + 1} times within "
                    f"{self._intensity.seconds:g} s; giving up, see its log and the crash reports",
                    last=last,
                )
                return int(ExitCode.GAVE_UP)
            self._log.error("host ended, starting it again", how=last, ran=ran, pause=pause)
            number = _told_to_stop_within(pause)
            if number is not None:
                return 128 + number
            self._restarts += 1

    def _start(self, last: str | None) -> subprocess.Popen[bytes] | None:
        environment = {**os.environ, PID: str(os.getpid()), RESTARTS: str(self._restarts)}
        environment.pop(LAST_END, None)
        if last is not None:
            environment[LAST_END] = last
        try:
            return subprocess.Popen(
                self._command,
                env=environment,
                preexec_fn=_child_setup(self._former, own_group=self._own_group),  # noqa: PLW1509 - one thread
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._log.error("host cannot be started", command=self._command[0], reason=str(error))
            return None

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """Pass signals on until the child has ended; its return code as subprocess has it."""
        with _process_handle(child.pid) as handle:
            while True:
                number, from_terminal = _next_signal(None) or (0, False)
                if number == signal.SIGCHLD:
                    code = child.poll()
                    if code is not None:
                        return code
                    continue
                if self._stopping is None:
                    self._stopping = number
                if not from_terminal or self._own_group:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(handle, number)


def _told_to_stop_within(seconds: float) -> int | None:
    """Wait so long; the signal that ended the wait, None if none did."""
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        event = _next_signal(max(left, 0.0))
        if event is not None and event[0] != signal.SIGCHLD:
            return event[0]
        if event is None and left <= 0:
            return None


@contextlib.contextmanager
def _blocked() -> Iterator[set[Any]]:
    """Signals are waited for, not handled: none can come between two steps."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield former
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextlib.contextmanager
def _process_handle(pid: int) -> Iterator[int]:
    """A handle that names this process and no later one with its number."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _next_signal(timeout: float | None) -> tuple[int, bool] | None:
    """Wait for one of ours: its number, and whether a key at the terminal made it."""
    info = (
        signal.sigwaitinfo(_SIGNALS) if timeout is None else signal.sigtimedwait(_SIGNALS, timeout)
    )
    return None if info is None else (info.si_signo, info.si_code == _SENT_BY_KERNEL)


def _child_setup(former: set[Any], *, own_group: bool) -> Callable[[], None]:
    """What the child does before it becomes the host.

    It is killed with its parent, at once: the journal keeps what it had accepted, and whoever
    starts the supervisor again must not find an old host that still holds it.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def setup() -> None:
        if prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(int(ExitCode.UNAVAILABLE))
        if own_group:
            os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, former)

    return setup

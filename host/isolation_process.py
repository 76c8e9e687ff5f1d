"""One process of a task, seen from the host: its start, its pipes, its end.

Nothing here waits but the start, for the kernel to have the program. The thread that starts a
process must live as long as it: the kernel ends the process with that thread, so that none
outlives a host that was killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from polyvm.host import isolation_frames
from polyvm.host.isolation_frames import HANDOVER, Ended, Inbox, Load, Loaded, Logged, Order
from polyvm.host.isolation_store import StoreLine
from polyvm.vm import LogRecord, process_filter, process_ruleset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from polyvm.host.manifest import Permissions
    from polyvm.host.sources import Sources
    from polyvm.host.store_server import StoreServer

# What of the host's environment a task's process gets; besides, TMPDIR is its own folder.
VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
)
# The same, and one thread if the host does not say: processes are what uses the cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

MAX_LINE_BYTES = 1 << 16  # printed without an end; a longer line comes in pieces

_CHUNK = 1 << 16
_READS = 32  # in a row: more than a pipe or a socket holds, and then it is others' turn


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended, as a sentence's rest; ``signal`` is 0 unless one ended it."""

    signal: int
    words: str


class TaskProcess:
    """A process that has been told which task it is. All of it belongs to one thread.

    ``control`` and the keys of ``outputs`` are to be watched for reading, ``control`` for writing
    as well while `unsent`, and ``handle``, which is readable once the process has ended.
    Raises OSError or VmError if it cannot be started.
    """

    def __init__(
        self,
        python: Path,
        sources: Sources,
        limits: Mapping[str, int],
        log: Callable[[LogRecord], None],
        store: StoreServer | None,
    ) -> None:
        self.name = sources.name
        self.loaded = False
        self.hung_up = False  # nothing more can come: it is ending, or the task closed the socket
        self._log = log
        self._inbox = Inbox()
        self._outgoing = bytearray()
        self._last_words = ""
        self._folder = tempfile.mkdtemp(prefix=f"polyvm-{sources.name}-")
        self.store = StoreLine(store, sources.name) if store is not None else None
        self.control, theirs = socket.socketpair()
        try:
            with theirs:
                self._process, self.handle = _start(python, theirs.fileno(), self._folder)
        except BaseException:
            self.control.close()
            self._hang_up()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.pid = self._process.pid
        assert self._process.stdout is not None, "asked for"
        assert self._process.stderr is not None, "asked for"
        self.outputs: dict[IO[bytes], _Printed] = {
            self._process.stdout: _Printed("stdout", logging.INFO),
            self._process.stderr: _Printed("stderr", logging.ERROR),
        }
        try:
            self._tell(sources, limits)
        except BaseException:
            self.bury()
            raise

    def _tell(self, sources: Sources, limits: Mapping[str, int]) -> None:
        """Say which task it is."""
        with (
            _ruleset(sources.permissions, self._folder) as ruleset,
            contextlib.suppress(ConnectionError),  # its end is found soon enough
        ):
            # Not inherited: while a process starts, others of the same user may look into it.
            asking = [self.store.theirs.fileno()] if self.store is not None else []
            descriptors = [sources.descriptor, *asking, *ruleset]
            socket.send_fds(self.control, [HANDOVER], descriptors)
        if self.store is not None:
            self.store.begin()
        self.control.setblocking(False)
        for stream in self.outputs:
            os.set_blocking(stream.fileno(), False)
        self.send(
            Load(
                name=sources.name,
                version=sources.version,
                entry=sources.entry,
                modules=sources.modules,
                assets=sources.assets,
                image_bytes=max(sources.size, 1),
                secret=sources.secret,
                filter=_filter(sources.permissions),
                asks=self.store is not None,
                **limits,
            )
        )

    @property
    def unsent(self) -> bool:
        """Whether something waits for the process to take it."""
        return bool(self._outgoing)

    def send(self, order: Order) -> None:
        """Send as much as goes at once; the rest stays `unsent`. ValueError if it is too long."""
        self._outgoing += isolation_frames.pack(order)
        self.go_on_sending()

    def go_on_sending(self) -> None:
        """Send what is left. A process that takes nothing more is about to be found dead."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._outgoing:
                sent = self.control.send(memoryview(self._outgoing)[:_CHUNK])
                del self._outgoing[:sent]

    def reports(self) -> Iterator[Loaded | Ended]:
        """Read, and yield what it says; logs the rest.

        Raises msgspec.DecodeError or ValueError for what is no report: kill it.
        """
        for _ in range(_READS):
            try:
                data = self.control.recv(_CHUNK)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                self.hung_up = True
                return
            for report in self._inbox.take(data):
                match report:
                    case Loaded():
                        self.loaded = True
                        yield report
                    case Ended():
                        yield report
                    case Logged(level, logger, text):
                        now = time.time_ns()
                        self._log(LogRecord(now, "logging", level, self.name, logger, text))

    def read_output(self, stream: IO[bytes]) -> bool:
        """Read what is there, and log the lines that are whole; False at the stream's end."""
        printed = self.outputs[stream]
        for _ in range(_READS):
            try:
                data = os.read(stream.fileno(), _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            for line in printed.take(data):
                self._print(printed, line)
        return True

    def kill(self) -> None:
        """End it and all processes that it has started; `handle` tells when that is done."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self) -> End:
        """Say how it ended, after ``handle`` has said that it has; release all it had."""
        self.kill()  # what it has started; its number stays its own until the next line
        code, used = _wait_for(self.pid)
        self._process.returncode = code  # it need not be waited for any more
        for stream, printed in self.outputs.items():
            self.read_output(stream)
            for line in printed.rest():
                self._print(printed, line)
            stream.close()
        self.control.close()
        self._hang_up()
        os.close(self.handle)
        shutil.rmtree(self._folder, ignore_errors=True)
        if code < 0:
            return End(-code, f"ended by {_signal_name(-code)}{used}")
        why = f": {self._last_words}" if self._last_words and not self.loaded else ""
        return End(0, f"ended with exit code {code}{used}{why}")

    def _hang_up(self) -> None:
        if self.store is not None:
            self.store.close()

    @property
    def own_bytes(self) -> int:
        """Resident memory that it shares with nobody; 0 once it has ended."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:  # noqa: PTH123 - often asked for
                _, resident, shared, *_ = map(int, file.read().split())
        except (OSError, ValueError):
            return 0
        return (resident - shared) * os.sysconf("SC_PAGESIZE")

    def _print(self, printed: _Printed, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if printed.source == "stderr":
            self._last_words = text
        self._log(LogRecord(time.time_ns(), printed.source, printed.level, self.name, "", text))


class _Printed:
    """The lines of one stream."""

    def __init__(self, source: str, level: int) -> None:
        self.source = source
        self.level = level
        self._begun = bytearray()

    def take(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole now."""
        self._begun += data
        *lines, last = self._begun.split(b"\n")
        if len(last) >= MAX_LINE_BYTES:
            lines.append(last)
            last = bytearray()
        self._begun = last
        yield from (bytes(line) for line in lines)

    def rest(self) -> Iterator[bytes]:
        """Yield the last line if it has no end."""
        if self._begun:
            yield bytes(self._begun)


@contextlib.contextmanager
def _ruleset(permissions: Permissions, folder: str | None) -> Iterator[list[int]]:
    """The descriptor of what holds a task, whose own folder this is; none if nothing does."""
    if permissions.unconfined:
        yield []
        return
    descriptor = process_ruleset(
        folder, permissions.read, permissions.write, network=permissions.network
    )
    if descriptor is None:
        yield []
        return
    try:
        yield [descriptor]
    finally:
        os.close(descriptor)


def _filter(permissions: Permissions) -> bytes:
    return b"" if permissions.unconfined else process_filter(network=permissions.network)


def check_permissions(permissions: Permissions) -> None:
    """Raise VmError if a path that is permitted cannot be opened."""
    with _ruleset(permissions, None):
        pass


def _start(python: Path, control: int, folder: str) -> tuple[subprocess.Popen[bytes], int]:
    process = subprocess.Popen(
        [
            python,
            *("-P", "-X", "utf8", "-X", "faulthandler", "-m", "polyvm.host.isolation_child"),
            *(str(os.getpid()), str(control)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(control,),
        cwd=folder,
        env=environment(os.environ, folder),
        start_new_session=True,  # and a process group, which `kill` ends
    )
    try:
        return process, os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.communicate()
        raise


def _wait_for(pid: int) -> tuple[int, str]:
    """Return how an ended process did, as subprocess has it, and what it used."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except ChildProcessError:  # a program around us waits for all processes, or ignores SIGCHLD
        return 0, " or otherwise: somebody else has waited for it"
    return os.waitstatus_to_exitcode(status), (
        f" after {usage.ru_utime + usage.ru_stime:.2f} s of processor time, with up to "
        f"{usage.ru_maxrss / 1024:.0f} MiB of memory"
    )


def environment(host: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the environment of a process, given the host's and the process's own folder."""
    passed = {name: host[name] for name in VARIABLES if name in host}
    threads = {name: host.get(name, "1") for name in THREADS}
    return {**passed, **threads, "TMPDIR": folder}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""A task's process: loads the one task that it is told, and runs it as often as it is told.

Started by `TaskProcess` as ``python -m polyvm.host.isolation_child HOST CONTROL``: the host's
process id, and the descriptor of a socket. It may be another Python than the host's, one that has
this package installed; the VMs' library is not loaded here.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.abc
import importlib.util
import io
import logging
import math
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from polyvm import _ordinary
from polyvm.host import codec, isolation_confinement, isolation_frames, store_requests
from polyvm.host.isolation_frames import (
    HANDOVER,
    Ended,
    Inbox,
    Load,
    Loaded,
    Logged,
    Order,
    Report,
    Run,
)
from polyvm.host.store_client import StoreClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType

    from polyvm.host.isolation_frames import SourceFile
    from polyvm.host.store_requests import Answer, Request

OVER_QUOTA = "stopped: over its quota"

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_CHUNK = 1 << 16
_MACHINERY = (__file__, "<frozen importlib._bootstrap>", importlib.__file__)


class _Channel:
    """The socket to the host. Reports may come from any thread, orders are read by one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def take_handover(self) -> list[int]:
        """Return the descriptors that come first, once; none if the host has changed its mind."""
        _, descriptors, _, _ = socket.recv_fds(self._connection, len(HANDOVER), 3)
        return descriptors

    def report(self, message: Report) -> None:
        data = isolation_frames.pack(message)
        with self._lock:
            self._connection.sendall(data)

    def orders(self) -> Iterator[Order]:
        """Yield what the host wants, until it closes its end."""
        inbox = Inbox()
        while data := self._connection.recv(_CHUNK):
            for message in inbox.take(data):
                assert isinstance(message, Order), "reports go the other way"
                yield message


class _Store:
    """The socket to the host's store. Any thread may ask; one does at a time.

    `broken`: somebody was interrupted in the middle, so that no answer can be trusted any more.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._own = os.getpid()
        self.broken = False

    def ask(self, request: Request) -> Answer:
        if os.getpid() != self._own:
            raise RuntimeError(
                "tables of features and events are the task's own process's, and not of one that "
                "it has started"
            )
        data = store_requests.pack(request)
        with self._lock:
            answer = self._exchange(data) if not self.broken else None
        if answer is None:
            raise RuntimeError("this host has no tables of features and no events")
        return answer

    def _exchange(self, data: bytes) -> Answer | None:
        try:
            self._connection.sendall(data)
            return store_requests.read_answer(self._connection.recv)
        except OSError:
            return None
        except BaseException:  # a handler of a signal has raised, or memory is out
            self.broken = True
            raise


class _HostHandler(logging.Handler):
    """Hands the records that no handler takes to the host, as in a VM."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record).encode("utf-8", "replace").decode()
            self._channel.report(Logged(record.levelno, record.name, text))
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Compiles the task's modules from memory.

    It tells nobody their source: tracebacks show no lines of it, as those of VMs do not.
    """

    def __init__(self, files: Sequence[SourceFile], image: memoryview) -> None:
        self._files = {file.name: file for file in files}
        self._image = image
        for name in self._files:
            sys.modules.pop(name, None)  # the task's modules come first, as under `polyvm dev`

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        file = self._files.get(fullname)
        if file is None:
            return None
        spec = importlib.util.spec_from_loader(
            fullname, self, origin=file.path, is_package=file.package
        )
        assert spec is not None, "is_package is given"
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        file = self._files[module.__name__]
        source = bytes(self._image[file.offset : file.offset + file.size])
        exec(compile(source, file.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - it is the task


class _Budget:
    """Processor time of one invocation, its loading included: the kernel kills at its end."""

    def __init__(self, nanoseconds: int) -> None:
        self._seconds = nanoseconds / 1e9
        self._begun = False
        if nanoseconds:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def begin(self) -> None:
        if not self._seconds or self._begun:
            return
        self._begun = True
        # Should the task set the timer itself, this one, of whole seconds, remains.
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = math.ceil(used.ru_utime + used.ru_stime + self._seconds) + 1
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if hard == resource.RLIM_INFINITY or limit <= hard:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
        signal.setitimer(signal.ITIMER_PROF, self._seconds)

    def end(self) -> None:
        if self._begun:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._begun = False


class _Task:
    """The loaded task."""

    def __init__(self, load: Load, image: memoryview) -> None:
        self._limited = load.memory_bytes != 0
        self._image = image
        _ordinary.install(
            load.name,
            load.version,
            {item.name: image[item.offset : item.offset + item.size] for item in load.assets},
        )
        sys.meta_path.insert(0, _Importer(load.modules, image))
        self._entry_name = load.entry
        self._entry: Callable[[Any], Any] | None = None

    def load(self) -> tuple[str, bytes] | None:
        """Import the entry; outcome and data if that fails."""
        module, _, function = self._entry_name.partition(":")
        try:
            entry = getattr(importlib.import_module(module), function, None)
            if not callable(entry):
                raise TypeError(f"entry {self._entry_name!r} is not callable")  # noqa: TRY301 - told as any failure
        except BaseException as error:  # noqa: BLE001 - sys.exit in a task is a failure as well
            return self._failure(error)
        self._entry = entry
        return None

    def run(self, payload: bytes) -> tuple[str, bytes]:
        """Call the entry: outcome and data."""
        assert self._entry is not None, "loaded before"
        try:
            returned = self._entry(codec.decode(payload))
        except BaseException as error:  # noqa: BLE001 - as above
            return self._failure(error)
        try:
            return "done", codec.encode(returned)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            return "failed", "".join(traceback.format_exception_only(error)).rstrip().encode()
        except MemoryError as error:
            return self._failure(error)

    def _failure(self, error: BaseException) -> tuple[str, bytes]:
        text = _traceback(error)
        if self._limited and isinstance(error, MemoryError):
            return "over_quota", f"{OVER_QUOTA}\n{text}".encode("utf-8", "replace")
        return "failed", text.encode("utf-8", "replace")


def _traceback(error: BaseException) -> str:
    """Format what the task raised, without the frames that brought us to it."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in _MACHINERY:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def _bind_to(host: int) -> None:
    """Die with the host, and before it when memory is out; leave no core, let nobody look in."""
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if failed or os.getppid() != host:
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - no path object is needed
        file.write("500")
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        os._exit(1)


def _prepare(load: Load, image: int) -> memoryview:
    """Apply the limits that hold for the process's whole life; the files that came with it."""
    if not load.secret:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    os.nice(load.nice)
    mapped = mmap.mmap(image, load.image_bytes, prot=mmap.PROT_READ)
    os.close(image)
    if load.memory_bytes:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - as above
            pages = int(file.read().split()[0])
        limit = pages * mmap.PAGESIZE + load.memory_bytes
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard == resource.RLIM_INFINITY or limit <= hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return memoryview(mapped)


def _serve(channel: _Channel) -> None:
    handover = channel.take_handover()
    orders = channel.orders()
    load = next(orders, None)
    if load is None:
        return
    assert isinstance(load, Load), "the host loads first"
    image, *rest = handover
    store = _Store(socket.socket(fileno=rest.pop(0))) if load.asks else None
    files = _prepare(load, image)
    isolation_confinement.enter(rest[0] if rest else None, load.filter)
    logging.lastResort = _HostHandler(channel)
    if store is not None:
        _ordinary.serve(StoreClient(store.ask))
    budget = _Budget(load.cpu_ns)
    own = os.getpid()
    task: _Task | None = None
    for order in orders:
        assert isinstance(order, Run), "the host loads once"
        budget.begin()
        answer = None
        if task is None:
            task = _Task(load, files)
            answer = task.load()
            if answer is None:
                channel.report(Loaded())
        if answer is None:
            answer = task.run(order.payload)
        if os.getpid() != own:  # the task has forked, and returned twice
            os._exit(0)
        budget.end()
        _flush()
        try:
            channel.report(Ended(order.number, *answer, last=store is not None and store.broken))
        except ValueError as error:
            text = f"ValueError: the result cannot be sent: {error}"
            channel.report(Ended(order.number, "failed", text.encode()))
        except MemoryError:
            text = f"{OVER_QUOTA}\nMemoryError: the result cannot be sent"
            channel.report(Ended(order.number, "over_quota", text.encode()))


def _flush() -> None:
    """Send what the task printed before its result; its streams may be closed or replaced."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def main() -> None:
    """Serve until the host closes its end."""
    host, control = map(int, sys.argv[1:])
    _bind_to(host)
    os.set_inheritable(control, False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    sys.argv[1:] = []
    with socket.socket(fileno=control) as connection:
        _serve(_Channel(connection))


if __name__ == "__main__":
    main()

"""`polyvm dev`: a task folder under ordinary Python, where breakpoints and profilers work.

Payload and result go through the same MessagePack round trip as in a VM, and values that a VM
refuses are refused here with the same limits, so that what works here works there. Tables of
features, events and flows are a host's, where the VMs' library is there:

    with opened(Path("score"), Options(events=tmp_path)) as task:
        task.features.put("visits", [Given(key="ada", values={"count": 1})])
        assert task({"user": "ada"}).value == 2
        assert [each.event for each in task.kept("log")] == [{"stream": "log", "user": "ada"}]
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import traceback
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyvm import _ordinary
from polyvm.host import codec
from polyvm.host import manifest as manifests
from polyvm.host.errors import (
    ManifestError,
    MissingError,
    PackError,
    PolyvmError,
    RuntimeMissingError,
)
from polyvm.host.event_fields import EventFields
from polyvm.host.store_client import StoreClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from polyvm.host import store_requests
    from polyvm.host.dev_host import DevHost, Started
    from polyvm.host.event_store import Kept
    from polyvm.host.features import FeatureTables
    from polyvm.host.manifest import Manifest

_NIL = b"\xc0"  # a task that returns None has no events to give


@dataclass(frozen=True, slots=True)
class Answer:
    """How one invocation ended: `value` if `failure`, a traceback, is None.

    line: of the input; 0 for what came from elsewhere.
    """

    value: Any
    failure: str | None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What of a host stands beside the task, as `polyvm run` is told."""

    events: Path | None = None  # a folder that keeps events; None: none are kept
    streams: Path | None = None  # a file that declares their streams
    events_key: str | None = None  # of sensitive ones
    flows: Path | None = None  # a file of flows and tables that belong to no task
    event_fields: EventFields = field(default_factory=EventFields)


class OrdinaryTask:
    """An imported task; call it with payloads. Made by `opened`, for one thread."""

    def __init__(self, manifest: Manifest, entry: Callable[[Any], Any], beside: _Beside) -> None:
        self.manifest = manifest
        self._entry = entry
        self._beside = beside

    def takes(self, payload: Any) -> bool:
        """Whether the feed would give this line to the task."""
        if self.manifest.events is None:
            return not self.manifest.starts_by_triggers
        return isinstance(payload, dict) and payload.get("event") in self.manifest.events

    def __call__(self, payload: Any) -> Answer:
        """Run the task once. Exceptions become the answer's failure; KeyboardInterrupt passes.

        What it appends may start it again: `started` runs that.
        """
        return self.run(payload)

    def run(self, payload: Any, line: int = 0) -> Answer:
        """Do the same for a line of input."""
        return self._run(codec.encode_payload(payload), line, 0)

    # ---- What a host has ----

    @property
    def host(self) -> DevHost:
        """Its tables, events and flows. Raises RuntimeMissingError without the VMs' library."""
        return self._beside.get()

    @property
    def losses(self) -> list[str]:
        """What of kept events was found damaged when their folder was opened."""
        return self._beside.losses

    @property
    def features(self) -> FeatureTables:
        """The tables of features, to put rows into and to read."""
        return self.host.features

    def kept(self, stream: str = "events", **query: Any) -> list[Kept]:
        """Return kept events of a stream; ``query`` has fields of `event_store.Query`.

        Raises MissingError for a stream that is not there, UsageError where no events are kept.
        """
        host = self.host
        from polyvm.host.event_store import Query  # which needs the library

        return host.kept(Query(stream=stream, **query))

    def event(self, *events: Mapping[str, Any]) -> list[Answer]:
        """Hand in events as from outside, and run what they start, and what that starts.

        Raises what keeps one from being taken in; those before it were.
        """
        packed = [codec.encode_payload(event) for event in events]  # what they share is held here
        taken = self.host.take(b"".join(packed), source="program")
        if taken.error is not None:
            raise taken.error
        return list(self.started())

    def started(self) -> Iterator[Answer]:
        """Run what triggers and flows have started since, and what that starts."""
        waiting = self._beside.started
        while waiting:
            start = waiting.popleft()
            yield self._run(start.payload, start.line, start.depth)

    def finish(self) -> list[Answer]:
        """End the streams: open windows and counters give what they have; run what that starts."""
        self.host.finish()
        return list(self.started())

    # ---- Lines of input ----

    def line(self, payload: Any, number: int, source: str) -> Iterator[Answer]:
        """Take a line as a host's feed does: an event comes in, the task is run, what it started.

        source: what dead letters tell.
        """
        host, given = self._beside.wanted, self.takes(payload)
        packed = codec.encode_payload(payload)
        if host is not None and host.takes_events and (isinstance(payload, dict) or not given):
            taken = host.take(packed, source=f"{source}:{number}", line=number)
            if taken.error is not None:
                yield Answer(None, f"the event was not kept: {taken.error}", number)
            elif taken.dead:
                why = "the event was refused; see `polyvm events --dead`"
                yield Answer(None, why, number)
        if given:
            yield self._run(packed, number, 0)
        yield from self.started()

    def bad_line(self, line: bytes, why: str, source: str) -> None:
        """Keep a line that is no JSON as a dead letter, where events are kept."""
        host = self._beside.wanted
        if host is not None:
            host.bury(line, why, source)

    def end(self) -> Iterator[Answer]:
        """Do what a host does when its input has ended, if there are streams: see `finish`."""
        host = self._beside.wanted
        if host is not None and host.takes_events:
            yield from self.finish()

    # ---- Running ----

    def _run(self, packed: bytes, line: int, depth: int) -> Answer:
        self._beside.begin(line, depth)
        given = codec.decode(packed)
        try:
            returned = self._entry(given)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit in a task is a failure as well
            return Answer(None, _traceback(error), line)
        try:
            result = codec.encode(returned)
        except (TypeError, ValueError, OverflowError) as error:
            why = "".join(traceback.format_exception_only(error)).rstrip()
            return Answer(None, why, line)
        return Answer(codec.decode(result), self._returned(result, line, depth), line)

    def _returned(self, result: bytes, line: int, depth: int) -> str | None:
        """Let a result be an event where the manifest says so; why it could not be."""
        stream = self.manifest.results_into
        host = self._beside.wanted if stream is not None and result != _NIL else None
        why = host.give_back(result, line, depth) if host is not None else None
        return f"the result was not taken as an event: {why}" if why is not None else None


class _Beside:
    """The host of a task, opened when it is first needed. `ask` is for any thread."""

    def __init__(self, manifest: Manifest, options: Options) -> None:
        self._manifest = manifest
        self._options = options
        self._lock = threading.Lock()
        self._host: DevHost | None = None
        self._run = 0, 0  # line and depth of the one that is on

    @property
    def started(self) -> deque[Started]:
        """What triggers and flows have started, and has not run yet."""
        return self._host.started if self._host is not None else deque()

    @property
    def losses(self) -> list[str]:
        """What was found damaged."""
        return self._host.losses if self._host is not None else []

    @property
    def wanted(self) -> DevHost | None:
        """The host if there is anything for it to do without the task's asking for it."""
        manifest, options = self._manifest, self._options
        conditions = any(trigger.plan is None for trigger in manifest.triggers)
        if (
            self._host is not None
            or (options.events or options.flows or options.streams) is not None
            or conditions
            or manifest.flows
        ):
            return self.get()
        return None

    def get(self) -> DevHost:
        """Open it, unless that is done. Raises PolyvmError."""
        with self._lock:
            if self._host is None:
                try:
                    from polyvm.host.dev_host import DevHost
                except (ImportError, OSError) as error:
                    raise RuntimeMissingError(str(error)) from None
                self._host = DevHost(self._manifest, self._options)
            return self._host

    def begin(self, line: int, depth: int) -> None:
        """Note which run it is that asks from now on."""
        self._run = line, depth
        if self._host is not None:
            self._host.line = line

    def ask(self, request: store_requests.Request) -> store_requests.Answer:
        """Answer the task."""
        try:
            host = self.get()
        except PolyvmError as error:
            raise RuntimeError(f"there are no tables of features and no events: {error}") from None
        host.line, depth = self._run
        return host.server.answer(request, self._manifest.name, depth)

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            if self._host is not None:
                self._host.close()


@contextlib.contextmanager
def opened(folder: Path, options: Options | None = None) -> Iterator[OrdinaryTask]:
    """Import a task folder for the time of the block, with what of a host it is to have.

    Code in the folder, a test of the task among it, then has the same tables and events.
    Raises PolyvmError, such as MissingError, ManifestError or PackError; what the task's import
    raises, passes.
    """
    file = folder / manifests.FILE_NAME
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder; name the folder that holds the task.toml")
    if not file.is_file():
        raise ManifestError(
            f"{folder}: holds no {manifests.FILE_NAME}; add one with name, version and entry"
        )
    manifest = manifests.parse(file.read_bytes(), str(file))
    with _served(folder, manifest, options or Options()) as beside, _import_from(folder):
        try:
            module = importlib.import_module(manifest.entry_module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{manifest.entry_module}.".startswith(f"{error.name}."):
                raise
            raise PackError(
                f"{file}: entry {manifest.entry!r} names module {manifest.entry_module!r}, which "
                f"is not in {folder}"
            ) from None
        entry = getattr(module, manifest.entry_function, None)
        if not callable(entry):
            raise PackError(
                f"{file}: entry {manifest.entry!r}: {module.__file__} defines no function "
                f"{manifest.entry_function!r}"
            )
        yield OrdinaryTask(manifest, entry, beside)


@contextlib.contextmanager
def _served(folder: Path, manifest: Manifest, options: Options) -> Iterator[_Beside]:
    """Let code of the folder use what stands beside the task."""
    beside = _Beside(manifest, options)
    client = StoreClient(beside.ask)
    _ordinary.serve(client, folder)
    try:
        if options != Options():
            beside.get()  # what is wrong with them is told now
        yield beside
    finally:
        _ordinary.retire(client, folder)
        beside.close()


@contextlib.contextmanager
def _import_from(folder: Path) -> Iterator[None]:
    """Put the folder first on the path; afterwards forget the modules that came from it."""
    place = str(folder.resolve())
    before = dict(sys.modules)
    shadowed = {
        name: module
        for name, module in before.items()
        if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()
    }
    for name in shadowed:
        del sys.modules[name]
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(place)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name not in before and isinstance(file, str) and file.startswith(f"{place}/"):
                del sys.modules[name]
        sys.modules.update(shadowed)


def _traceback(error: BaseException) -> str:
    """Format what the task raised, without the host's frames."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()

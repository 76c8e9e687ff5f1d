"""A host inside another Python program.

    with Host(Options(tasks=Path("tasks"))) as host:
        print(host.submit("greet", {"name": "Ada"}).result())

It is `polyvm run` without the command line: the folder is watched, new versions go live, and logs
go where structlog is told to put them.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console

from polyvm.host import durations, ingestion, mapping
from polyvm.host.invocations import NotDone
from polyvm.host.service import Options, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from polyvm.host.event_report import EventReport
    from polyvm.host.features import FeatureTables
    from polyvm.host.flows import Flow
    from polyvm.host.invocations import Invocation
    from polyvm.host.switches import Switches

__all__ = ["Host", "Options"]


class Host:
    """Runs from its making to `close`. Every method is for any thread."""

    def __init__(self, options: Options) -> None:
        """Start, and wait until the tasks folder has been read once. Raises PolyvmError."""
        self._service = Service(options, Console(quiet=True), signals=False)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="polyvm-host", daemon=True)
        self._thread.start()
        self._service.scanned.wait()
        self._tell()

    def _run(self) -> None:
        try:
            self._service.run()
        except BaseException as error:  # noqa: BLE001 - raised again by close
            self._error = error
        finally:
            self._service.scanned.set()

    @property
    def features(self) -> FeatureTables:
        """The tables of features, to put rows into and to read."""
        return self._service.features

    @property
    def switches(self) -> Switches:
        """What is enabled and what is paused, and the means to change it."""
        return self._service.switches

    def submit(
        self,
        task: str,
        value: Any,
        *,
        deadline: str | None = None,
        priority: int = 0,
        trace: bool = False,
        on_complete: Callable[[Any], object] | None = None,
        on_error: Callable[[NotDone], object] | None = None,
    ) -> Invocation:
        """Run the task's live version on a value that MessagePack can hold.

        deadline: such as "500ms", from now to its end; priority: -100 to 100. By default they are
        the task's own. on_complete gets the task's value when it is done, on_error what `result`
        would raise; both are called as `Invocation.add_done_callback` says.
        trace: its end has a trace of its stages.
        Raises as `Invocations.submit` does, and then nothing was accepted.
        """
        deadline_ns = durations.parse(deadline) if deadline is not None else 0
        invocation = self._service.invocations.submit(
            task, value, deadline_ns=deadline_ns, priority=priority, trace=trace
        )
        if on_complete is not None or on_error is not None:
            invocation.add_done_callback(partial(_call_back, on_complete, on_error))
        return invocation

    def event(self, *events: Mapping[str, Any]) -> EventReport:
        """Hand events to the triggers, in order, and tell what they started.

        What they start runs on its own; its results go to the results file. What was refused is
        in the report with its reason. Raises Stopping.
        """
        return self._service.events.put(events)

    def events(self, data: Any, *, stream: str = "", source: str = "program") -> EventReport:
        """Hand in many events: batches of them, each in one call without this process's GIL.

        data: JSON lines as bytes or str; an iterable of maps; an array of NumPy with named fields;
        a map of columns; or anything that gives Arrow's C stream or array (with the extra
        ``polyvm[arrow]``). ``host/ingestion.py`` says more. stream: of events that name none.
        source: what dead letters tell. Events that cannot be taken become dead letters where events
        are kept, and the rest goes on; what stops it is the report's ``error``.
        Raises Stopping, and TypeError or ValueError for data of another form.
        """
        unit_ns = self._service.event_unit_ns
        return self._service.events.put_batches(
            ingestion.batches(data, unit_ns), stream=stream, source=source
        )

    def set_flows(self, *flows: Flow) -> None:
        """Have these flows, beside those of tasks, instead of those that were given before.

        One that says the same as the one of its name goes on with its state. Raises VmError for
        one that cannot be, and then nothing has changed.
        """
        self._service.set_flows(flows)

    def map(
        self,
        task: str,
        values: Iterable[Any],
        *,
        chunk: int = mapping.CHUNK,
        deadline: str | None = None,
        priority: int = 0,
    ) -> Iterator[Any]:
        """Run the task on each value; yields the results in order, while the rest runs.

        Values go in chunks of so many, so that many short runs cost this process little; each is
        an invocation of its own all the same, with the deadline from its submission. `values` is
        read only as far as results are taken, and a few chunks on. While the queue is full it
        waits. Raises NotDone in place of the first result that there is none of, with what was
        submitted running on, and otherwise as `submit`.
        """
        if chunk < 1:
            raise ValueError(f"chunk is {chunk}; it must be 1 at least")
        deadline_ns = durations.parse(deadline) if deadline is not None else 0
        return self._service.map(
            task, values, chunk, {"deadline_ns": deadline_ns, "priority": priority}
        )

    def close(self, *, cancel: bool = False) -> None:
        """Finish what was accepted, or cancel it, and end. Raises what ended the host early."""
        self._service.stop(cancel=cancel)
        self._thread.join()
        self._tell()

    def _tell(self) -> None:
        """Raise what ended the host early, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(cancel=kind is not None)


def _call_back(
    on_complete: Callable[[Any], object] | None,
    on_error: Callable[[NotDone], object] | None,
    invocation: Invocation,
) -> None:
    try:
        value = invocation.result(0)
    except NotDone as error:
        if on_error is not None:
            on_error(error)
    else:
        if on_complete is not None:
            on_complete(value)

"""Invocations whose results go back to whoever asked for them, not into the results file.

A program that embeds the host, and the API, submit here and get a handle each. Ended ones are
remembered for a while, so that a caller who did not wait can ask later.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from polyvm.host import codec, log, results
from polyvm.host.errors import PolyvmError
from polyvm.host.switches import Disabled, Paused
from polyvm.vm import BreakerOpen, Message, QueueFull, RateLimited, VmError, expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from polyvm.host.manifest import Manifest
    from polyvm.host.registry import Registry
    from polyvm.vm import Completion, SubmitOptions, Trace

KEPT = 1000  # ended invocations that are remembered
KEPT_BYTES = 32 * 2**20  # of their results


class NoSuchTask(PolyvmError):
    """No task of this name is live."""


class Stopping(PolyvmError):
    """The host takes no more work, as it is about to end."""


class NotDone(PolyvmError):
    """An invocation ended in another outcome than done; `str()` is its traceback or reason."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """How an invocation ended, of which version of its task it was, and its trace, if any."""

    completion: Completion
    manifest: Manifest
    trace: Trace | None = None


class Invocation:
    """One that was accepted. Every method is for any thread.

    `await` gives what `result` does; cancelling who awaits it so cancels the invocation.
    """

    def __init__(
        self, number: int, task: str, cancel: Callable[[int], bool], *, shares: bool = False
    ) -> None:
        """``shares``: its value may have shared arrays, and is remembered by who has this alone."""
        self.id = number
        self.shares = shares
        self.task = task
        self.run_id = 0  # in results, logs and journals; 0 until it is accepted
        self._cancel = cancel
        self._future: concurrent.futures.Future[Ended] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()  # it ends by its completion alone
        self._further: dict[str, Ended] = {}  # of its chain, by task
        self._whole = threading.Event()

    def done(self) -> bool:
        """Whether it has ended, in whatever outcome."""
        return self._future.done()

    def ended(self, timeout: float | None = None) -> Ended:
        """Wait for the end, at most so many seconds, or raise TimeoutError."""
        return self._future.result(timeout)

    def result(self, timeout: float | None = None) -> Any:
        """Wait likewise; return the task's value, or raise NotDone."""
        return _value(self.ended(timeout))

    def chain(self, timeout: float | None = None) -> dict[str, Ended]:
        """Wait for all that it started: how each ended, by task, itself included.

        A task in no chain is the only one. Raises TimeoutError.
        """
        if not self._whole.wait(timeout):
            raise TimeoutError
        return {self.task: self.ended(), **self._further}

    def cancel(self) -> bool:
        """Have it ended as `cancelled`; False if it has ended already.

        What is queued never runs. What runs is interrupted, as at a deadline, and may yet end by
        itself before that reaches it: `result` tells.
        """
        return self._cancel(self.run_id) if self.run_id and not self.done() else False

    def add_done_callback(self, function: Callable[[Invocation], object]) -> None:
        """Call it at the end, in the thread that collects results, or now if that is over.

        It must be quick: other results wait behind it. What it raises is logged.
        """
        self._future.add_done_callback(lambda _: self._call(function))

    def _call(self, function: Callable[[Invocation], object]) -> None:
        try:
            function(self)
        except BaseException as error:  # noqa: BLE001 - results of others come after it
            log.get().error("callback failed", task=self.task, id=self.id, error=repr(error))

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        try:
            return _value(await self.wait())
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def wait(self) -> Ended:
        """Await the end. Giving up this wait leaves the invocation as it is, unlike `await`."""
        return await asyncio.wrap_future(self._future)

    def settle(self, ended: Ended) -> None:
        """Hand the end over to those who wait; for `Invocations` alone, as are the next two."""
        if not ended.completion.trigger:
            self._whole.set()
        self._future.set_result(ended)

    def settle_further(self, ended: Ended) -> None:
        """Keep the end of one that it started."""
        self._further[ended.manifest.name] = ended

    def settle_whole(self) -> None:
        """All that it started has ended."""
        self._whole.set()


def _value(ended: Ended) -> Any:
    fields = results.record(ended.completion, ended.manifest)
    if "error" in fields:
        raise NotDone(fields["outcome"], fields["error"])
    return fields["result"]


class Invocations:
    """Submits, and pairs results with the handles. Every method is for any thread.

    Ids are the invocations' tags in the executor. They count up from the time of the start in
    nanoseconds, so they are not used twice, over restarts too, as long as the clock does not go
    back, and are no numbers of input lines.
    """

    def __init__(self, registry: Registry, stopping: Callable[[], bool]) -> None:
        self._registry = registry
        self._stopping = stopping
        self._ids = itertools.count(time.time_ns())
        self._lock = threading.Lock()
        self._pending: dict[int, Invocation] = {}
        self._chained: dict[int, Invocation] = {}  # by run_id: their chains have not ended
        self._recent: OrderedDict[int, tuple[Invocation, int]] = OrderedDict()  # and its size
        self._recent_bytes = 0
        self._rejections: Counter[tuple[str, str]] = Counter()

    def submit(self, name: str, value: Any, **options: Unpack[SubmitOptions]) -> Invocation:
        """Submit a value that MessagePack can hold; otherwise as `submit_packed`."""
        return self._submit(name, codec.encode_payload(value), shares=True, **options)

    def submit_packed(
        self, name: str, payload: bytes, **options: Unpack[SubmitOptions]
    ) -> Invocation:
        """Submit MessagePack to the task's live version; arrays in the result have their elements.

        Raises NoSuchTask, Stopping, Disabled, Paused, or VmError, such as QueueFull; then nothing
        was accepted.
        """
        return self._submit(name, payload, shares=False, **options)

    def _submit(
        self, name: str, payload: bytes, *, shares: bool, **options: Unpack[SubmitOptions]
    ) -> Invocation:
        if self._stopping():
            raise Stopping("the host is stopping and takes no more work")
        invocation = Invocation(next(self._ids), name, self._registry.cancel, shares=shares)
        with self._lock:
            self._pending[invocation.id] = invocation  # it may end before submit returns
        try:
            invocation.run_id = self._registry.submit(name, payload, invocation.id, **options)
        except BaseException as error:
            self._forget(invocation)
            with self._lock:
                self._rejections[name, reason(error)] += 1
            raise
        if not invocation.run_id:
            self._forget(invocation)  # uncounted: callers can think of names without end
            raise NoSuchTask(f"no task {name!r} is live here")
        return invocation

    def _forget(self, invocation: Invocation) -> None:
        with self._lock:
            del self._pending[invocation.id]

    def hand_out(
        self,
        paired: list[tuple[Completion, Manifest]],
        traces: Mapping[int, Trace] = MappingProxyType({}),
    ) -> list[tuple[Completion, Manifest]]:
        """Settle the invocations that were submitted here; return the other completions.

        ``traces``: of those that were traced, by id.

        What comes after them in a chain is kept with them, and is among the others as well.
        """
        if not self._pending and not self._chained:
            return paired
        others: list[tuple[Completion, Manifest]] = []
        ended: list[tuple[Invocation, Ended]] = []
        touched: set[int] = set()
        with self._lock:
            for completion, manifest in paired:
                invocation = self._pending.pop(completion.tag, None)
                if invocation is not None:
                    end = Ended(completion, manifest, traces.get(completion.id))
                    ended.append((invocation, end))
                    if isinstance(completion.data, Message) and not invocation.shares:
                        with contextlib.suppress(VmError):  # without memory it stays as it is
                            completion.data = expanded(completion.data)
                    # Shared memory is not kept from the task that made it for longer than it is
                    # of use.
                    if not isinstance(completion.data, Message):
                        self._remember(invocation, len(completion.data))
                    if completion.trigger:
                        self._chained[completion.trigger] = invocation
                    continue
                others.append((completion, manifest))
                if completion.trigger in self._chained:
                    invocation = self._chained[completion.trigger]
                    trace = traces.get(completion.id)
                    invocation.settle_further(Ended(completion, manifest, trace))
                    touched.add(completion.trigger)
        for invocation, end in ended:
            invocation.settle(end)
        for trigger in filter(self._registry.is_whole, touched):
            self._chained.pop(trigger).settle_whole()
        return others

    def _remember(self, invocation: Invocation, size: int) -> None:
        self._recent[invocation.id] = invocation, size
        self._recent_bytes += size
        while len(self._recent) > KEPT or self._recent_bytes > KEPT_BYTES:
            _, (_, oldest) = self._recent.popitem(last=False)
            self._recent_bytes -= oldest

    def find(self, number: int) -> Invocation | None:
        """Return one that is pending, or ended not long ago; not one with shared arrays."""
        with self._lock:
            if number in self._recent:
                return self._recent[number][0]
            return self._pending.get(number)

    def rejections(self) -> dict[tuple[str, str], int]:
        """Count what was not accepted, by task and reason."""
        with self._lock:
            return dict(self._rejections)


def reason(error: BaseException) -> str:
    """Name why an invocation was not accepted, in one word of the metrics."""
    match error:
        case QueueFull():
            return "full"
        case Disabled():
            return "disabled"
        case Paused():
            return "paused"
        case RateLimited():
            return "rate"
        case BreakerOpen():
            return "breaker"
        case _:
            return "other"

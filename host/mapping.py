"""Many values through one task: arrays to the VMs, results in the order of the values.

One by one, submission, handle and completion cost the host's Python more than a short task costs
its worker. An array of values costs them once. Tasks in processes get their values one by one.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from polyvm.host import codec
from polyvm.host.invocations import NoSuchTask, NotDone, Stopping
from polyvm.vm import Outcome, QueueFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from polyvm.host.invocations import Invocation, Invocations
    from polyvm.host.registry import Registry
    from polyvm.vm import Array, SubmitOptions

CHUNK = 1024  # values that go together, at most
AHEAD = 2  # chunks on their way besides the one whose results are being taken
_ROOM_CHECK = 0.05  # seconds; an upper bound only, as completions end the wait


class Mapping:
    """One call of `Host.map`. Not locked: for one thread."""

    def __init__(
        self,
        registry: Registry,
        invocations: Invocations,
        stopping: Callable[[], bool],
        name: str,
        options: SubmitOptions,
    ) -> None:
        """``options``: a submission's, deadline_ns and priority."""
        self._registry = registry
        self._invocations = invocations
        self._stopping = stopping
        self._name = name
        self._options = options
        self._waiting: deque[Array | list[Invocation]] = deque()

    def run(self, values: Iterable[Any], chunk: int) -> Iterator[Any]:
        """Yield results; raises as `Host.map` says. What was submitted runs on in any case."""
        source = iter(values)
        while part := list(islice(source, chunk)):
            while not self._submit(part):
                if self._waiting:
                    yield from self._results()
                else:
                    self._registry.wait_for_room(_ROOM_CHECK)
            if len(self._waiting) > AHEAD:
                yield from self._results()
        while self._waiting:
            yield from self._results()

    def _submit(self, part: list[Any]) -> bool:
        """Whether there was room."""
        if self._stopping():
            raise Stopping("the host is stopping and takes no more work")
        if not self._registry.takes_arrays(self._name):
            self._waiting.append([self._submit_one(value) for value in part])
            return True
        try:
            array = self._registry.submit_array(
                self._name, codec.encode_payload(part), **self._options
            )
        except QueueFull:
            return False
        if array is None:
            raise NoSuchTask(f"no task {self._name!r} is live here")
        self._waiting.append(array)
        return True

    def _submit_one(self, value: Any) -> Invocation:
        while True:
            try:
                return self._invocations.submit(self._name, value, **self._options)
            except QueueFull:
                self._registry.wait_for_room(_ROOM_CHECK)

    def _results(self) -> Iterator[Any]:
        first = self._waiting.popleft()
        if isinstance(first, list):
            for invocation in first:
                yield invocation.result()
            return
        batch = first.result()
        values = codec.decode(batch.packed)
        if not batch.not_done:
            yield from values
            return
        for value, ended in zip(values, batch, strict=True):
            if ended.outcome is not Outcome.DONE:
                raise NotDone(ended.outcome.name.lower(), ended.data.decode("utf-8", "replace"))
            yield value

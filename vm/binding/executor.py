"""The executor: worker threads that run invocations in VMs."""

from __future__ import annotations

import enum
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from .batch import Array, Batch, Completion, Outcome
from .chain import ChainNode
from .errors import QueueFull
from .flows import Flows
from .library import ERR_MAX, check, fail, ffi, lib, take
from .program import Program
from .triggers import Triggers


class Lane(enum.IntEnum):
    """Which queue a task belongs to."""

    CORE = 0
    REGULAR = 1
    LOW = 2


@dataclass(slots=True, frozen=True)
class TaskStats:
    """accepted, finished, failed: invocations so far (failed: not DONE). running: now.
    vms: VMs that hold the task; bytes: their memory.
    """

    accepted: int
    finished: int
    failed: int
    running: int
    vms: int
    bytes: int


@dataclass(slots=True, frozen=True)
class ThreadStats:
    """threads: that serve workers. stuck: given up because a task in them did not stop, and
    not yet back. unserved: workers for whose stuck thread no other could be had.
    pauses: of low runs in favour of the core lane.
    """

    threads: int
    stuck: int
    unserved: int
    pauses: int = 0


@dataclass(slots=True, frozen=True)
class Limits:
    """What a task may use up; 0 is no limit. What goes over is stopped.

    deadline_ns: from acceptance to the end. timeout_ns: of one run. cpu_ns: processor time
    of one run. memory_bytes: of each of its VMs, at least 4 MiB.
    max_running: invocations at once, the others wait. rate: accepted a second, beyond which
    RateLimited; burst: accepted at once when none came for a while.
    """

    deadline_ns: int = 0
    timeout_ns: int = 0
    cpu_ns: int = 0
    memory_bytes: int = 0
    max_running: int = 0
    rate: float = 0.0
    burst: int = 0


class AddOptions(TypedDict, total=False):
    """priority: -100 to 100; each step is worth 100 ms of waiting within the lane.
    breaker: when to open, as the fields of pvm_breaker_policy; None: never by itself.
    """

    priority: int
    breaker: Mapping[str, int] | None


class SubmitOptions(TypedDict, total=False):
    """What one submission wants otherwise than its task; 0 leaves the task's own.

    deadline_ns: from now to its end; priority: -100 to 100.
    id, attempt: of an invocation that an earlier process had accepted. ids: how many it had with
    its chain. crashed: bit i says that invocation id + i of it took that process down.
    trace: trace it, see Batch.traces. warm: only make a VM ready, with the task imported.
    depth: of what fired, see Fired.
    """

    deadline_ns: int
    priority: int
    id: int
    attempt: int
    ids: int
    crashed: int
    trace: bool
    warm: bool
    depth: int


def raw_task_config(lane: Lane, limits: Limits | None, options: AddOptions) -> Any:
    """Return a pvm_task_config."""
    config = ffi.new("pvm_task_config *")
    lib.pvm_task_config_init(config)
    config.lane = lane
    config.priority = options.get("priority", 0)
    breaker = options.get("breaker")
    if breaker is not None:
        config.breaker = dict(breaker)
    for name, value in asdict(limits or Limits()).items():
        setattr(config, name, value)
    return config


def raw_submit_options(options: SubmitOptions) -> Any:
    """Return a pvm_submit_options, or NULL where nothing is wanted."""
    return ffi.new("pvm_submit_options *", options) if any(options.values()) else ffi.NULL


def _completion(raw: Any) -> Completion:
    return Completion(
        raw.tag,
        raw.task,
        Outcome(raw.outcome),
        raw.worker,
        raw.queued_ns,
        raw.load_ns,
        raw.run_ns,
        take(raw.data),
        raw.id,
        raw.attempt,
        raw.trigger,
    )


class Executor:
    """Workers and their VMs. Safe to use from any number of threads.

    workers: threads of the regular lane, 1 to 256; as many as there are cores by default.
    core_workers, low_workers: threads reserved for these lanes, once a task is in them.
    max_pending: invocations of a lane accepted and not yet collected; more raise QueueFull.
    vms_per_worker: VMs kept at most on each worker, the least recently used retiring.
    warm_vms: clean VMs that each worker holds ready.
    spin_us: how long an idle worker looks for work before it sleeps.
    confine: hold workers to the programs' permissions, as far as the kernel can.
    preempt: low runs pause while the core lane has work and cores are short.
    grace_ms: how long a task that must stop may take before its thread is given up.
    journal: a file to make, of journal_bytes, that keeps what is accepted until its completion
    was collected and `collect` is called again; epoch: another number for each process of a host.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        core_workers: int | None = None,
        low_workers: int | None = None,
        max_pending: int | None = None,
        vms_per_worker: int | None = None,
        warm_vms: int | None = None,
        spin_us: int | None = None,
        confine: bool = True,
        preempt: bool = True,
        grace_ms: int | None = None,
        journal: Path | None = None,
        journal_bytes: int = 64 * 2**20,
        epoch: int = 1,
    ) -> None:
        config = ffi.new("pvm_executor_config *")
        lib.pvm_executor_config_init(config)
        given = {
            "workers": workers,
            "core_workers": core_workers,
            "low_workers": low_workers,
            "max_pending": max_pending,
            "vms_per_worker": vms_per_worker,
            "warm_vms": warm_vms,
            "spin_us": spin_us,
            "confine": int(confine),
            "preempt": int(preempt),
            "grace_ms": grace_ms,
        }
        for name, value in given.items():
            if value is not None:
                if not 0 <= value < 2**32:
                    raise ValueError(f"{name} is out of range: {value}")
                setattr(config, name, value)
        path = ffi.new("char[]", os.fsencode(journal)) if journal is not None else ffi.NULL
        config.journal, config.journal_bytes, config.epoch = path, journal_bytes, epoch
        self.workers: int = config.workers
        self.max_pending: int = config.max_pending
        err = ffi.new("char[]", ERR_MAX)
        out = ffi.new("pvm_executor **")
        check(lib.pvm_executor_start(config, out, err), err)
        self._executor: Any = out[0]
        self._stopped = False
        self.triggers = Triggers(lambda: self.handle)
        self.flows = Flows(lambda: self.handle)

    def add(
        self,
        program: Program,
        lane: Lane = Lane.REGULAR,
        limits: Limits | None = None,
        **options: Unpack[AddOptions],
    ) -> int:
        """Take in one version of a task; returns its id.

        Raises VmError if a path of the program's permissions cannot be opened.
        """
        err = ffi.new("char[]", ERR_MAX)
        config = raw_task_config(lane, limits, options)
        return check(lib.pvm_task_add(self.handle, program.handle, config, err), err)

    def withdraw(self, task: int) -> None:
        """Refuse new work for the task. What was accepted still runs."""
        check(lib.pvm_task_withdraw(self.handle, task))

    def chain(self, first: int, nodes: Sequence[ChainNode]) -> None:
        """From now on, each invocation of `first` starts these tasks after it; none: nothing.

        They get a map of "input", "results" and "failures", and have a completion each. Nodes
        come after those they name. At most 64 tasks, the first included. Raises UnknownTask for
        one that was withdrawn, VmError for a chain that is none.
        """
        raw = ffi.new("pvm_chain_node[]", max(1, len(nodes)))
        for place, node in enumerate(nodes):
            if not all(0 <= earlier <= place for earlier in node.after):
                fail(lib.PVM_E_INVALID)
            raw[place].task, raw[place].failure = node.task, node.failure
            raw[place].after = sum(1 << earlier for earlier in set(node.after))
        check(lib.pvm_chain_set(self.handle, first, raw, len(nodes)))

    def submit(
        self, task: int, payload: bytes, tag: int = 0, **options: Unpack[SubmitOptions]
    ) -> int:
        """Accept one invocation; returns its id.

        Or raise QueueFull, BreakerOpen, RateLimited, UnknownTask or StateError.
        """
        raw = raw_submit_options(options)
        return self.check_accepted(
            task, lib.pvm_submit(self.handle, task, tag, payload, len(payload), raw)
        )

    def cancel(self, id: int) -> bool:
        """End one invocation that was submitted, as CANCELLED; False if it has ended already.

        One that runs is interrupted, and may yet end by itself before that reaches it. While the
        executor stops, which ends all, nothing is done, and it is True.
        """
        status = lib.pvm_cancel(self.handle, id)
        if status not in (lib.PVM_E_UNKNOWN, lib.PVM_E_STATE):
            check(status)
        return bool(status != lib.PVM_E_UNKNOWN)

    def submit_many(self, task: int, payloads: Sequence[bytes], first_tag: int = 0) -> int:
        """Accept as many as there is room for, in order; returns how many.

        Tags count up from first_tag. QueueFull if there is room for none.
        """
        payloads = payloads[: self.max_pending]  # there is never room for more
        ends = ffi.new("size_t[]", list(accumulate(map(len, payloads))))
        return self.check_accepted(
            task,
            lib.pvm_submit_many(
                self.handle, task, first_tag, b"".join(payloads), ends, len(payloads), ffi.NULL
            ),
        )

    def submit_array(
        self, task: int, packed: bytes, first_tag: int = 0, **options: Unpack[SubmitOptions]
    ) -> Array:
        """Accept every element of a MessagePack array as an invocation of its own, or none.

        Each keeps a place in the lane's queue until all have ended; QueueFull if there is no room
        for all of them now. Otherwise as `submit`, but what rate and breaker refuse ends as
        REJECTED, in its place. They do not come to `collect`. ValueError: more elements than
        max_pending, options that no array can have, or a task that runs in processes or starts a
        chain.
        """
        raw = raw_submit_options(options)
        out = ffi.new("pvm_array **")
        count = lib.pvm_array_submit(self.handle, task, first_tag, packed, len(packed), raw, out)
        if count == lib.PVM_E_INVALID:
            raise ValueError(
                f"task {task}: runs in processes, the array has more elements than max_pending, "
                f"which is {self.max_pending}, the task starts a chain, or its options are out of "
                f"range: {options}"
            )
        return Array(out[0], check(count))

    def map(self, task: int, arrays: Iterable[bytes], *, ahead: int = 2) -> Iterator[Batch]:
        """Run the task on every element of MessagePack arrays: a batch for each array, in order.

        `ahead` arrays more than the one that is waited for are submitted, so that workers have
        work while the caller handles results. While the queue is full it waits for its own; with
        none of its own on their way, QueueFull.
        """
        waiting: deque[Array] = deque()
        for packed in arrays:
            while True:
                try:
                    waiting.append(self.submit_array(task, packed))
                    break
                except QueueFull:
                    if not waiting:
                        raise
                yield waiting.popleft().result()
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def collect(self, max: int = 1024, timeout_ms: int = 100) -> list[Completion]:
        """Ended invocations, in the order in which they ended; waits for the first."""
        return list(self.collect_batch(max, timeout_ms))

    def collect_batch(self, max: int = 1024, timeout_ms: int = 100) -> Batch:
        """The same, in columns."""
        raw = ffi.new("pvm_batch *")
        check(lib.pvm_collect_batch(self.handle, raw, max, timeout_ms))
        return Batch(raw)

    def trace(self, share: float) -> None:
        """Trace this share of the invocations from now on, 0 to 1; see Batch.traces."""
        check(lib.pvm_executor_trace(self.handle, share))

    def invoke(self, task: int, payload: bytes, **options: Unpack[SubmitOptions]) -> Completion:
        """Submit and wait for the result; of a chain, the first task's."""
        raw = ffi.new("pvm_completion *")
        wanted = raw_submit_options(options)
        self.check_accepted(
            task, lib.pvm_invoke(self.handle, task, payload, len(payload), wanted, raw)
        )
        return _completion(raw[0])

    def stats(self, task: int) -> TaskStats:
        """Count what the task has done so far and holds now."""
        raw = ffi.new("pvm_task_stats *")
        check(lib.pvm_task_stats_get(self.handle, task, raw))
        return TaskStats(raw.accepted, raw.finished, raw.failed, raw.running, raw.vms, raw.bytes)

    def check_accepted(self, task: int, status: int) -> int:
        """Return a submission's status if it is no error; a breaker's refusal has its reason."""
        if status != lib.PVM_E_BREAKER:
            return check(status)
        why = ffi.new("char[]", ERR_MAX)
        lib.pvm_task_breaker_explain(self.handle, task, why)
        return check(status, why)

    def breaker(self, task: int) -> Any:
        """Return the task's circuit breaker as a pvm_breaker_snapshot."""
        snapshot = ffi.new("pvm_breaker_snapshot *")
        check(lib.pvm_task_breaker_read(self.handle, task, snapshot))
        return snapshot[0]

    def restore_breaker(self, task: int, fields: Mapping[str, Any]) -> None:
        """Go on where an earlier process stood, given the fields of a pvm_breaker_snapshot."""
        snapshot = ffi.new("pvm_breaker_snapshot *", dict(fields))
        check(lib.pvm_task_breaker_restore(self.handle, task, snapshot))

    def force_breaker(self, task: int, hold: int) -> None:
        """An operator's order, a pvm_breaker_hold: 0 as the rules say, 1 open, 2 closed."""
        check(lib.pvm_task_breaker_force(self.handle, task, hold))

    def note_crash(self, task: int) -> None:
        """Tell the task's breaker of an invocation that ended with an earlier process."""
        check(lib.pvm_task_breaker_crashed(self.handle, task))

    def threads(self) -> ThreadStats:
        """Count the worker threads, and those that were given up."""
        raw = ffi.new("pvm_executor_stats *")
        check(lib.pvm_executor_stats_get(self.handle, raw))
        return ThreadStats(raw.threads, raw.stuck, raw.unserved, raw.pauses)

    def note_position(self, position: int) -> None:
        """Keep in the journal how much of its input the host has submitted, in its own unit."""
        lib.pvm_executor_note_position(self.handle, position)

    def stop(self, drain_ms: int = 5000) -> int:
        """Finish accepted work for up to drain_ms, cancel the rest, end the workers.

        Completions stay collectable. Returns how many invocations were cancelled.
        """
        self._stopped = True
        return check(lib.pvm_executor_stop(self.handle, drain_ms))

    def close(self) -> None:
        """Stop if need be, and free. Uncollected completions are dropped."""
        if self._executor is None:
            return
        if not self._stopped:
            self.stop(0)
        lib.pvm_executor_free(self._executor)
        self._executor = None

    @property
    def handle(self) -> Any:
        """The pvm_executor. Raises StateError after `close`."""
        if self._executor is None:
            fail(lib.PVM_E_STATE)
        return self._executor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

"""PolyVM as a contender: single VMs, and the executor."""

import os
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders.serve import digest, percentiles, pin, resident_bytes, serve
from bench.workloads import CLASSES, runs_of
from polyvm import vm
from polyvm.vm import toolchain

BENCH = Path(__file__).resolve().parent.parent
HEADER = 16
"""Bytes before the marshalled code in a .pyc."""
MAX_PENDING = 1 << 16
ARRAY = 1024
"""Invocations submitted together, at most."""

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode


def made(name: str, entry: str, sources: dict[str, Path | bytes]) -> vm.Program:
    """A program whose modules are compiled from the given files or texts."""
    modules = {}
    for module, source in sources.items():
        text = source if isinstance(source, bytes) else source.read_bytes()
        pyc = toolchain.compile(text, f"{name}/{module}.py")
        modules[module] = vm.Module(code=pyc[HEADER:], package=False)
    return vm.Program(name, "1", entry, modules=modules, assets={})


def load(one: vm.Vm, program_: vm.Program) -> None:
    """Load, with the task's own traceback in the error."""
    try:
        one.load(program_)
    except vm.VmError as error:
        raise RuntimeError(f"{error}\n{error.traceback}") from error


def value_of(outcome: vm.Outcome, data: bytes) -> Any:
    if outcome != vm.Outcome.DONE:
        raise RuntimeError(f"{outcome!r}: {data.decode(errors='replace')}")
    return decode(data)


# -- one VM -----------------------------------------------------------------------------------

ready: dict[str, vm.Vm] = {}


def timed_in_vm(
    name: str, sources: dict[str, Path | bytes], order: Any, warm_up: Any
) -> dict[str, Any]:
    """Run a timing task in a VM of its own, which is kept; first use warms it up."""
    one = ready.get(name)
    if one is None:
        one = vm.Vm()
        load(one, made(name, "main:run", sources))
        value_of(*one.call(encode(warm_up)))
        ready[name] = one
    told: dict[str, Any] = value_of(*one.call(encode(order)))
    return told


def program(name: str, n: int, repeat: int) -> dict[str, Any]:
    """Time one program; the first time, after a call that warms the VM up."""
    sources: dict[str, Path | bytes] = {
        "main": BENCH / "inside" / "program_task.py",
        "timing": BENCH / "inside" / "timing.py",
        "program": BENCH / "programs" / f"{name}.py",
    }
    order = {"n": n, "repeat": repeat}
    return timed_in_vm(f"program-{name}", sources, order, {"n": n, "repeat": 1})


def workload(kind: str, count: int, repeat: int) -> dict[str, Any]:
    """Time one class of task in one VM, called directly."""
    sources: dict[str, Path | bytes] = {
        "main": BENCH / "inside" / "workload_task.py",
        "timing": BENCH / "inside" / "timing.py",
        "workload": BENCH / "workloads" / f"{kind}.py",
    }
    order = {"count": count, "repeat": repeat}
    told = timed_in_vm(f"class-{kind}", sources, order, {"count": count, "repeat": 1})
    return told | {"value": digest(told["value"])}


# -- the executor -----------------------------------------------------------------------------

executor: vm.Executor | None = None
tasks: dict[str, int] = {}


def open_pool(kind: str, workers: int, classes: list[str], chunk: int = 1) -> int:
    """Start an executor and warm it up with the classes; kind and chunk are other pools'."""
    global executor  # noqa: PLW0603 - one process serves one executor at a time
    del kind, chunk
    close_pool()
    executor = vm.Executor(workers=workers, max_pending=MAX_PENDING)
    for name in classes:
        path = BENCH / "workloads" / f"{name}.py"
        tasks[name] = executor.add(made(name, "main:run", {"main": path}))
    for name in classes:
        # Enough at once that every worker gets its share and so its VM.
        run_batch(runs_of(name, 32 * workers))
    return workers


def opened() -> vm.Executor:
    if executor is None:
        raise RuntimeError("open a pool first")
    return executor


def run_batch(runs: list[tuple[str, list[Any]]]) -> list[Any]:
    """Submit all payloads in arrays, in order; every result, in the same order.

    As a user would who has them all: what has ended is decoded while the rest runs.
    """
    pool = opened()
    results: list[Any] = []
    waiting: deque[vm.Array] = deque()
    for name, payloads in runs:
        for start in range(0, len(payloads), ARRAY):
            packed = encode(payloads[start : start + ARRAY])
            while True:
                try:
                    waiting.append(pool.submit_array(tasks[name], packed))
                    break
                except vm.QueueFull:
                    results += values_of(waiting.popleft())
            while waiting and waiting[0].wait(0):
                results += values_of(waiting.popleft())
    for array in waiting:
        results += values_of(array)
    return results


def values_of(array: vm.Array) -> list[Any]:
    """The results of one array, all of which must be there."""
    done = array.result()
    if done.not_done:
        for each in done:
            value_of(each.outcome, each.data)
    values: list[Any] = decode(done.packed)
    return values


def settle(completions: list[vm.Completion], results: list[Any]) -> int:
    """Put each result in its place; returns how many there were."""
    for done in completions:
        if done.outcome:
            value_of(done.outcome, done.data)
        results[done.tag] = decode(done.data)
    return len(completions)


def batch(kind: str, count: int) -> dict[str, Any]:
    """Run `count` tasks (rounds of the mix, when kind is "mixed")."""
    runs = runs_of(kind, count)
    start = time.perf_counter_ns()
    results = run_batch(runs)
    elapsed = time.perf_counter_ns() - start
    return {"ns": elapsed, "count": len(results), "digest": digest(results)}


def one_by_one(kind: str, count: int) -> dict[str, Any]:
    """As batch, with one submit for each task instead of one for many."""
    pool = opened()
    task = tasks[kind]
    payloads = [CLASSES[kind].payload(i) for i in range(count)]
    results: list[Any] = [None] * count
    missing = count
    start = time.perf_counter_ns()
    for tag, payload in enumerate(payloads):
        packed = encode(payload)
        while True:
            try:
                pool.submit(task, packed, tag)
                break
            except vm.QueueFull:
                missing -= settle(pool.collect(4096, 1000), results)
    while missing:
        missing -= settle(pool.collect(4096, 1000), results)
    elapsed = time.perf_counter_ns() - start
    return {"ns": elapsed, "count": count, "digest": digest(results)}


def latency(kind: str, count: int) -> dict[str, Any]:
    """Invoke one task, wait for its result, and again: percentiles of the round trip."""
    pool = opened()
    task = tasks[kind]
    payload = CLASSES[kind].payload(0)
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        done = pool.invoke(task, encode(payload))
        value_of(done.outcome, done.data)
        times.append(time.perf_counter_ns() - start)
    return percentiles(times)


def close_pool() -> None:
    global executor  # noqa: PLW0603 - see open_pool
    if executor is not None:
        executor.stop(drain_ms=1000)
        executor.close()
        executor = None
        tasks.clear()


# -- limits and lanes -------------------------------------------------------------------------

TRIVIAL = b"def run(payload):\n    return payload\n"
COUNTING = b"def run(n):\n    total = 0\n    for i in range(n): total += i\n    return total\n"
GENEROUS = vm.Limits(
    deadline_ns=600 * 10**9, timeout_ns=600 * 10**9, memory_bytes=2**32, max_running=10**6
)
"""Limits that nothing here reaches: what is measured is the accounting."""


def value_of_invocation(done: vm.Completion) -> Any:
    return value_of(done.outcome, done.data)


def limits(kind: str, count: int) -> dict[str, Any]:
    """Nanoseconds of one batch of a task without limits, and of the same task with all of them."""
    path = BENCH / "workloads" / f"{kind}.py"
    packed = [encode(CLASSES[kind].payload(i)) for i in range(count)]
    found = {}
    with vm.Executor(workers=1, max_pending=MAX_PENDING) as pool:
        for name, limit in (("free", None), ("limited", GENEROUS)):
            task = pool.add(made(name, "main:run", {"main": path}), limits=limit)
            for turn in range(2):  # the first warms up
                start = time.perf_counter_ns()
                pool.submit_many(task, packed)
                left = count
                while left:
                    left -= len(pool.collect(4096, 1000))
                found[name] = time.perf_counter_ns() - start
                del turn
    return found


def saturated(preempt: bool, count: int, work: int) -> dict[str, Any]:
    """Core invocations while the low lane has more work than cores: from acceptance to the end.

    As the executor tells it, so that the host's own Python does not come in between.
    """
    cores = len(os.sched_getaffinity(0))
    times = []
    with vm.Executor(workers=cores, preempt=preempt, max_pending=MAX_PENDING) as pool:
        low = pool.add(made("low", "main:run", {"main": COUNTING}), vm.Lane.LOW)
        core = pool.add(made("core", "main:run", {"main": COUNTING}), vm.Lane.CORE)
        value_of_invocation(pool.invoke(core, encode(1)))
        waiting = 0
        for _ in range(count):
            while waiting < 4 * cores:
                pool.submit(low, encode(3_000_000))
                waiting += 1
            done = pool.invoke(core, encode(work))
            value_of_invocation(done)
            times.append(done.queued_ns + done.load_ns + done.run_ns)
            waiting -= len(pool.collect(64, 0))
            time.sleep(0.002)
        pauses = pool.threads().pauses
        pool.stop(0)
    return percentiles(times) | {
        "pauses": pauses,
    }


def stuck(source: str, timeout_ns: int) -> dict[str, Any]:
    """How long after its time-out the invocation of a task that never ends has ended."""
    with vm.Executor(workers=1) as pool:
        limit = vm.Limits(timeout_ns=timeout_ns, memory_bytes=2**28)
        task = pool.add(made("stuck", "main:run", {"main": source.encode()}), limits=limit)
        after = pool.add(made("after", "main:run", {"main": TRIVIAL}))
        start = time.perf_counter_ns()
        done = pool.invoke(task, encode(None))
        ended = time.perf_counter_ns()
        value_of_invocation(pool.invoke(after, encode(1)))
        served = time.perf_counter_ns()
        lost = pool.threads().stuck
        pool.stop(0)
    return {
        "outcome": done.outcome.name.lower(),
        "late_ns": ended - start - timeout_ns,
        "served_ns": served - start - timeout_ns,
        "replaced": lost > 0,
    }


# -- arrays -----------------------------------------------------------------------------------

array_pools: dict[int, tuple[vm.Executor, int]] = {}


def array_tasks(workers: int, count: int) -> dict[str, Any]:
    """Run `count` tasks that work on arrays; the executor is kept, and warmed up at first."""
    known = array_pools.get(workers)
    if known is None:
        pool = vm.Executor(workers=workers, max_pending=MAX_PENDING)
        path = BENCH / "arrays" / "model_task.py"
        known = array_pools[workers] = pool, pool.add(made("model", "main:run", {"main": path}))
        values_of(pool.submit_array(known[1], encode(list(range(64 * workers)))))
    pool, task = known
    start = time.perf_counter_ns()
    results = values_of(pool.submit_array(task, encode(list(range(count)))))
    elapsed = time.perf_counter_ns() - start
    return {"ns": elapsed, "count": count, "digest": digest(results)}


# -- the life of VMs --------------------------------------------------------------------------


def create(count: int) -> dict[str, Any]:
    """Create `count` VMs and keep them: nanoseconds of each, memory, retiring times."""
    vm.Vm().retire()
    before = resident_bytes()
    times = []
    made_vms = []
    for _ in range(count):
        start = time.perf_counter_ns()
        made_vms.append(vm.Vm())
        times.append(time.perf_counter_ns() - start)
    held = resident_bytes()
    counted = sum(one.stats().bytes for one in made_vms)
    retiring = []
    for one in made_vms:
        start = time.perf_counter_ns()
        one.retire()
        retiring.append(time.perf_counter_ns() - start)
    return {
        "create_ns": times,
        "retire_ns": retiring,
        "bytes": held - before,
        "counted_bytes": counted,
        "left_bytes": resident_bytes() - before,
    }


def resets(count: int) -> dict[str, Any]:
    """Reset a VM that has loaded and run a task, `count` times: nanoseconds of each."""
    program_ = made("trivial", "main:run", {"main": TRIVIAL})
    payload = encode(1)
    one = vm.Vm()
    times = []
    for _ in range(count):
        load(one, program_)
        value_of(*one.call(payload))
        start = time.perf_counter_ns()
        one.reset()
        times.append(time.perf_counter_ns() - start)
    one.retire()
    return {"reset_ns": times}


def warm(count: int) -> dict[str, Any]:
    """First invocations of `count` tasks, each into a clean VM held ready.

    load_ns is what the executor says it took to make the VM ready: taking it and importing
    the task's one-line module. The worker has time to make the next VM before each.
    """
    pool = vm.Executor(workers=1, max_pending=64, vms_per_worker=count + 8, warm_vms=2)
    times = []
    trips = []
    payload = encode(1)
    for i in range(count + 2):
        task = pool.add(made(f"trivial-{i}", "main:run", {"main": TRIVIAL}))
        time.sleep(0.03)
        start = time.perf_counter_ns()
        done = pool.invoke(task, payload)
        trips.append(time.perf_counter_ns() - start)
        value_of(done.outcome, done.data)
        times.append(done.load_ns)
    pool.stop(drain_ms=1000)
    pool.close()
    return {"load_ns": times[2:], "trip_ns": trips[2:]}


# -- memory over time -------------------------------------------------------------------------


def reset_cycles(cycles: int, samples: int) -> dict[str, Any]:
    """Load, call and reset one VM over and over: resident bytes along the way."""
    program_ = made("cycle", "main:run", {"main": BENCH / "workloads" / "light.py"})
    payload = encode(CLASSES["light"].payload(0))
    every = max(1, cycles // samples)
    one = vm.Vm()
    at = []
    resident = []
    for cycle in range(cycles):
        load(one, program_)
        value_of(*one.call(payload))
        one.reset()
        if cycle % every == every - 1:
            at.append(cycle + 1)
            resident.append(resident_bytes())
    one.retire()
    return {"at": at, "bytes": resident}


def many_tasks(count: int, rounds: int, samples: int) -> dict[str, Any]:
    """Load `count` tasks into one process, then invoke all of them `rounds` times over.

    One worker, so that every task has one VM, which it keeps. Returns resident bytes while
    loading, then over the rounds.
    """
    payload = encode(CLASSES["light"].payload(0))
    before = resident_bytes()
    pool = vm.Executor(workers=1, max_pending=4096, vms_per_worker=count, warm_vms=0)
    source = BENCH / "workloads" / "light.py"
    ids = []
    at = []
    resident = []
    every = max(1, count // samples)
    for i in range(count):
        task = pool.add(made(f"task-{i}", "main:run", {"main": source}))
        done = pool.invoke(task, payload)
        value_of(done.outcome, done.data)
        ids.append(task)
        if i % every == every - 1:
            at.append(i + 1)
            resident.append(resident_bytes())
    loaded = len(at)
    for turn in range(rounds):
        for task in ids:
            pool.submit(task, payload, task)
            for done in pool.collect(64, 0):
                value_of(done.outcome, done.data)
        while any(pool.stats(task).accepted > pool.stats(task).finished for task in ids[-64:]):
            for done in pool.collect(4096, 10):
                value_of(done.outcome, done.data)
        at.append(count * (turn + 2))
        resident.append(resident_bytes())
    vms = sum(pool.stats(task).vms for task in ids)
    pool.stop(drain_ms=5000)
    pool.close()
    return {
        "at": at,
        "bytes": resident,
        "loaded": loaded,
        "before": before,
        "vms": vms,
        "left_bytes": resident_bytes(),
    }


def hello() -> dict[str, Any]:
    info = vm.info()
    return {
        "release": info.release,
        "compiler": info.compiler,
        "build": info.build,
        "flavour": info.flavour,
        "library": str(info.library_path),
    }


def main() -> None:
    serve(
        {
            "hello": hello,
            "pin": pin,
            "program": program,
            "workload": workload,
            "open_pool": open_pool,
            "batch": batch,
            "one_by_one": one_by_one,
            "latency": latency,
            "close_pool": close_pool,
            "limits": limits,
            "saturated": saturated,
            "stuck": stuck,
            "array_tasks": array_tasks,
            "create": create,
            "resets": resets,
            "warm": warm,
            "reset_cycles": reset_cycles,
            "many_tasks": many_tasks,
        }
    )

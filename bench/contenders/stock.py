"""Stock CPython as a contender: its own loop, threads, processes and interpreters."""

import importlib
import platform
import time
from concurrent import futures
from typing import Any

from bench.contenders.serve import digest, percentiles, pin, resident_bytes, serve
from bench.inside.timing import timed
from bench.workloads import CLASSES, runs_of


def program(name: str, n: int, repeat: int) -> dict[str, Any]:
    """Time one program; the first time, after a call that warms the interpreter up."""
    module = importlib.import_module(f"bench.programs.{name}")
    if name not in warmed:
        warmed.add(name)
        module.run(n)
    return timed(lambda: module.run(n), repeat)


def workload(kind: str, count: int, repeat: int) -> dict[str, Any]:
    """Time one class of task, called directly."""
    module = CLASSES[kind]
    payloads: list[Any] = [module.payload(i) for i in range(count)]
    run: Any = module.run
    if kind not in warmed:
        warmed.add(kind)
        timed(lambda: [run(payload) for payload in payloads], 1)
    told = timed(lambda: [run(payload) for payload in payloads], repeat)
    return told | {"value": digest(told["value"])}


warmed: set[str] = set()


class Pool:
    """One open executor of the standard library."""

    def __init__(self, kind: str, workers: int, chunk: int) -> None:
        self.workers = workers
        self.chunk = chunk
        if kind == "threads":
            self.executor: futures.Executor = futures.ThreadPoolExecutor(workers)
        elif kind == "processes":
            self.executor = futures.ProcessPoolExecutor(workers)
        elif kind == "interpreters":
            self.executor = futures.InterpreterPoolExecutor(workers)  # type: ignore[attr-defined]
        else:
            raise ValueError(f"no pool is called {kind!r}")

    def batch(self, kind: str, count: int) -> tuple[int, list[Any]]:
        """Run `count` tasks (rounds of the mix, when kind is "mixed"): nanoseconds, results."""
        runs = runs_of(kind, count)
        works: list[Any] = [CLASSES[name].run for name, inputs in runs for _ in inputs]
        payloads = [payload for _, inputs in runs for payload in inputs]
        start = time.perf_counter_ns()
        if kind == "mixed":
            results = list(self.executor.map(call, works, payloads, chunksize=self.chunk))
        else:
            results = list(self.executor.map(works[0], payloads, chunksize=self.chunk))
        return time.perf_counter_ns() - start, results


def call(work: Any, payload: Any) -> Any:
    return work(payload)


pool: Pool | None = None


def open_pool(kind: str, workers: int, classes: list[str], chunk: int = 1) -> int:
    """Open an executor and warm it up with the classes. Returns the number of workers."""
    global pool  # noqa: PLW0603 - one process serves one executor at a time
    close_pool()
    pool = Pool(kind, workers, chunk)
    for name in classes:
        pool.batch(name, 4 * workers)
    return workers


def opened() -> Pool:
    if pool is None:
        raise RuntimeError("open a pool first")
    return pool


def batch(kind: str, count: int) -> dict[str, Any]:
    elapsed, results = opened().batch(kind, count)
    return {"ns": elapsed, "count": len(results), "digest": digest(results)}


def latency(kind: str, count: int) -> dict[str, Any]:
    """Submit one task, wait for its result, and again: percentiles of the round trip."""
    executor = opened().executor
    module = CLASSES[kind]
    work: Any = module.run
    payload = module.payload(0)
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        executor.submit(work, payload).result()
        times.append(time.perf_counter_ns() - start)
    return percentiles(times)


def close_pool() -> None:
    global pool  # noqa: PLW0603 - see open_pool
    if pool is not None:
        pool.executor.shutdown()
        pool = None


def create(count: int) -> dict[str, Any]:
    """Create `count` interpreters and keep them: nanoseconds of each, memory, closing times."""
    interpreters: Any = importlib.import_module("concurrent.interpreters")
    interpreters.create().close()
    before = resident_bytes()
    times = []
    made = []
    for _ in range(count):
        start = time.perf_counter_ns()
        made.append(interpreters.create())
        times.append(time.perf_counter_ns() - start)
    held = resident_bytes()
    closing = []
    for one in made:
        start = time.perf_counter_ns()
        one.close()
        closing.append(time.perf_counter_ns() - start)
    return {
        "create_ns": times,
        "retire_ns": closing,
        "bytes": held - before,
        "left_bytes": resident_bytes() - before,
    }


def hello() -> dict[str, Any]:
    return {"release": platform.python_version(), "compiler": platform.python_compiler()}


def main() -> None:
    serve(
        {
            "hello": hello,
            "pin": pin,
            "program": program,
            "workload": workload,
            "open_pool": open_pool,
            "batch": batch,
            "latency": latency,
            "close_pool": close_pool,
            "create": create,
        }
    )

"""Ray on this machine alone as a contender: one actor for each worker."""

import itertools
import os
import time
from typing import Any

import ray  # type: ignore[import-not-found, unused-ignore]

from bench.contenders.serve import digest, percentiles, pin, serve
from bench.workloads import CLASSES

CALLS_AT_ONCE = 4_000
"""Calls on their way at a time: as many as the machine's object store and memory bear."""

actors: list[Any] = []


class Worker:
    """What an actor is made of: it runs tasks of one class."""

    def __init__(self, kind: str) -> None:
        self._run: Any = CLASSES[kind].run

    def run(self, payload: Any) -> Any:
        return self._run(payload)


def open_pool(kind: str, workers: int, classes: list[str], chunk: int = 1) -> int:
    """Start Ray and its actors. Actors, not tasks: a task is sent to a new lease each time."""
    del kind, chunk
    close_pool()
    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        ignore_reinit_error=True,
    )
    remote: Any = ray.remote(num_cpus=1)(Worker)
    actors.extend(remote.remote(classes[0]) for _ in range(workers))
    batch(classes[0], 64 * workers)
    return workers


def batch(kind: str, count: int) -> dict[str, Any]:
    """Call the actors in turn, and get all results in order."""
    payloads = [CLASSES[kind].payload(i) for i in range(count)]
    turns = itertools.cycle(actors)
    results: list[Any] = []
    start = time.perf_counter_ns()
    for first in range(0, count, CALLS_AT_ONCE):
        part = payloads[first : first + CALLS_AT_ONCE]
        results += ray.get([next(turns).run.remote(payload) for payload in part])
    elapsed = time.perf_counter_ns() - start
    return {"ns": elapsed, "count": count, "digest": digest(results)}


def latency(kind: str, count: int) -> dict[str, Any]:
    """Call one actor, wait for its result, and again: percentiles of the round trip."""
    payload = CLASSES[kind].payload(0)
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        ray.get(actors[0].run.remote(payload))
        times.append(time.perf_counter_ns() - start)
    return percentiles(times)


def close_pool() -> None:
    if actors:
        actors.clear()
        ray.shutdown()


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        serve({"pin": pin, "open_pool": open_pool, "batch": batch, "latency": latency})
    finally:
        close_pool()

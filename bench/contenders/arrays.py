"""`polyvm.np` in ordinary Python beside NumPy, in one process and on one thread."""

import gc
import os
from collections.abc import Callable
from functools import cache
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))  # read when the libraries are loaded

import numpy  # noqa: E402, ICN001 - the peer, by its own name

from bench.arrays import model_task  # noqa: E402
from bench.arrays.operations import OPERATIONS  # noqa: E402
from bench.contenders.serve import pin, serve  # noqa: E402
from polyvm import np  # noqa: E402

SAMPLE_NS = 400_000
"""What one timing takes at least, so that the clock and the loop do not count."""


def versions() -> dict[str, str]:
    """What is compared."""
    return {"numpy": numpy.__version__, "isa": np._core.tensor._isa()}  # noqa: SLF001


def _spent(call: Callable[[], Any], count: int) -> int:
    start = thread_time_ns()
    for _ in repeat(None, count):
        call()
    return thread_time_ns() - start


def _agree(ours: Any, theirs: Any, random: bool) -> bool:
    mine, other = numpy.asarray(ours), numpy.asarray(theirs)
    if mine.shape != other.shape or mine.dtype != other.dtype:
        return False
    return random or numpy.allclose(mine, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def _prepared(name: str, size: int) -> list[Callable[[], Any]] | str:
    """The calls of both; what is missing, if `polyvm.np` has no such function."""
    try:
        calls = [OPERATIONS[name].call(xp, size) for xp in (np, numpy)]
        calls[0]()
    except AttributeError as error:
        return str(error)
    return calls


def same(name: str, size: int) -> dict[str, Any]:
    """Whether both compute the same."""
    calls = _prepared(name, size)
    if isinstance(calls, str):
        return {"missing": calls}
    ours, theirs = (call() for call in calls)
    return {"same": bool(_agree(ours, theirs, OPERATIONS[name].random))}


def measure(name: str, size: int, rounds: int) -> dict[str, Any]:
    """Nanoseconds of a call, [ours, NumPy's], round by round; who is first takes turns."""
    calls = _prepared(name, size)
    if isinstance(calls, str):
        return {"missing": calls}
    counts = []
    for call in calls:
        count = 1
        while (spent := _spent(call, count)) < SAMPLE_NS // 4:
            count *= 4
        counts.append(max(1, round(count * SAMPLE_NS / max(spent, 1))))
    times: list[list[float]] = [[], []]
    gc.disable()
    for turn in range(rounds):
        for who in (0, 1) if turn % 2 else (1, 0):
            times[who].append(_spent(calls[who], counts[who]) / counts[who])
    gc.enable()
    return {"ns": times}


@cache
def _model() -> Callable[[int], Any]:
    """The task of model_task.py, with NumPy in the place of `polyvm.np`."""
    source = Path(model_task.__file__).read_text().replace("from polyvm import np", "")
    names: dict[str, Any] = {"np": numpy}
    exec(source, names)
    run: Callable[[int], Any] = names["run"]
    return run


def model(count: int) -> dict[str, Any]:
    """Run it so often: nanoseconds of all together."""
    run = _model()
    start = perf_counter_ns()
    for seed in range(count):
        run(seed)
    return {"ns": perf_counter_ns() - start, "count": count}


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "versions": versions, "same": same, "measure": measure, "model": model})

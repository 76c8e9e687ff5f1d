"""Serve requests from standard input: one JSON object a line in, one a line out."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

Operation = Callable[..., Any]


def serve(operations: Mapping[str, Operation]) -> None:
    """Answer {"op": name, ...arguments} with {"ok": reply} or {"error": text} until the end.

    What else is printed goes to standard error: nothing can mix with the answers.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("op")
        try:
            reply = {"ok": operations[name](**request)}
        except Exception:  # noqa: BLE001 - whatever went wrong is the answer
            reply = {"error": traceback.format_exc()}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def resident_bytes() -> int:
    """Memory of this process that is in RAM now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def digest(values: Any) -> str:
    """A fingerprint by which contenders' results are compared; tuples count as lists."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def pin(cpus: list[int]) -> list[int]:
    """Keep this process, and threads it starts from now on, on the given CPUs."""
    if cpus:
        os.sched_setaffinity(0, cpus)
    return sorted(os.sched_getaffinity(0))


def percentile(sorted_values: list[int], share: float) -> int:
    """The value below which `share` of the sorted values lie."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def percentiles(times: list[int]) -> dict[str, int]:
    """What a section shows of many durations."""
    times = sorted(times)
    return {
        "p50": percentile(times, 0.5),
        "p99": percentile(times, 0.99),
        "p999": percentile(times, 0.999),
        "count": len(times),
    }

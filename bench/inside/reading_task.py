"""Reads features one by one, and says how long each took."""

import time
from typing import Any

import polyvm

KEYS = 2_000


def run(count: int) -> dict[str, Any]:
    table = polyvm.features("reads")
    keys = [f"session-{number * 7 % KEYS}" for number in range(KEYS)]
    clock, get = time.perf_counter_ns, table.get
    times, found = [], 0
    for number in range(count):
        key = keys[number % KEYS]
        before = clock()
        row = get(key)
        times.append(clock() - before)
        found += row is not None
    return {"times": times, "found": found}

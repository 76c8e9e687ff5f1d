"""Entry module of the VM task that times one workload class without any executor."""

import timing  # type: ignore[import-not-found]
import workload  # type: ignore[import-not-found]


def run(payload: dict[str, int]) -> object:
    """payload: {"count": int, "repeat": int}. Returns what `timing.timed` returns."""
    payloads = [workload.payload(i) for i in range(payload["count"])]
    return timing.timed(lambda: [workload.run(one) for one in payloads], payload["repeat"])

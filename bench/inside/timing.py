"""The clocks around a workload, in the interpreter that runs it.

Neither transport nor codec is counted: only the calls. The clock that counts is the
thread's CPU time: the work never waits, so on an idle machine it is the wall clock, and on a
busy one it leaves out the slices that others were given.
"""

from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns


def timed(work: Callable[[], object], repeat: int) -> dict[str, object]:
    """Call ``work`` `repeat` times: CPU and wall nanoseconds of each call, the last value."""
    cpu: list[int] = []
    wall: list[int] = []
    value: object = None
    for _ in range(repeat):
        wall_start = perf_counter_ns()
        cpu_start = thread_time_ns()
        value = work()
        cpu.append(thread_time_ns() - cpu_start)
        wall.append(perf_counter_ns() - wall_start)
    return {"ns": cpu, "wall_ns": wall, "value": value}

"""One runtime that runs models, in a process of its own; on a Python that has it."""

import gc
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.contenders.serve import pin, serve
from bench.models.runtimes import RUNTIMES, CannotError, Session, Wanted, convert_for_mnn

_sessions: list[Session] = []
_inputs: dict[str, Any] = {}


def open_model(
    *, runtime: str, model: str, inputs: str, outputs: str, wanted: dict[str, Any], cpus: list[int]
) -> dict[str, Any]:
    """Load a model and run it once for each caller; what came of it goes to the file `outputs`.

    The reply says how long loading took, or why it cannot be.
    """
    global _inputs  # noqa: PLW0603 - one model at a time
    close_model()
    pin(cpus)
    with np.load(inputs) as file:
        _inputs = {name: file[name] for name in file.files}
    try:
        if runtime == "mnn":
            convert_for_mnn(Path(model))  # once for ever: no part of loading
        start = time.perf_counter_ns()
        _sessions.extend(RUNTIMES[runtime](Path(model), _inputs, Wanted(**wanted)))
        loaded = time.perf_counter_ns() - start
        for session in _sessions:
            made = session(_inputs)
    except CannotError as error:
        return {"cannot": str(error)}
    except Exception as error:  # noqa: BLE001 - a runtime may fail in any way
        return {"cannot": f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]}
    np.savez(outputs, **{name: np.asarray(array) for name, array in made.items()})
    return {"load_ns": loaded}


def close_model() -> None:
    """Let go of the model."""
    _sessions.clear()
    _inputs.clear()
    gc.collect()


def measure(seconds: float) -> dict[str, Any]:
    """All callers call for so long, at least once each: calls, and nanoseconds until the last."""
    barrier = threading.Barrier(len(_sessions) + 1)
    counts = [0] * len(_sessions)
    ends = [0] * len(_sessions)

    def call(at: int, session: Session) -> None:
        inputs = _inputs
        barrier.wait()
        start = now = time.perf_counter_ns()
        until = start + int(seconds * 1e9)
        count = 0
        while not count or now < until:
            session(inputs)
            count += 1
            now = time.perf_counter_ns()
        counts[at], ends[at] = count, now - start

    threads = [threading.Thread(target=call, args=one) for one in enumerate(_sessions)]
    for thread in threads:
        thread.start()
    gc.disable()
    barrier.wait()
    for thread in threads:
        thread.join()
    gc.enable()
    # Each caller's own rate: who ends a little later than the others is not held against them.
    return {"per_second": sum(n / ns * 1e9 for n, ns in zip(counts, ends, strict=True))}


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "open": open_model, "close": close_model, "measure": measure})

"""Entry module of the VM task that times one program; `program` and `timing` lie beside it."""

import program  # type: ignore[import-not-found]
import timing  # type: ignore[import-not-found]


def run(payload: dict[str, int]) -> object:
    """payload: {"n": int, "repeat": int}. Returns what `timing.timed` returns."""
    n = payload["n"]
    return timing.timed(lambda: program.run(n), payload["repeat"])

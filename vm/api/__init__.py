"""What a task imports: its assets, its own name, and where it runs.

The same names work in a VM and under ordinary Python:

>>> import polyvm
>>> weights = polyvm.asset("weights.json")  # doctest: +SKIP

- ``asset(path)`` gives the bytes of a file that lies beside ``task.toml``;
  ``asset_view(path)`` the same without a copy, for large ones.
- ``share(array)`` gives an array of `polyvm.np` that crosses between tasks, and to the host and
  back, without a copy of its elements.
- ``model(name)`` loads a model in ONNX, to be called with arrays; ``safetensors(name)`` gives the
  arrays of such a file.
- ``features(table)`` gives a table of features of the host's: read and write rows by key.
- ``append(event)`` hands an event to the host as any other that comes in; ``events(stream)`` reads
  those that it has kept.
- ``task.name`` and ``task.version`` are the manifest's.
- ``in_vm`` is True in a VM, False under ordinary Python (tests, ``polyvm dev``).

This package is frozen into every VM: it imports nothing at the top but `_polyvm`.
"""

from __future__ import annotations

__all__ = ["Interrupted", "Task", "append", "asset", "asset_view", "events", "features"]
__all__ += ["in_vm", "model", "safetensors", "share", "task"]

# Set, not imported: typing alone costs a VM more than the rest of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from polyvm.kept import Kept
    from polyvm.models import Model
    from polyvm.tables import Table

try:
    import _polyvm as _runtime

    in_vm: bool = True
except ImportError:
    from polyvm import _ordinary as _runtime

    in_vm = False

Interrupted: type[BaseException] = _runtime.Interrupted
"""Raised in a task that must stop: its deadline passed, it is over its quota, or the host stops.

It may be caught to clean up, for some milliseconds; raise it again.
"""


def asset(path: str) -> bytes:
    """Return the content of the task's file ``path``, relative to its ``task.toml``.

    Folders are separated by ``/``. Raises FileNotFoundError for a file that the task's bundle
    does not hold: also for ``.py`` files, tests and hidden files, which are never assets.
    """
    content: bytes = _runtime.asset(path)
    return content


def asset_view(path: str) -> memoryview:
    """Return the content of an asset as a read-only view.

    In a VM all views of one asset show the same memory, whichever VM asks: nothing is copied.
    Raises FileNotFoundError as `asset` does.
    """
    view: memoryview = _runtime.asset_view(path)
    return view


def share(array: Any) -> Any:
    """Return an array of `polyvm.np` with these elements that crosses without a copy of them.

    In a payload, a result or an event of this process only a name of it is sent, and whoever
    receives it, another task's VM or the host, has a read-only array over the same memory. So have
    views of it. Outside, in files and for tasks in processes of their own, the elements are sent.

    An array that nothing else refers to the memory of is taken over: it is returned itself, and may
    only be read from now on. Of any other, and of what is no array of `polyvm.np`, a copy is made.

    The memory counts towards the limit of the VM that made the array, until nobody has it. Raises
    MemoryError when all shared arrays of the process together have half of the machine's memory.
    """
    from polyvm.np import _core

    return _core.share(_core.asarray(array))


def model(
    source: Any,
    *,
    precision: str = "exact",
    threads: int = 1,
    budget: float | None = None,
    cache: str | None = None,
    backends: str | None = None,
) -> Model:
    """Load a model in ONNX: the task's file of this name, or bytes; see `polyvm.models.Model`.

    Under ordinary Python also a path. Equal bytes with equal options are one model in all of the
    process: loading it again costs one look at the bytes.

    precision: "exact" computes in float32 where the file says so; "fast" may use bfloat16 where the
    processor has it; "small" 8-bit weights. threads: how many one call may use, on idle cores.
    budget: seconds for choosing kernels when inputs of new shapes come, 0.3 if None; if negative
    nothing is timed. cache: a folder that keeps what was chosen. backends: names of those that may
    be used, by commas. Raises FileNotFoundError as `asset` does, ValueError for a damaged file, and
    RuntimeError for operators that there are not: all of them are named.
    """
    from polyvm.models import Model

    return Model(
        source, precision=precision, threads=threads, budget=budget, cache=cache, backends=backends
    )


def safetensors(source: Any) -> dict[str, Any]:
    """Return the arrays of a file in the safetensors format by name, read-only, without copies.

    source: as for `model`. Raises FileNotFoundError, and ValueError for a damaged file.
    """
    from polyvm import tensor_files

    return tensor_files.load(source)


def features(table: str) -> Table:
    """Return the host's table of features with this name; see `polyvm.tables.Table`.

    It is looked up when it is first used. Tables are a host's: where there is none, such as in a
    VM that a program drives by hand, using one raises RuntimeError.
    """
    from polyvm.tables import Table

    return Table(table)


def append(events: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> int:
    """Hand one event, a dict, or several to the host, as those that come to it from outside.

    They are kept, if the host keeps events, matched by triggers, and go through flows. What they
    start is submitted by the host, and runs on its own. Returns how many were taken, without
    repeated ones and dead letters. Raises TypeError and ValueError for what is no event, OSError if
    the next one cannot be kept, and RuntimeError in a run that was itself started by an appended
    event, eight times in a row, and where there is no host; its text says how many were taken.
    """
    taken: int = _runtime.append_events(events)
    return taken


def events(
    stream: str = "events",
    key: Any = None,
    *,
    since: float | None = None,
    until: float | None = None,
    after: int = 0,
    most: int = 1000,
) -> list[Kept]:
    """Return events that the host has kept in a stream, at most so many.

    With a key, those of that key, the latest first; else in the order in which they came, from
    behind the sequence number ``after`` or, with since and until, in that span of their own time,
    in seconds since the epoch. Raises LookupError for a stream that is not there, and RuntimeError
    where the host keeps no events, or there is none.
    """
    from polyvm.kept import Kept

    rows = _runtime.kept_events(stream, key, since, until, after, most)
    return [Kept(*row) for row in rows]


def series(
    field: str,
    stream: str = "events",
    *,
    key: Any = None,
    since: float | None = None,
    until: float | None = None,
    step: float | None = None,
    agg: str = "mean",
    fill: str | float = "none",
) -> list[tuple[Any, ...]]:
    """Return the numbers of a field of kept events over time, as (time, value) in its order.

    ``field`` has dots into nested maps; times are in seconds since the epoch, by the events' own.
    With a ``step``, in seconds, a row for each step: when it begins, and a value for each of
    ``agg``, of count, sum, mean, min, max, first and last with commas between. What stands for a
    step without numbers: ``fill``, "none" for no row, "null" for None, "previous", "linear", or a
    number. At most 10,000 rows. Raises LookupError for a stream that is not there, ValueError with
    the reason, and RuntimeError where the host keeps no events, or there is none.
    """
    functions = agg if step is not None else ""
    kind, value = (fill, 0.0) if isinstance(fill, str) else ("value", float(fill))
    rows = _runtime.kept_series(stream, field, key, since, until, step, functions, kind, value)
    return [tuple(row) for row in rows]


class Task:
    """The running task, as its manifest names it. Both fields are asked for at each use."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The manifest's ``name``."""
        name: str = _runtime.task()[0]
        return name

    @property
    def version(self) -> str:
        """The manifest's ``version``."""
        version: str = _runtime.task()[1]
        return version

    def __repr__(self) -> str:
        return f"<task {self.name} {self.version}>"


task = Task()

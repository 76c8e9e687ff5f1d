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
- ``task.name`` and ``task.version`` are the manifest's.
- ``in_vm`` is True in a VM, False under ordinary Python (tests, ``polyvm dev``).

This package is frozen into every VM: it imports nothing at the top but `_polyvm`.
"""

from __future__ import annotations

__all__ = ["Interrupted", "Task", "asset", "asset_view", "in_vm", "model", "safetensors"]
__all__ += ["share", "task"]

# Set, not imported: typing alone costs a VM more than the rest of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from polyvm.models import Model

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

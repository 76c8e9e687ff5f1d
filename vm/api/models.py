"""Models in ONNX: the class that `polyvm.model` gives.

Not imported before the first model is asked for.
"""

from __future__ import annotations

from polyvm import asset_view, in_vm
from polyvm.np import _core

__all__ = ["Model"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def find(source: Any) -> Any:
    """Return what the engine loads: an asset's content; or, under ordinary Python, a path."""
    if not isinstance(source, str):
        return source
    try:
        return asset_view(source)
    except FileNotFoundError:
        if in_vm:
            raise
        import os

        # a file of ordinary Python's, which may have external data beside it
        if not os.path.isfile(source):  # noqa: PTH113 - pathlib costs a VM too much
            raise
        return source


class Model:
    """A loaded model: `model(x)`, `model(x, y)` in the file's order, or `model(name=x)`.

    Inputs may be whatever `polyvm.np.asarray` takes. One output is given as an array, several as a
    dict of arrays by name. Any number of threads and VMs may call it at once; the weights of one
    file are in memory once.
    """

    __slots__ = ("_inputs", "_loaded", "_outputs")

    def __init__(self, source: Any, **options: Any) -> None:
        wanted = {name: value for name, value in options.items() if value is not None}
        self._loaded = _core.tensor.Model(find(source), **wanted)
        self._inputs = tuple(name for name, _, _ in self._loaded.inputs)
        self._outputs = tuple(name for name, _, _ in self._loaded.outputs)

    @property
    def inputs(self) -> tuple[tuple[str, str, tuple[int | str | None, ...] | None], ...]:
        """(name, dtype, shape) of each input.

        A dimension that is open is its name in the file, or None; so is a shape that is not known.
        """
        found: tuple[Any, ...] = self._loaded.inputs
        return found

    @property
    def outputs(self) -> tuple[tuple[str, str, tuple[int | str | None, ...] | None], ...]:
        """(name, dtype, shape) of each output, like `inputs`."""
        found: tuple[Any, ...] = self._loaded.outputs
        return found

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Run the model. TypeError for inputs that it has not, or that are missing."""
        if named:
            arrays = self._in_order(arrays, named)
        results = self._loaded.run(*arrays)
        if len(results) == 1:
            return results[0]
        return dict(zip(self._outputs, results, strict=True))

    def prepare(self, *arrays: Any, **named: Any) -> None:
        """Choose kernels for inputs of these shapes now, if that is not done, so no call has to.

        Without inputs: for the model's own shapes, open dimensions being 1.
        """
        self._loaded.prepare(*self._sample(arrays, named))

    def plan(self, *arrays: Any, **named: Any) -> str:
        """Describe what runs for inputs of these shapes: a line a step, with predicted times."""
        text: str = self._loaded.describe(0, *self._sample(arrays, named))
        return text

    def profile(self, *arrays: Any, rounds: int = 10, **named: Any) -> str:
        """Describe it after so many runs with these inputs, with measured times."""
        text: str = self._loaded.describe(max(1, rounds), *self._sample(arrays, named))
        return text

    def zeros(self, shapes: Mapping[str, tuple[int, ...]] | None = None) -> tuple[Any, ...]:
        """Return zeros for all inputs, of these shapes, else the model's, open dimensions being 1.

        Raises ValueError for a name that is none, and for an input whose shape has to be given.
        """
        shapes = shapes or {}
        for name in shapes:
            if name not in self._inputs:
                known = ", ".join(self._inputs)
                raise ValueError(f"the model has no input {name!r}; its inputs are {known}")
        made = []
        for name, dtype, shape in self.inputs:
            wanted = shapes.get(name, shape)
            if wanted is None:
                raise ValueError(f"the shape of the model's input {name!r} has to be given")
            sizes = tuple(size if isinstance(size, int) else 1 for size in wanted)
            made.append(_core.zeros(sizes, dtype=_core.dtype(dtype or "float32")))
        return tuple(made)

    def _sample(self, arrays: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        if arrays or named:
            return self._in_order(arrays, named)
        return self.zeros()

    @property
    def nbytes(self) -> int:
        """Bytes of weights, packed ones included, shared by all who use the model."""
        count: int = self._loaded.nbytes
        return count

    def __repr__(self) -> str:
        return f"<model of {', '.join(self._inputs)} to {', '.join(self._outputs)}>"

    def _in_order(self, arrays: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        names = self._inputs
        known = f"its inputs are {', '.join(names)}"
        if len(arrays) > len(names):
            raise TypeError(f"the model was given {len(arrays)} inputs and more; {known}")
        rest = names[len(arrays) :]
        for name in named:
            if name not in names:
                raise TypeError(f"the model has no input {name!r}; {known}")
            if name not in rest:
                raise TypeError(f"the model was given its input {name!r} twice")
        for name in rest:
            if name not in named:
                raise TypeError(f"the model's input {name!r} is missing; {known}")
        return arrays + tuple(named[name] for name in rest)

"""Models in ONNX: the class that `polyvm.model` gives.

Not imported before the first model is asked for.
"""

from __future__ import annotations

from polyvm import asset_view
from polyvm.np import _core

__all__ = ["Model"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Model:
    """A loaded model: `model(x)`, `model(x, y)` in the file's order, or `model(name=x)`.

    Inputs may be whatever `polyvm.np.asarray` takes. One output is given as an array, several as a
    dict of arrays by name. Any number of threads and VMs may call it at once; the weights of one
    file are in memory once.
    """

    __slots__ = ("_inputs", "_loaded", "_outputs")

    def __init__(self, source: Any, **options: Any) -> None:
        if isinstance(source, str):
            source = asset_view(source)
        self._loaded = _core.tensor.Model(source, **options)
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

"""Inputs to try a model on: the user's, or drawn ones."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm import np
from polyvm.host.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyvm.models import Model

Sample = dict[str, Any]
"""An array for each input, by name."""

_SEED = 20250101
_DRAWN = 4  # samples, where the user has none


def load(path: Path, model: Model) -> list[Sample]:
    """Read samples: ``.npz`` or ``.jsonl``. Raises ModelError.

    In an ``.npz`` each input has an array of its name, of one dimension more than the input, whose
    first counts samples; or of as many, and then it is one sample. A line of a ``.jsonl`` is one
    sample, an object of nested lists.
    """
    try:
        if path.suffix == ".npz":
            found = _from_arrays(dict(np.load(str(path))), model)
        elif path.suffix == ".jsonl":
            found = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        else:
            raise ModelError(f"{path}: samples are in an .npz or a .jsonl file")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no samples can be read from it: {error}") from None
    if not found:
        raise ModelError(f"{path}: there are no samples in it")
    return [_checked(sample, model, f"{path}: sample {i}") for i, sample in enumerate(found)]


def _from_arrays(arrays: Mapping[str, Any], model: Model) -> list[Sample]:
    stacked, count = {}, 1
    for name, _, shape in model.inputs:
        array = arrays.get(name)
        if array is None:
            raise ValueError(f"it has no array for the input {name!r}")
        several = shape is not None and array.ndim == len(shape) + 1
        stacked[name] = (array, several)
        if several:
            count = array.shape[0] if count == 1 else min(count, array.shape[0])
    return [
        {name: array[i] if several else array for name, (array, several) in stacked.items()}
        for i in range(count)
    ]


def _checked(sample: Any, model: Model, where: str) -> Sample:
    if not isinstance(sample, dict):
        raise ModelError(f"{where} is no object of inputs by name")
    made = {}
    for name, dtype, _ in model.inputs:
        if name not in sample:
            raise ModelError(f"{where} has nothing for the input {name!r}")
        try:
            made[name] = np.asarray(sample[name]).astype(dtype or "float32")
        except (ValueError, TypeError) as error:
            raise ModelError(f"{where}: the input {name!r} is no array: {error}") from None
    return made


def draw(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> list[Sample]:
    """Draw samples by a fixed seed: standard normal floats, small integers."""
    generator = random.Random(_SEED)  # noqa: S311 - not for secrets
    return [
        {
            name: _drawn(zeros, generator)
            for (name, _, _), zeros in zip(model.inputs, model.zeros(shapes), strict=True)
        }
        for _ in range(_DRAWN)
    ]


def _drawn(zeros: Any, generator: random.Random) -> Any:
    count = math.prod(zeros.shape)
    if zeros.dtype.kind == "f" or zeros.dtype.name == "bfloat16":
        values = [generator.gauss(0, 1) for _ in range(count)]
    else:
        values = [generator.randrange(2) for _ in range(count)]
    return np.asarray(values).reshape(zeros.shape).astype(zeros.dtype)

"""How far the outputs of two models are apart, over samples."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyvm import np

if TYPE_CHECKING:
    from polyvm.host.modeling.samples import Sample
    from polyvm.models import Model


@dataclass(frozen=True, slots=True)
class Difference:
    """Over all outputs and samples.

    relative is to the largest magnitude of the output; same_choice is the part of rows of two and
    more numbers whose largest is at the same place, None where there are none.
    """

    absolute: float
    relative: float
    same_choice: float | None


def outputs(model: Model, samples: list[Sample]) -> list[list[Any]]:
    """Run all samples; outputs in the model's order."""
    results = []
    for sample in samples:
        told = model(**sample)
        results.append(list(told.values()) if isinstance(told, dict) else [told])
    return results


def milliseconds(model: Model, sample: Sample, rounds: int = 5) -> float:
    """Return the median time of a run, after one that does not count."""
    model(**sample)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        model(**sample)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def difference(expected: list[list[Any]], got: list[list[Any]]) -> Difference:
    """Compare what `outputs` gave for two models."""
    absolute, relative, same, rows = 0.0, 0.0, 0, 0
    for a, b in (
        (a, b) for x, y in zip(expected, got, strict=True) for a, b in zip(x, y, strict=True)
    ):
        if a.shape != b.shape or a.size == 0:
            continue
        left, right = a.astype("float64"), b.astype("float64")
        apart = float(np.max(np.abs(left - right)))
        largest = float(np.max(np.abs(left)))
        absolute = max(absolute, apart)
        relative = max(relative, apart / largest if largest > 0 else apart)
        if a.ndim > 0 and a.shape[-1] > 1:
            agree = np.argmax(left, axis=-1) == np.argmax(right, axis=-1)
            same += int(np.sum(agree))
            rows += int(agree.size)
    return Difference(absolute, relative, same / rows if rows else None)

"""Whole networks: what another runtime makes of them, kept in networks.json.

Written anew by `PYTHON -m tests.onnx_backend.networks`, on a Python with onnxruntime.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.models.catalogue import CATALOGUE

from .engines import onnxruntime

FILE = Path(__file__).with_name("networks.json")
LEFT_OUT = {"bert_base", "light_vgg19"}
"""400 MB to make, and seconds to run: the benchmark holds them against others."""
KEPT = 12
"""Values of each output that are kept, evenly spread; and the greatest of all."""


def digest(output: Any) -> dict[str, Any]:
    """Shape, greatest value and some values of an output."""
    array = np.asarray(output).astype(np.float64)
    flat = array.reshape(-1)
    places = np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(int)
    return {
        "shape": list(array.shape),
        "greatest": float(np.abs(flat).max()),
        "values": [float(f"{value:.7g}") for value in flat[places]],
    }


def main() -> int:
    import onnxruntime as runtime

    found = {}
    for name, model in CATALOGUE.items():
        if name not in LEFT_OUT:
            run = onnxruntime(model.path().read_bytes())
            found[name] = [digest(output) for output in run(model.example())]
    text = json.dumps({"by": f"onnxruntime {runtime.__version__}", "networks": found}, indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")
    print(f"written: {FILE.name}, {len(found)} networks")
    return 0


if __name__ == "__main__":
    sys.exit(main())

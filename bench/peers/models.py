"""The runtimes that models are measured against, together in one environment."""

import json
from pathlib import Path

from bench.peers import environment
from bench.peers.python import Python, probe

REQUIREMENTS = [
    "onnxruntime>=1.23,<2",
    "openvino>=2025.3,<2027",
    "MNN>=3.2,<4",
    "ai-edge-litert>=2,<3",
    "onnx>=1.17,<2",
    "numpy>=2,<3",
]
ASK = """
import json
from importlib.metadata import version
print(json.dumps({n: version(n) for n in ("onnxruntime", "openvino", "MNN", "ai-edge-litert")}))
"""
NAMES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "MNN": "MNN",
    "ai-edge-litert": "LiteRT",
}


def obtain() -> Python:
    """The Python that has all of them; made on first use. PeerError if it cannot be."""
    return named(environment.obtain("models", REQUIREMENTS))


def named(executable: Path) -> Python:
    """A Python that has them already; its origin says which versions. PeerError if it has not."""
    said = environment.ask("the models' peers", [str(executable), "-c", ASK])
    versions = json.loads(said.strip().splitlines()[-1])
    origin = ", ".join(f"{NAMES[name]} {version}" for name, version in versions.items())
    return probe(executable, origin)

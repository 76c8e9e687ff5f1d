"""The networks that are timed are those of the literature: as many parameters, the same nodes."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from bench.models import bert, din, mobilenet, resnet, shufflenet, squeezenet
from bench.models.catalogue import CATALOGUE, SEED

PARAMETERS = {
    # Published counts; folded batch norms leave one number a channel instead of two.
    "resnet18": 11_689_512 - 4_800,
    "resnet50": 25_557_032 - 26_560,
    "mobilenet_v2": 3_504_872 + 2 * 17_056,  # running means and variances count here
    "squeezenet1_1": 1_235_496,
    "shufflenet_v2_x1_0": 2_278_604 - 8_090,
    "bert_base": 109_482_240 - 590_592 + 1_538,  # without the pooler, with a head for questions
}


def built(name: str) -> Any:
    return ModelProto.FromString(CATALOGUE[name].make())


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_as_many_parameters_as_published(name: str) -> None:
    weights = [w for w in built(name).graph.initializer if w.data_type == TensorProto.FLOAT]
    scalars = sum(not w.dims for w in weights)  # roots and halves of formulas
    assert sum(int(np.prod(w.dims)) for w in weights) - scalars == PARAMETERS[name]


def test_nodes_are_what_exporters_write() -> None:
    ops = {
        "resnet": Counter(node.op_type for node in resnet.build(50, SEED).graph.node),
        "mobile": Counter(node.op_type for node in mobilenet.build(SEED).graph.node),
        "squeeze": Counter(node.op_type for node in squeezenet.build(SEED).graph.node),
        "shuffle": Counter(node.op_type for node in shufflenet.build(SEED).graph.node),
        "din": Counter(node.op_type for node in din.build(SEED).graph.node),
    }
    assert ops["resnet"]["Conv"] == 53
    assert ops["mobile"]["BatchNormalization"] == ops["mobile"]["Conv"] == 52
    assert ops["squeeze"]["Concat"] == 8
    assert ops["shuffle"]["Transpose"] == 16
    assert ops["din"]["Gather"] == 4


def test_the_same_seed_gives_the_same_file() -> None:
    model = CATALOGUE["squeezenet1_1"]
    assert model.make() == model.make()
    assert squeezenet.build(SEED + 1).SerializeToString() != model.make()


@pytest.mark.parametrize("name", [n for n, m in CATALOGUE.items() if "seeded" in m.source])
def test_inputs_are_those_of_the_file(name: str) -> None:
    model = CATALOGUE[name]
    if name == "bert_base":  # the same graph, its 400 MB of weights not made again
        wanted = {"input_ids", "attention_mask", "token_type_ids"}
        length = bert.POSITIONS // 2
        assert {k: v.shape for k, v in model.example().items()} == dict.fromkeys(
            wanted, (1, length)
        )
        return
    declared = {value.name: value.type.tensor_type for value in built(name).graph.input}
    given = model.example()
    assert set(given) == set(declared)
    for key, array in given.items():
        sizes = [d.dim_value or None for d in declared[key].shape.dim]
        assert len(sizes) == array.ndim
        assert all(want in {None, got} for want, got in zip(sizes, array.shape, strict=True))
    for key, array in model.example().items():
        np.testing.assert_array_equal(array, given[key])

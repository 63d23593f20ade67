"""`layerwise` names the first recurrent layer that differs from its node, in whatever axes the graph has."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Dense, Model, VerificationError
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="comparing needs the extra 'convert'")

from streamrnn_converters import from_onnx
from streamrnn_converters.proof.layerwise import layerwise
from tests.converters.onnx.onnx_graphs import random_node, recurrent_model
from tests.converters.onnx.operators.test_heads import HEADS
from tests.converters.onnx.sketch import Sketch

EXPORTS = Path(__file__).parents[1] / "fixtures" / "exports"
INPUTS, HIDDEN = 3, 4


def graph(*ops: str, batch: int = 1, n_steps: int | str = "T", **attributes: Any) -> bytes:
    rng = np.random.default_rng(1)
    nodes = [
        replace(random_node(rng, op, HIDDEN if index else INPUTS, HIDDEN, batch=batch, **attributes), name=f"node {index}")
        for index, op in enumerate(ops)
    ]
    return recurrent_model(nodes, batch=batch, n_steps=n_steps).SerializeToString()  # type: ignore[no-any-return]


def wrong_in(model: Model, layer: int) -> Model:
    layers: list[Any] = list(model.layers)
    layers[layer] = rebuilt(layers[layer], bias=layers[layer].bias + 0.01)
    return Model(layers, sources=model.sources)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize(("batch", "n_steps"), [(1, "T"), (2, 9), (1, 1)])
def test_the_layers_of_a_right_model_agree(batch: int, n_steps: int | str, layout: int) -> None:
    data = graph("LSTM", "GRU", "RNN", batch=batch, n_steps=n_steps, layout=layout)
    found = layerwise(from_onnx(data), data)
    assert [(each.layer, each.kind, each.node) for each in found.layers] == [
        (0, "lstm", "node 0"), (1, "gru", "node 1"), (2, "rnn", "node 2"),
    ]  # fmt: skip
    assert found.first is None
    assert all(0 < each.absolute < 5e-6 for each in found.layers)
    assert not found.remarks


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_first_layer_that_is_wrong_is_named_and_those_before_it_agree(layer: int) -> None:
    data = graph("GRU", "GRU", "GRU")
    found = layerwise(wrong_in(from_onnx(data), layer), data)
    assert found.first is not None
    assert (found.first.layer, found.first.node, found.first.first_disagreement) == (layer, f"node {layer}", 0)
    assert [each.first_disagreement is None for each in found.layers] == [k < layer for k in range(3)]
    assert str(found).endswith(f"layer {layer} (gru) is the first that differs from its node 'node {layer}'")
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["layers"][layer]["first_disagreement"] == 0


@pytest.mark.parametrize(
    "name", ["gru-heads.script", "lstm-packed-step.dynamo", "gru-concat.dynamo", "lstm-2-layers-step.script"]
)
def test_what_exporters_write_is_compared_layer_by_layer(name: str) -> None:
    source = EXPORTS / f"{name}.onnx"
    found = layerwise(from_onnx(source), source)
    assert found.layers
    assert found.first is None, str(found)


def test_a_node_whose_every_step_nobody_reads_is_compared_at_every_step() -> None:
    data = HEADS["gemm-of-the-last-h-cut-from-two-layers"]()[0]
    found = layerwise(from_onnx(data), data)
    assert len(found.layers) == 2
    assert found.first is None
    assert found.n_steps == 200


def test_layers_without_nodes_of_their_own_are_not_compared_and_it_is_said() -> None:
    source = EXPORTS / "gru-cells-unrolled.dynamo.onnx"
    found = layerwise(from_onnx(source), source)
    assert found.layers == ()
    assert str(found) == "layers were not compared one by one: its recurrent layers have no nodes of their own in the graph"
    g = Sketch("BF")
    data = g.bytes(g.add("Gemm", "x", g.draw(INPUTS, 4), g.draw(4)))
    assert "it has no recurrent layers" in str(layerwise(from_onnx(data), data))


def test_a_source_that_cannot_be_read_is_no_comparison() -> None:
    with pytest.raises(VerificationError, match="the source cannot be imported"):
        layerwise(Model([Dense(np.ones((1, 1)))]), b"nothing")

"""What onnxruntime's optimiser writes into a graph is read as the operators of ONNX that it stands for."""

from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnx
from onnx import helper

from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, assert_streams_what_onnxruntime_gives, refusal

FUSED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "gelu": ("Gelu", 0, {}),
    "gelu-with-a-bias": ("BiasGelu", 1, {}),
    "gelu-by-tanh": ("FastGelu", 0, {}),
    "gelu-by-tanh-with-a-bias": ("FastGelu", 1, {}),
    "silu": ("QuickGelu", 0, {"alpha": 1.0}),
    "silu-by-default": ("QuickGelu", 0, {}),
}


def saved(g: Sketch, *outputs: str) -> bytes:
    """The graph with the domain of onnxruntime, in which its last node is."""
    g.outputs = list(outputs)
    g.nodes[-1].domain = "com.microsoft"
    model = g.model()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model.SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", FUSED)
def test_a_function_of_the_optimiser_is_one_of_ours(name: str) -> None:
    op, n_biases, attributes = FUSED[name]
    g = Sketch()
    y = g.add(op, g.squeezed(g.rnn("x")[0], 1), *[g.draw(HIDDEN)] * n_biases, **attributes)
    assert_streams_what_onnxruntime_gives(saved(g, y), "TBF", "TBF")


@pytest.mark.parametrize(
    ("function", "parameters"),
    [("Relu", {}), ("Tanh", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Elu", {"activation_alpha": 1.4})],
    ids=str,
)
def test_a_product_with_a_function_is_one_layer(function: str, parameters: dict[str, float]) -> None:
    g = Sketch()
    h = g.squeezed(g.rnn("x")[1], 0)
    y = g.add("FusedGemm", h, g.draw(2, HIDDEN), g.draw(2), transB=1, alpha=0.5, activation=function, **parameters)
    imported = assert_streams_what_onnxruntime_gives(saved(g, y), "TBF", "BF")
    assert [layer.kind for layer in imported.model.layers] == ["gru", "dense"]


@pytest.mark.parametrize("attributes", [{}, {"transA": 1}, {"transB": 1, "alpha": 0.25}, {"transA": 1, "transB": 1}], ids=str)
def test_a_product_with_exchanged_axes_and_a_scale_is_what_it_stands_for(attributes: dict[str, Any]) -> None:
    g = Sketch("TBF", "TB")
    rows = g.add("Reshape", g.squeezed(g.rnn("x")[0], 1), [0, 0, 2, HIDDEN // 2])
    y = g.add("FusedMatMul", rows, g.add("Tanh", rows), domain="com.microsoft", **attributes)
    flat = g.add("Reshape", y, [0, 0, HIDDEN])
    model = onnx.load_model_from_string(g.bytes(flat))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert_streams_what_onnxruntime_gives(model.SerializeToString(), "TBF", "TBF")


def test_a_convolution_with_a_function_is_one_too() -> None:
    g = Sketch("BFT", open_axes="BT")
    y = g.add(
        "FusedConv",
        "x",
        g.draw(INPUTS, INPUTS, 2),
        g.draw(INPUTS),
        pads=[1, 0],
        activation="LeakyRelu",
        activation_params=[0.2],
    )
    assert_streams_what_onnxruntime_gives(saved(g, y), "BFT", "BFT")


def test_other_operators_of_the_optimiser_are_refused_by_name() -> None:
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    assert "node 'my_Attention' (Attention): operators of the domain 'com.microsoft'" in refusal(
        saved(g, g.add("Attention", y))
    )
    g = Sketch()
    y = g.add("FusedGemm", g.squeezed(g.rnn("x")[1], 0), np.ones((HIDDEN, 2), np.float32), activation="Sine")
    assert "activation='Sine' is not one of" in refusal(saved(g, y))

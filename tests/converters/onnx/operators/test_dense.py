"""Dense layers and the functions after them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import Pointwise
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")


from tests.converters.onnx.sketch import (
    HIDDEN,
    INPUTS,
    Sketch,
    assert_streams_what_onnxruntime_gives,
)

GEMMS: dict[str, Callable[[Sketch, str], str]] = {
    "plain": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3)),
    "transposed": lambda g, a: g.add("Gemm", a, g.draw(3, HIDDEN), g.draw(3), transB=1),
    "scaled": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), g.draw(3), alpha=0.3, beta=-1.7),
    "bias-as-a-row": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), g.draw(1, 3)),
    "bias-of-one-number": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), g.draw(1)),
    "bias-without-axes": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 3), np.float32(0.3)),
    "of-one-output": lambda g, a: g.add("Gemm", a, g.draw(HIDDEN, 1), g.draw(1)),
    "matmul": lambda g, a: g.add("MatMul", a, g.draw(HIDDEN, 3)),
    "matmul-add": lambda g, a: g.add("Add", g.add("MatMul", a, g.draw(HIDDEN, 3)), g.draw(3)),
    "matmul-add-from-the-left": lambda g, a: g.add("Add", g.draw(1, 3), g.add("MatMul", a, g.draw(HIDDEN, 3))),
    "matmul-add-add": lambda g, a: g.add("Add", g.add("Add", g.add("MatMul", a, g.draw(HIDDEN, 3)), g.draw(3)), g.draw(1)),
    "weights-transposed-in-the-graph": lambda g, a: g.add("MatMul", a, g.add("Transpose", g.draw(3, HIDDEN), perm=[1, 0])),
    "two-layers": lambda g, a: g.add("MatMul", g.add("Sigmoid", g.add("MatMul", a, g.draw(HIDDEN, 3))), g.draw(3, 2)),
}


@pytest.mark.parametrize("name", GEMMS)
def test_a_dense_layer_is_what_onnxruntime_makes_of_it(name: str) -> None:
    g = Sketch("TF")
    y = g.squeezed(g.rnn(g.add("Unsqueeze", "x", [1]))[0], 1, 2)
    assert_streams_what_onnxruntime_gives(g.bytes(GEMMS[name](g, y)), "TF", "TF")


ACTIVATIONS: dict[str, tuple[str, dict[str, Any], int]] = {
    "tanh": ("Tanh", {}, 18),
    "sigmoid": ("Sigmoid", {}, 18),
    "relu": ("Relu", {}, 18),
    "softplus": ("Softplus", {}, 18),
    "softsign": ("Softsign", {}, 18),
    "elu": ("Elu", {"alpha": 1.4}, 18),
    "elu-default": ("Elu", {}, 18),
    "leaky-relu": ("LeakyRelu", {"alpha": 0.3}, 18),
    "leaky-relu-default": ("LeakyRelu", {}, 18),
    "thresholded-relu": ("ThresholdedRelu", {"alpha": 0.2}, 18),
    "thresholded-relu-default": ("ThresholdedRelu", {}, 18),
    "hard-sigmoid": ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, 18),
    "hard-sigmoid-default": ("HardSigmoid", {}, 18),
    "softmax": ("Softmax", {}, 18),
    "softmax-by-axis": ("Softmax", {"axis": 2}, 13),
    "gelu": ("Gelu", {}, 20),
    "gelu-by-tanh": ("Gelu", {"approximate": "tanh"}, 20),
    "erf": ("Erf", {}, 18),
    "swish": ("Swish", {"alpha": 1.5}, 24),
    "swish-default": ("Swish", {}, 24),
    "softmax-of-an-old-opset": ("Softmax", {"axis": 2}, 11),
    "softmax-of-an-old-opset-from-the-end": ("Softmax", {"axis": -1}, 11),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_fused_into_the_dense_layer_before_it(name: str) -> None:
    op, attributes, opset = ACTIVATIONS[name]
    g = Sketch(opset=opset)
    y = g.rnn("x")[0]
    y = g.squeezed(y, 1) if opset >= 13 else g.add("Squeeze", y, axes=[1])
    y = g.add(op, g.add("Add", g.add("MatMul", y, 5 * g.draw(HIDDEN, 3)), g.draw(3)), **attributes)
    imported = assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "TBF")
    assert [layer.kind for layer in imported.model.layers] == ["gru", "dense"]


COMPOSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "mish": ("Mish", {}, "gru pointwise(softplus) pointwise(tanh) arithmetic"),
    "selu": ("Selu", {}, "gru pointwise(elu(1.67326)) affine"),
    "selu-of-other-constants": ("Selu", {"alpha": 1.2, "gamma": 0.7}, "gru pointwise(elu(1.2)) affine"),
    "celu": ("Celu", {}, "gru pointwise(elu(1))"),
    "celu-of-another-constant": ("Celu", {"alpha": 0.3}, "gru affine pointwise(elu(1)) affine"),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_function_without_a_kernel_is_put_together_of_those_that_have_one(name: str) -> None:
    op, attributes, layers = COMPOSED[name]
    g = Sketch()
    y = g.add(op, g.squeezed(g.rnn("x")[0], 1), **attributes)
    model = assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "TBF").model
    said = [f"({layer.activation})" if isinstance(layer, Pointwise) else "" for layer in model.layers]
    assert " ".join(layer.kind + function for layer, function in zip(model.layers, said, strict=True)) == layers


def test_dense_layers_alone_are_a_model() -> None:
    g = Sketch("BF")
    y = g.add("Tanh", g.add("Gemm", "x", g.draw(INPUTS, 4), g.draw(4)))
    imported = assert_streams_what_onnxruntime_gives(g.bytes(g.add("MatMul", y, g.draw(4, 2))), "BF", "BF")
    assert [layer.kind for layer in imported.model.layers] == ["dense", "dense"]


def test_the_axes_of_dense_layers_alone_are_followed_too() -> None:
    g = Sketch()
    y = g.add("Transpose", g.add("MatMul", "x", g.draw(INPUTS, 2)), perm=[1, 0, 2])
    assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "BTF")


def test_a_dense_layer_may_come_first() -> None:
    g = Sketch("BTF")
    x = g.add("Transpose", g.add("Relu", g.add("MatMul", "x", g.draw(INPUTS, 5))), perm=[1, 0, 2])
    assert_streams_what_onnxruntime_gives(g.bytes(g.rnn(x, inputs=5)[0]), "BTF", "T1BF")

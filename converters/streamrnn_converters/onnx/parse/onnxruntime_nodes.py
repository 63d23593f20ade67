"""Operators that onnxruntime's optimiser puts into a graph that it saves, as the operators of ONNX that they stand for.

Source: onnxruntime's ContribOperators.md, domain com.microsoft.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Node

DOMAIN = "com.microsoft"
_PARAMETERS = {"Elu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",), "ThresholdedRelu": ("alpha",)}
_FUNCTIONS = ("Relu", "Sigmoid", "Softplus", "Softsign", "Tanh", *_PARAMETERS)


def in_onnx(node: Node) -> list[Node]:
    """The nodes that a node stands for. Raises ConversionError for an operator that is not understood."""
    if not node.outputs or not node.outputs[0]:
        raise node.refused("gives nothing; save the graph again")
    if node.op in ("FusedGemm", "FusedConv"):
        return _with_function(node)
    if node.op in ("BiasGelu", "FastGelu", "Gelu", "QuickGelu"):
        return _gelu(node)
    if node.op == "FusedMatMul":
        return _scaled_product(node)
    raise not_understood(node, DOMAIN)


def not_understood(node: Node, domain: str) -> ConversionError:
    """The refusal of an operator of another domain."""
    told = f"operators of the domain {domain!r} are not understood"
    if domain.startswith("com.m"):  # microsoft, ms
        return node.refused(f"{told}; import the graph as it was exported, or as onnxruntime saves it with ORT_ENABLE_BASIC")
    return node.refused(f"{told}; export the model with those of ONNX")


def _scaled_product(node: Node) -> list[Node]:
    """alpha A B, of A and B their last two axes may be exchanged."""
    attributes = dict(node.attributes)
    a, b = ("km" if attributes.pop("transA", 0) else "mk"), ("nk" if attributes.pop("transB", 0) else "kn")
    alpha = attributes.pop("alpha", 1.0)
    attributes = {name: value for name, value in attributes.items() if value or name not in ("transBatchA", "transBatchB")}
    if (a, b) == ("mk", "kn"):
        product = replace(node, op="MatMul", attributes=attributes)
    else:
        product = replace(node, op="Einsum", attributes={"equation": f"...{a},...{b}->...mn"} | attributes)
    if alpha == 1:
        return [product]
    inner, scale = f"{node.outputs[0]}.fused", f"{node.outputs[0]}.alpha"
    return [
        replace(product, outputs=(inner,)),
        replace(node, op="Constant", inputs=(), outputs=(scale,), attributes={"value": np.array(alpha, np.float32)}),
        replace(node, op="Mul", inputs=(inner, scale), attributes={}),
    ]


def _with_function(node: Node) -> list[Node]:
    """A product or a convolution, and a function of it."""
    attributes = dict(node.attributes)
    function = attributes.pop("activation", "")
    given = [attributes.pop(name, None) for name in ("activation_alpha", "activation_beta", "activation_gamma")]
    if node.op == "FusedConv":
        given = list(attributes.pop("activation_params", None) or [])
    if function not in _FUNCTIONS:
        raise node.refused(f"activation={function!r} is not one of {', '.join(sorted(_FUNCTIONS))}")
    inner = f"{node.outputs[0]}.fused"
    named = zip(_PARAMETERS.get(function, ()), given, strict=False)
    then = {name: value for name, value in named if value is not None}
    first = replace(node, op=node.op.removeprefix("Fused"), outputs=(inner,), attributes=attributes)
    return [first, replace(node, op=function, inputs=(inner,), attributes=then)]


def _gelu(node: Node) -> list[Node]:
    """Gelu of a sum with a bias, where there is one; QuickGelu is x sigmoid(alpha x)."""
    defaults: dict[str, dict[str, Any]] = {"FastGelu": {"approximate": "tanh"}, "QuickGelu": {"alpha": 1.702}}
    then = defaults.get(node.op, {}) | node.attributes
    op = "Swish" if node.op == "QuickGelu" else "Gelu"
    if len(node.inputs) < 2 or not node.inputs[1]:
        return [replace(node, op=op, inputs=node.inputs[:1], attributes=then)]
    inner = f"{node.outputs[0]}.fused"
    total = replace(node, op="Add", outputs=(inner,), attributes={})
    return [total, replace(node, op=op, inputs=(inner,), attributes=then)]

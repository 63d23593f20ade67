"""Operators that onnxruntime's optimiser puts into a graph that it saves, as the operators of ONNX that they stand for.

Source: onnxruntime's ContribOperators.md, domain com.microsoft.
"""

from dataclasses import replace
from typing import Any

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
    raise node.refused(f"operators of the domain {DOMAIN!r} are not understood")


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

"""Attributes of LSTM, GRU and RNN nodes (opset 7 to 22), checked and read.

What is found of onnxruntime and followed, since it is what imports are compared with: alpha and beta are consumed, in order, by
those activations that have them. Not followed: it takes alpha and beta that are left out for 0 where Affine and ThresholdedRelu
have other defaults.
"""

from streamrnn import Activation
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs

#: ONNX's names, in lower case, to ours.
ACTIVATIONS = {
    "affine": "affine",
    "elu": "elu",
    "hardsigmoid": "hard_sigmoid",
    "leakyrelu": "leaky_relu",
    "relu": "relu",
    "scaledtanh": "scaled_tanh",
    "sigmoid": "sigmoid",
    "softplus": "softplus",
    "softsign": "softsign",
    "tanh": "tanh",
    "thresholdedrelu": "thresholded_relu",
}


def arguments(node: Node, inputs: Inputs, most_inputs: int, most_outputs: int) -> Inputs:
    """All inputs of the operator, None where one is left out. Refuses more of them."""
    for what, have, most in (("inputs", len(inputs), most_inputs), ("outputs", len(node.outputs), most_outputs)):
        if have > most:
            raise node.refused(f"it has {have} {what}, but the operator has {most}")
    return [*inputs, *[None] * (most_inputs - len(inputs))]


def activations(importer: Importer, node: Node, default: tuple[str, ...], n_directions: int) -> list[tuple[Activation, ...]]:
    """The activations of each direction, each with what it consumes of alpha and beta."""
    names = node.take("activations") or list(default) * n_directions
    given = {name: list(node.take(f"activation_{name}") or []) for name in ("alpha", "beta")}
    if len(names) != len(default) * n_directions:
        raise node.refused(f"activations={names} are {len(names)}, expected {len(default) * n_directions}")
    chosen = []
    for name in names:
        known = ACTIVATIONS.get(name.lower())
        if known is None:
            raise node.refused(f"activation {name!r} is not one of ONNX's: {', '.join(sorted(ACTIVATIONS))}")
        has = dict(zip(("alpha", "beta"), Activation.DEFAULTS[known], strict=True))
        taken = {p: given[p].pop(0) for p in ("alpha", "beta") if has[p] is not None and given[p]}
        missing = [p for p in ("alpha", "beta") if has[p] is not None and p not in taken]
        if missing and known == "scaled_tanh":
            raise node.refused(f"activation {name!r} has no {missing[0]}, and ONNX gives it no default; export it with one")
        if missing and known in ("affine", "thresholded_relu"):
            importer.remark(
                f"node {node.name!r} ({node.op}): {name} has no {' and '.join(missing)}: ONNX's default holds, but onnxruntime "
                "takes 0"
            )
        chosen.append(Activation(known, **taken))
    for parameter, left in given.items():
        if left:
            raise node.refused(
                f"activation_{parameter} has {len(left)} values more than {', '.join(names)} take, so that it is not sure "
                "which belongs to which; export one for each activation that has it, in their order"
            )
    return [tuple(chosen[k : k + len(default)]) for k in range(0, len(chosen), len(default))]


def clip(node: Node) -> float | None:
    """The bound of pre-activations; None where there is none, or one that bounds nothing."""
    bound: float | None = node.take("clip")
    if bound is not None and not bound > 0:
        raise node.refused(f"clip={bound} is not positive")
    return bound if bound is None or bound < 3e38 else None


def flag(node: Node, name: str) -> bool:
    """An attribute that is 0 or 1."""
    value = node.take(name, 0)
    if value not in (0, 1):
        raise node.refused(f"{name}={value!r} is neither 0 nor 1")
    return bool(value)

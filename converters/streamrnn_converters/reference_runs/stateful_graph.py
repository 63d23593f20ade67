"""Copies of a graph that take and give the states of its recurrent nodes and loops, so that a signal can be run in parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from streamrnn_converters.onnx.recurrent_kinds import INITIAL_STATES, RECURRENT_KINDS

_OUTPUTS_BEFORE = 4  # the output Y_h has the index of the input initial_h minus this, and so has Y_c


@dataclass(frozen=True)
class CarriedState:
    """A state of a node: the output that gives it after the last step, the input that takes it before the first."""

    output: str
    input: str


@dataclass(frozen=True)
class StatefulGraph:
    """A graph for a signal in parts.

    first   for the first part: the graph with the states as further outputs
    next    for the parts after it: this also takes the states in which the part before has ended
    states  what goes from one part to the next
    """

    first: bytes
    next: bytes
    states: tuple[CarriedState, ...]


@dataclass(frozen=True)
class _State:
    """Where a node takes a state and gives it, and the sizes of its axes."""

    input: int
    output: int
    sizes: list[int | None]


def stateful_graph(data: bytes) -> StatefulGraph:
    """The copies of a graph in float32 whose recurrent nodes have layout 0. A step gives the same as in the graph itself."""
    model = onnx.load_model_from_string(data)
    states = []
    outputs = {info.name for info in model.graph.output}
    inputs: list[tuple[onnx.NodeProto, _State, str]] = []
    known = _known_sizes(model)
    for number, node in enumerate(model.graph.node):
        for state in _states(node, known):
            where = f"{node.name or node.op_type}.{number}.{state.input}"
            output = _named_output(node, state.output, f"{where}.after")
            states.append(CarriedState(output, f"{where}.before"))
            inputs.append((node, state, states[-1].input))
            if output not in outputs:
                outputs.add(output)
                model.graph.output.append(onnx.helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    first = model.SerializeToString()
    for node, state, name in inputs:
        node.input.extend([""] * (state.input + 1 - len(node.input)))
        node.input[state.input] = name
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, state.sizes))
    return StatefulGraph(first, model.SerializeToString(), tuple(states))


def _states(node: onnx.NodeProto, known: Mapping[str, list[int | None]]) -> Iterator[_State]:
    """The states of a recurrent node, or of a loop: what its body changes from step to step, in float32 and with axes.

    known  sizes of the graph's values
    """
    if node.op_type in RECURRENT_KINDS:
        for index in range(INITIAL_STATES, INITIAL_STATES + len(RECURRENT_KINDS[node.op_type].states)):
            yield _State(index, index - _OUTPUTS_BEFORE, [None] * 3)
        return
    body = next((attribute.g for attribute in node.attribute if attribute.name == "body"), None)
    if body is None or node.op_type not in ("Loop", "Scan"):
        return
    n_signals = next((attribute.i for attribute in node.attribute if attribute.name == "num_scan_inputs"), 0)
    skipped = 2 if node.op_type == "Loop" else 0  # the number of the step and the condition; the condition comes out again
    same = {name: inner.input[0] for inner in body.node if inner.op_type == "Identity" for name in inner.output}
    for index, info in enumerate(body.input[skipped : len(body.input) - n_signals]):
        given = body.output[index + skipped // 2].name
        tensor = info.type.tensor_type
        sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
        begun = known.get(node.input[index + skipped], [])
        sizes = (
            [size or other for size, other in zip(sizes, begun, strict=True)] if len(sizes) == len(begun) else sizes or begun
        )
        if tensor.elem_type == TensorProto.FLOAT and same.get(given, given) != info.name and sizes:
            yield _State(index + skipped, index, sizes)


def _known_sizes(model: onnx.ModelProto) -> dict[str, list[int | None]]:
    """The sizes of the values of a graph, as far as they follow from declared ones; None where they are open."""
    found: dict[str, list[int | None]] = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    try:
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    except Exception:  # what cannot be inferred stays open
        return found
    for info in inferred:
        if info.type.tensor_type.HasField("shape"):
            found[info.name] = [dim.dim_value if dim.dim_value > 0 else None for dim in info.type.tensor_type.shape.dim]
    return found


def _named_output(node: onnx.NodeProto, index: int, name: str) -> str:
    """The name of an output of a node; it gets `name` where it has none."""
    node.output.extend([""] * (index + 1 - len(node.output)))
    if not node.output[index]:
        node.output[index] = name
    return str(node.output[index])

"""Graph inputs that switch a state: a state is multiplied by them, or they choose between it and something else."""

from collections.abc import Collection

from streamrnn_converters.onnx.graph import Graph, Node

_RESHAPED = {"Cast", "Expand", "Identity", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
_OF_ONE_NUMBER = {"Add", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mul", "Neg", "Not", "Sub"}
_MOVED = _RESHAPED | {"Concat", "Flatten", "Gather", "Slice", "Split"}


def switches(graph: Graph, states: Collection[str]) -> frozenset[str]:
    """The inputs that reset or hold a state, as `done` does in `h * (1 - done)`.

    Numbers above 1 there would make the state grow without end, which no model is made for.

    states  the inputs that are states
    """
    carried = set(states)
    alone = {entry.name: entry.name for entry in graph.inputs if entry.name not in carried}  # what one input alone decides
    found = set[str]()
    for node in graph.nodes:
        reads = [name for name in node.inputs if name and name not in graph.constants]
        if node.op in _MOVED and reads and reads[0] in carried:
            carried.update(filter(None, node.outputs))
        elif _is_simple(graph, node) and len(reads) == 1 and reads[0] in alone:
            alone.update(dict.fromkeys(node.outputs, alone[reads[0]]))
        elif node.op == "Mul" and not carried.isdisjoint(reads):
            found.update(alone[name] for name in reads if name in alone)
        elif node.op == "Where" and not carried.isdisjoint(reads[1:]) and reads[0] in alone:
            found.add(alone[reads[0]])
    return frozenset(found)


def _is_simple(graph: Graph, node: Node) -> bool:
    """Whether each value that a node gives is one of those that it reads, beside a number."""
    beside = [graph.constants[name] for name in node.inputs if name in graph.constants]
    return node.op in _RESHAPED or (node.op in _OF_ONE_NUMBER and all(array.size == 1 for array in beside))

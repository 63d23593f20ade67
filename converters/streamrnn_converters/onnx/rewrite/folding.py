"""Constants in the body of a loop, worked out: weights that it cuts out of larger ones."""

from dataclasses import replace

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.constants import FOLDINGS
from streamrnn_converters.onnx.budget import Budget
from streamrnn_converters.onnx.graph import Graph
from streamrnn_converters.onnx.values import Constant


def folded(graph: Graph) -> Graph:
    """The graph with what its nodes make of constants alone as constants. What cannot be worked out stays as it is."""
    constants, budget = dict(graph.constants), Budget(graph)
    for node in graph.nodes:
        given = [constants.get(name) if name else None for name in node.inputs]
        whole = all(array is not None for array, name in zip(given, node.inputs, strict=True) if name)
        if node.op not in FOLDINGS or not node.inputs or not whole:
            continue
        own = replace(node, attributes=dict(node.attributes))
        try:
            with own.refusing():
                values = FOLDINGS[node.op](own, [None if array is None else Constant(array) for array in given])
                budget.take(node, sum(value.array.nbytes for value in values))
        except ConversionError:
            continue
        if not own.attributes:
            found = zip(node.outputs, values, strict=False)
            constants |= {name: value.array for name, value in found if name and isinstance(value, Constant)}
    return replace(graph, constants=constants)

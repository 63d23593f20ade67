"""Graph inputs that have a value by default, an initializer of their name, so that a caller may leave them out (IR version 4).

One that an output gives back is a state that begins with this value. Any other is a constant.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from streamrnn_converters.onnx.carried.pairs import candidates
from streamrnn_converters.onnx.graph import Graph


def with_default_states(graph: Graph, said: Mapping[str, str] | None) -> tuple[Graph, dict[str, tuple[float, ...]]]:
    """The graph with those inputs as inputs that are states, and the values with which these begin.

    said  all pairs of input and output, if the caller knows

    Raises ConversionError where what is said does not fit the graph.
    """
    if not graph.defaults:
        return graph, {}
    known = candidates(_opened(graph, {entry.name for entry in graph.defaults}), said)
    states = {entry.name for entry in graph.defaults if entry.name in known.named}
    return _opened(graph, states), {name: tuple(graph.constants[name].ravel().tolist()) for name in states}


def _opened(graph: Graph, names: Collection[str]) -> Graph:
    inputs = (*graph.inputs, *(entry for entry in graph.defaults if entry.name in names))
    constants = {name: array for name, array in graph.constants.items() if name not in names}
    return replace(graph, inputs=inputs, constants=constants)

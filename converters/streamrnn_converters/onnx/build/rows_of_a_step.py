"""Axes of graph inputs whose rows a graph takes one by one, within a step, as an unrolled loop over time takes them."""

import math
from collections.abc import Iterator

from streamrnn_converters.onnx.axes.roles import names_of
from streamrnn_converters.onnx.graph import Graph
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows
from streamrnn_converters.onnx.values import Flow


def rows_of_a_step(graph: Graph, importer: Importer) -> Iterator[str]:
    """A remark for each such axis: only who made the graph knows whether it is time."""
    taken: dict[str, set[int]] = {}
    rows = Rows(graph, {name: node for node in graph.nodes for name in node.outputs if name})
    for (sequence, index), steps in rows.taken().items():
        value = importer.values.get(sequence)
        if isinstance(value, Flow) and index < len(value.axes):
            taken.setdefault(value.axes[index].name, set()).update(steps)
    for entry in graph.inputs:
        value = importer.values[entry.name]
        sizes = importer.roles.extents(value.axes) if isinstance(value, Flow) else ()
        for index, (name, size) in enumerate(zip(names_of(entry), sizes, strict=False)):
            if size > 1 and len(taken.get(name, ())) == size:
                shape = " × ".join(str(each) for each in sizes if each > 1)
                yield (
                    f"axis {index} ({size}) of graph input {entry.name!r} was taken as part of a step: a step takes {shape} = "
                    f"{math.prod(sizes)} values; if it is time, the graph is a loop over it that was unrolled, and its cell is "
                    "no LSTM, GRU or RNN: export one step of it instead, with its states as inputs and outputs"
                )

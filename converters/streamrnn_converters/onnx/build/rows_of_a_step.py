"""Axes of graph inputs that were taken as parts of one step, though one of them may be time."""

import math
from collections.abc import Iterator

from streamrnn_converters.onnx.axes.roles import names_of
from streamrnn_converters.onnx.build.single_step import takes_one_step
from streamrnn_converters.onnx.graph import Graph
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows
from streamrnn_converters.onnx.values import Flow


def rows_of_a_step(graph: Graph, importer: Importer) -> Iterator[str]:
    """A remark for each input that has them: only who made the graph knows which is time."""
    taken = _taken(graph, importer)
    timeless = takes_one_step(graph, importer) and not importer.roles.tells_time
    for entry in graph.inputs:
        value = importer.values[entry.name]
        sizes = importer.roles.extents(value.axes) if isinstance(value, Flow) else ()
        wide = {index: size for index, size in enumerate(sizes) if size > 1}
        whole = f"{' × '.join(map(str, wide.values()))} = {math.prod(sizes)} values"
        unrolled = [index for index, size in wide.items() if len(taken.get(names_of(entry)[index], ())) == size]
        for index in unrolled:
            yield (
                f"axis {index} ({sizes[index]}) of graph input {entry.name!r} was taken as part of a step: a step takes "
                f"{whole}; if it is time, the graph is a loop over it that was unrolled, and its cell is no LSTM, GRU or RNN: "
                "export one step of it instead, with its states as inputs and outputs"
            )
        if timeless and not unrolled and len(wide) > 1:
            name, axes = entry.name, ", ".join(map(str, wide))
            yield (
                f"axes {axes} of graph input {name!r} were taken as one step of {whole}, since no node tells which axis is "
                f"time; if one of them is, say which: time_axis={{{name!r}: axis}} (--time-axis {name}=axis) imports a stream "
                "over it, or names the node that is in the way"
            )


def _taken(graph: Graph, importer: Importer) -> dict[str, set[int]]:
    """Which rows of an axis the graph takes one by one, as an unrolled loop over time does, by the name of the axis."""
    taken: dict[str, set[int]] = {}
    rows = Rows(graph, {name: node for node in graph.nodes for name in node.outputs if name})
    for (sequence, index), steps in rows.taken().items():
        value = importer.values.get(sequence)
        if isinstance(value, Flow) and index < len(value.axes):
            taken.setdefault(value.axes[index].name, set()).update(steps)
    return taken

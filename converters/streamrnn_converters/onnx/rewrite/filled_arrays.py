"""Arrays that an unrolled loop fills row by row, as `y[:, t] = h` does: once all are written, it is the rows joined."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import SHAPES, Graph, Node, needed
from streamrnn_converters.onnx.rewrite.branches import inferred_sizes, with_known_sizes

_WRITES = ("ScatterElements", "ScatterND")
_KEEP_ORDER = ("Expand", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_FEWEST = 3  # rows
_OPSET = 13  # from which on Unsqueeze takes its axes as an input


@dataclass(frozen=True)
class _Write:
    """A row that is written into an array.

    before   the write before it; None where that array is a constant
    numbers  of the values of the array, in its shape
    index    of the row along the axis
    row      the name of what is written
    """

    before: "_Write | None"
    numbers: NDArray[np.int64]
    axis: int
    index: int
    row: str

    def rows(self) -> dict[int, str]:
        """What is in each row that was written."""
        found: dict[int, str] = {}
        write: _Write | None = self
        while write is not None:
            found.setdefault(write.index, write.row)
            write = write.before
        return found


def without_filled_arrays(graph: Graph) -> Graph:
    """The graph that joins, by Concat, the rows of arrays of constants into which all of them are written."""
    if graph.opset < _OPSET or sum(node.op in _WRITES for node in graph.nodes) < _FEWEST:
        return graph
    whole = with_known_sizes(graph)
    writes: dict[str, _Write] = {}
    for node in whole.nodes:
        if node.op in _WRITES and len(node.inputs) == 3 and (found := _written(whole, writes, node)) is not None:
            writes[node.outputs[0]] = found
    read = {*graph.outputs, *(name for node in whole.nodes for name in _read_of(node, writes))}
    full = {name: write.rows() for name, write in writes.items() if name in read}
    full = {name: rows for name, rows in full.items() if len(rows) == writes[name].numbers.shape[writes[name].axis]}
    if not full:
        return graph
    sizes, constants = inferred_sizes(whole), dict(graph.constants)
    constants |= {name: array for name, array in whole.constants.items() if array.dtype.kind in "iu"}  # shapes and indices
    producers = {name: node for node in whole.nodes for name in node.outputs}
    nodes: list[Node] = []
    for node in whole.nodes:
        if node.outputs[0] in full:
            write = writes[node.outputs[0]]
            rows = [_without_moves(row, write, sizes, producers) for _, row in sorted(full[node.outputs[0]].items())]
            nodes += _joined(node, write, rows, constants)
        elif row := _read_back(node, writes, constants):
            (name, fits) = _without_moves(row, writes[node.inputs[0]], sizes, producers)
            nodes.append(replace(node, op="Identity", inputs=(name,), attributes={}) if fits else node)
        elif not constants.keys() >= set(node.outputs):
            nodes.append(node)
    return replace(graph, nodes=needed(nodes, graph.outputs), constants=constants)


def _read_back(node: Node, writes: Mapping[str, _Write], constants: Mapping[str, NDArray[Any]]) -> str:
    """The row that a node picks of an array into which it was written, as of the step before; "" where it does not."""
    write = writes.get(node.inputs[0]) if node.op == "Gather" else None
    index = constants.get(node.inputs[1]) if write is not None else None
    if write is None or index is None or index.ndim or node.attributes.get("axis", 0) != write.axis:
        return ""
    size = write.numbers.shape[write.axis]
    return write.rows().get(int(index) % size, "") if -size <= index < size else ""


def _read_of(node: Node, writes: Mapping[str, _Write]) -> tuple[str, ...]:
    """The arrays that a node reads, but not to write the next row, nor to ask for their shape."""
    if node.op in SHAPES:
        return ()
    return node.inputs[1:] if node.outputs[0] in writes else node.inputs


def _written(graph: Graph, writes: Mapping[str, _Write], node: Node) -> _Write | None:
    """The one row that a node writes; None where it writes anything else, or along another axis than the node before."""
    data, indices, row = node.inputs
    before, at, given = writes.get(data), graph.constants.get(indices), graph.constants.get(data)
    if at is None or at.dtype.kind not in "iu" or node.attributes.get("reduction", "none") not in ("none", b"none"):
        return None
    if before is not None:
        numbers = before.numbers
    elif given is not None:
        numbers = np.arange(given.size).reshape(given.shape)
    else:
        return None
    places = _places(node, numbers, at)
    if places is None or not places.size:
        return None
    for axis, index in enumerate(np.unravel_index(int(places.flat[0]), numbers.shape)):
        is_row = numbers.shape[axis] > 1 and np.array_equal(numbers.take(index, axis).ravel(), places.ravel())
        if is_row and (before is None or before.axis == axis):
            return _Write(before, numbers, axis, int(index), row)
    return None


def _places(node: Node, numbers: NDArray[np.int64], indices: NDArray[Any]) -> NDArray[Any] | None:
    """The numbers of the values that a node writes, in the order in which it reads them."""
    try:
        if node.op == "ScatterND":
            return np.asarray(numbers[tuple(np.moveaxis(indices, -1, 0))])
        return np.take_along_axis(numbers, indices, node.attributes.get("axis", 0))
    except (IndexError, ValueError):  # refused where the node is imported
        return None


def _without_moves(
    row: str, write: _Write, sizes: Mapping[str, tuple[int | None, ...]], producers: Mapping[str, Node]
) -> tuple[str, bool]:
    """What is a row before it was reshaped to be written, and whether it has a row's shape: that without the axis."""
    shape = _row_shape(write)
    name, found = row, (row, sizes.get(row) == shape)
    while name in producers and producers[name].op in _KEEP_ORDER:
        name = producers[name].inputs[0]
        if sizes.get(name) == shape:
            found = name, True
    return found


def _row_shape(write: _Write) -> tuple[int, ...]:
    return (*write.numbers.shape[: write.axis], *write.numbers.shape[write.axis + 1 :])


def _joined(node: Node, write: _Write, rows: list[tuple[str, bool]], constants: dict[str, NDArray[Any]]) -> list[Node]:
    """The nodes that join all rows, in place of the one that writes the last. Adds the constants that they read."""
    output, nodes, names = node.outputs[0], list[Node](), list[str]()
    shape, axis = f"{output}.shape", f"{output}.axis"
    constants |= {shape: np.array(_row_shape(write)), axis: np.array([write.axis])}
    for index, (name, fits) in enumerate(rows):
        own = name
        if not fits:
            own = f"{output}.{index}.row"
            nodes.append(Node(f"{node.name}.{index}", "Reshape", (name, shape), (own,)))
        names.append(f"{output}.{index}")
        nodes.append(Node(f"{node.name}.{index}", "Unsqueeze", (own, axis), (names[-1],)))
    return [*nodes, Node(node.name, "Concat", tuple(names), (output,), {"axis": write.axis})]

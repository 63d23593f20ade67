"""Recurrent nodes that replace cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.rewrite.cell import Cell


class Recurrences:
    """Nodes, and the constants that they read, to be put into a graph; weights are of the type `dtype`."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def put(self, name: str, cell: Cell, signal: str, states: Sequence[str]) -> tuple[str, ...]:
        """A node that runs a cell over a signal, time first; the names of all h, (time, batch, unit), and of its Y_h and Y_c.

        states  names of the initial ones, each with the axis of directions; "" for zeros
        """
        for key, array in cell.weights.items():
            assert array is not None
            self.constants[f"{name}.{key}"] = array.astype(self._dtype)[None]
        recurrent = cell.weights["R"]
        assert recurrent is not None
        ends = [f"{name}.Y_h", f"{name}.Y_c"][: len(states)]
        inputs = (signal, f"{name}.W", f"{name}.R", f"{name}.B", "", *states)
        attributes = {"hidden_size": recurrent.shape[1], **cell.attributes}
        self.nodes.append(Node(name, cell.op, inputs, (f"{name}.Y", *ends), attributes))
        self.add("Squeeze", [f"{name}.Y"], f"{name}.all", axes=[1])
        return (f"{name}.all", *ends)

    def add(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        """A node; the name of its output."""
        self.nodes.append(Node(f"{output} (lifted)", op, tuple(inputs), (output,), dict(attributes)))
        return output

    def number(self, value: int | list[int]) -> str:
        """The name of a constant."""
        name = f"lifted.{value}"
        self.constants[name] = np.array(value)
        return name

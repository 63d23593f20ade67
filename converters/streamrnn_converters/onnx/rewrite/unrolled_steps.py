"""What the values of an unrolled loop are: the row of a sequence at a step, a state of zeros, a value with axes inserted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Graph, Node

_LONGEST_WAY = 20  # from a value to what it is a part of
_MOVES = ("Identity", "Slice", "Squeeze", "Unsqueeze")
_SPREADS = ("ConstantOfShape", "Expand")


@dataclass(frozen=True)
class Row:
    """A row of a sequence: of shape (batch, n), out of (time, batch, n) for axis 0 or (batch, time, n) for axis 1."""

    sequence: str
    axis: int
    step: int


class Rows:
    """Looks values up by name."""

    def __init__(self, graph: Graph, producers: Mapping[str, Node]) -> None:
        self._constants, self._producers = graph.constants, producers

    def of(self, name: str) -> Row | None:
        """The row that a value is, picked by Gather, or by Slice or Split with Squeeze; None where it is none."""
        node = self._producers.get(name)
        if node is None:
            return None
        if node.op == "Gather":
            index = self._constants.get(node.inputs[1])
            whole = index is not None and not index.ndim and index.dtype.kind in "iu"
            return _row(node.inputs[0], node.attributes.get("axis", 0), int(index)) if whole and index is not None else None
        if node.op != "Squeeze":
            return None
        axes, cut = self.axes(node), self._producers.get(node.inputs[0])
        if cut is None or axes is None or len(axes) != 1:
            return None
        if cut.op == "Slice":
            return self._sliced(cut, axes[0])
        if cut.op != "Split" or cut.attributes.get("axis", 0) != axes[0]:
            return None
        one_each = self._integers(cut, "split", 1) in (None, [1] * len(cut.outputs))
        return _row(cut.inputs[0], axes[0], cut.outputs.index(node.inputs[0])) if one_each else None

    def taken(self) -> dict[tuple[str, int], set[int]]:
        """The steps that are picked by themselves, of each sequence and axis."""
        found: dict[tuple[str, int], set[int]] = {}
        for row in filter(None, map(self.of, self._producers)):
            found.setdefault((row.sequence, row.axis), set()).add(row.step)
        return found

    def axes(self, node: Node) -> list[int] | None:
        """The axes that a Squeeze or Unsqueeze names."""
        return self._integers(node, "axes", 1)

    def source(self, name: str, moves: Collection[str] = _MOVES) -> str:
        """The value that one is cut out of, before axes of size 1 were inserted or removed, or before any `moves`."""
        for _ in range(_LONGEST_WAY):
            node = self._producers.get(name)
            if node is None or node.op not in moves:
                break
            name = node.inputs[0]
        return name

    def constant(self, name: str) -> NDArray[Any] | None:
        """The numbers of a constant value, also where the graph moves or repeats them; None for another value."""
        name = self.source(name)
        node = self._producers.get(name)
        if node is None or node.op not in _SPREADS:
            return self._constants.get(name)
        if node.op == "Expand":
            return self._constants.get(node.inputs[0])
        return np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))

    def ranges(self, node: Node) -> list[tuple[int, int, int, int]] | None:
        """What a Slice cuts: axis, start, end and step of each axis that it names; None where they are not constant."""
        starts, ends, axes = (self._integers(node, key, index) for index, key in enumerate(("starts", "ends", "axes"), 1))
        steps = self._integers(node, "steps", 4)
        if starts is None or ends is None or (len(node.inputs) > 4 and steps is None):
            return None
        axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
        same = len({len(starts), len(ends), len(axes), len(steps)}) == 1
        return list(zip(axes, starts, ends, steps, strict=True)) if same else None

    def _sliced(self, cut: Node, axis: int) -> Row | None:
        """One step cut out of an axis; opset 9 has the ranges as attributes."""
        ranges = self.ranges(cut)
        if ranges is None or len(ranges) != 1:
            return None
        ((own, start, end, step),) = ranges
        return _row(cut.inputs[0], axis, start) if (own, end - start, step) == (axis, 1, 1) and start >= 0 else None

    def _integers(self, node: Node, attribute: str, index: int) -> list[int] | None:
        """A list of integers: an attribute in older opsets, the input at `index` in newer ones."""
        value: Any = node.attributes.get(attribute)
        if value is None and len(node.inputs) > index and node.inputs[index]:
            value = self._constants.get(node.inputs[index])
        if value is None:
            return None
        array = np.ravel(value)
        return [int(item) for item in array] if array.dtype.kind in "iu" else None


def _row(sequence: str, axis: Any, step: int) -> Row | None:
    return Row(sequence, axis, step) if axis in (0, 1) and step >= 0 else None

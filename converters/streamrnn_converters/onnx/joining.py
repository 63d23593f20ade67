"""The vectors that layers read: parts of flows joined and put in order. The same is joined only once."""

from itertools import accumulate
from typing import Any

import numpy as np

from streamrnn import Bank, Concat, Layer, Reverse, Select, StateOutput
from streamrnn_converters.onnx.budget import Budget
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import Carried, FinalState, First, Fixed, LayerOutput, Source, Vector

_PER_INDEX = 40  # bytes


class Joiner:
    """Makes Concat, Select and Reverse layers, which only move values, and StateOutput, in the type `dtype`."""

    def __init__(self, dtype: str, budget: Budget) -> None:
        self._dtype, self._budget = dtype, budget
        self._made: dict[Any, Vector] = {}
        #: By a layer that gives a state of another one: that one.
        self.copies: dict[Vector, LayerOutput] = {}

    def vector(self, node: Node, flow: Flow) -> Vector:
        """The one vector that holds the values of a step, in the order of their axes."""
        starts = np.cumsum([0, *(part.size for part in flow.parts)])
        owners = np.searchsorted(starts, flow.index_map.ravel(), side="right") - 1
        owned = np.unique(owners)
        order = flow.index_map.ravel() - starts[owners]
        parts = {}
        for k in owned.tolist():
            part = flow.parts[k]
            if isinstance(part, Source) and part.is_state:
                own = owners == k
                used, order[own] = np.unique(order[own], return_inverse=True)
                parts[k] = self._carried(part.name, tuple(used.tolist()))
            else:
                parts[k] = self.readable(node, part)
        numbers = list(dict.fromkeys(part for part in parts.values() if isinstance(part, Fixed)))
        joined: list[Vector] = [part for part in dict.fromkeys(parts.values()) if not isinstance(part, Fixed)]
        if not joined:  # a Select of constants reads any signal
            joined = [self._whole(node, part) for part in flow.parts if not isinstance(part, Fixed)][:1]
        if not joined:
            raise node.refused("takes only constants of what is joined here; export the model simplified")
        placed = [*joined, *numbers]
        begins = dict(zip(placed, accumulate((part.size for part in placed), initial=0), strict=False))
        order += np.array([begins[parts[k]] for k in owned.tolist()], np.int64)[np.searchsorted(owned, owners)]
        whole = joined[0] if len(joined) == 1 else self._once(Concat(tuple(part.size for part in joined), self._dtype), *joined)
        if np.array_equal(order, np.arange(whole.size)):
            return whole
        self._budget.take(node, _PER_INDEX * order.size)
        constants = np.concatenate([number.values for number in numbers]) if numbers else None
        return self._once(Select(whole.size, tuple(order.tolist()), self._dtype, constants), whole)

    def _whole(self, node: Node, part: Vector) -> Vector:
        if isinstance(part, Source) and part.is_state:
            return self._carried(part.name, tuple(range(part.size)))
        return self.readable(node, part)

    def readable(self, node: Node, part: Vector) -> Vector:
        """A part as a layer can read it. Of final states that is what the layer gives at that step: its h, else another layer
        that gives the state.
        """
        if isinstance(part, First):
            raise node.refused("works on the first step of a forward direction; only that of a backward one is an answer")
        if not isinstance(part, FinalState):
            return part
        if part.state == "h":
            return part.of
        key = part.of, part.state
        if key not in self._made:
            self._made[key] = LayerOutput(_giving(part.of.layer, part.state), part.of.reads)
            self.copies[self._made[key]] = part.of
        return self._made[key]

    def reversed(self, vector: Vector) -> Vector:
        """What a vector gives, the last step first."""
        if isinstance(vector, LayerOutput) and isinstance(vector.layer, Reverse):
            return vector.reads[0]
        return self._once(Reverse(vector.size), vector)

    def _carried(self, name: str, indices: tuple[int, ...]) -> Vector:
        return self._made.setdefault((name, indices), Carried(name, indices))

    def _once(self, layer: Concat | Select | Reverse, *reads: Vector) -> Vector:
        constants = layer.constants if isinstance(layer, Select) else None
        moved = (layer.indices, b"" if constants is None else constants.tobytes()) if isinstance(layer, Select) else ()
        key = reads, layer.kind, moved
        if key not in self._made:
            self._made[key] = LayerOutput(layer, reads)
        return self._made[key]


def _giving(layer: Layer, state: str) -> Layer:
    """A layer that gives a state of another one, for each row of a step where that has several."""
    if isinstance(layer, Bank):
        return Bank(_giving(layer.layer, state), layer.rows)
    return StateOutput(layer, state)

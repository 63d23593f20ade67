"""Before the first entry of what is late, a stream has values of no meaning. What looks back must see zeros there, as in the
graph, where nothing comes before the first entry.
"""

from typing import Any

from streamrnn import Arithmetic, Frame, Layer, Select, Where
from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.time_map import TimeMap
from streamrnn_converters.onnx.vectors import LayerOutput, Source, Vector, upstream


class Beginnings:
    """Makes the layers that know whether a value has begun, in the type `dtype`. The same is made only once."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._made: dict[Any, LayerOutput] = {}

    def has_begun(self, node: Node, vector: Vector, time: TimeMap) -> LayerOutput:
        """A vector whose first value is 0 before the first entry of `vector`, and 1 from then on."""
        sources = [each for each in upstream([vector]) if isinstance(each, Source) and not each.is_state]
        if not sources:
            raise node.refused("reads what no signal moves, later than that is there; export the model simplified")
        source = min(sources, key=lambda each: each.name)
        first = self._once("first", Select(source.size, (0,), self._dtype), source)
        ones = self._once("ones", Arithmetic(1, "equal", self._dtype), first, first)
        window = time.rate * (time.late + 1)
        limit(node, window)
        if window == 1:
            return ones
        return self._once((time.rate, window), Frame(1, time.rate, window, self._dtype), ones)

    def begun(self, node: Node, vector: Vector, time: TimeMap, before: Vector | None = None) -> Vector:
        """A vector with another one's values before its first entry; None: with zeros, those of the condition itself."""
        begun, size = self.has_begun(node, vector, time), vector.size
        condition = self._once(size, Select(begun.size, (0,) * size, self._dtype), begun)
        return self._once("where", Where(size, self._dtype), condition, vector, condition if before is None else before)

    def _once(self, key: Any, layer: Layer, *reads: Vector) -> LayerOutput:
        return self._made.setdefault((key, reads), LayerOutput(layer, reads))

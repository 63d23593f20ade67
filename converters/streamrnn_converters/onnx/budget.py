"""How much memory the values of a graph may take together. Each of them is small enough; their sum must be too."""

from streamrnn_converters.onnx.graph import Graph, Node

_ROOM = 32 << 20  # bytes, beside twice what the graph's own constants take


class Budget:
    """The bytes that are left for the values that nodes give."""

    def __init__(self, graph: Graph) -> None:
        self._left = _ROOM + 2 * sum(array.nbytes for array in graph.constants.values())

    def take(self, node: Node, n_bytes: int) -> None:
        """Count bytes. Raises ConversionError, naming the node, where too few are left."""
        self._left -= n_bytes
        if self._left < 0:
            raise node.refused(
                "the graph makes more values of its constants and of a step than are allowed; export it simplified"
            )

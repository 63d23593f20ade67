"""The types of floats that a graph computes in, and the compute precision of a stream of it."""

from dataclasses import dataclass

from onnx import TensorProto

from streamrnn_converters.onnx.graph import Graph

#: ONNX's numbers of the types that a signal may have, to NumPy's names.
FLOATS: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16"}


@dataclass(frozen=True)
class Precision:
    """The types that the signal has on its way through a graph, by NumPy's names."""

    kinds: frozenset[str] = frozenset({"float32"})

    @property
    def dtype(self) -> str:
        """Compute precision of a stream: the engine has these two."""
        return "float64" if "float64" in self.kinds else "float32"

    @property
    def remarks(self) -> list[str]:
        """Remarks on types that the stream does not compute in."""
        others = sorted(self.kinds - {self.dtype})
        if not others:
            return []
        share = " in part" if self.dtype in self.kinds else ""
        return [
            f"the graph computes in {' and '.join(others)}{share}; a stream computes in {self.dtype} throughout, and does not "
            f"round to {' or '.join(others)}"
        ]


def precision_of(graph: Graph) -> Precision:
    """Follow the signal from the graph's inputs through all casts."""
    kinds = {entry.type for entry in graph.inputs if not entry.is_integer}
    signal = {entry.name for entry in graph.inputs}
    for node in graph.nodes:
        if signal.isdisjoint(node.reads):
            continue
        signal |= set(filter(None, node.outputs))
        to = node.attributes.get("to")
        if node.op == "Cast" and isinstance(to, int) and to in FLOATS:
            kinds.add(FLOATS[to])
    return Precision(frozenset(kinds))

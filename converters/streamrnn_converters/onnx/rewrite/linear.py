"""Values as linear forms: sums of matrices times other values, plus a bias, as Gemm, MatMul, Add and Split compute them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.axes.arguments import END
from streamrnn_converters.onnx.graph import Graph, Node
from streamrnn_converters.onnx.rewrite.unrolled_steps import Row, Rows

Array = NDArray[np.float64]


_CUTS = ("Cast", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
_PASSES = ("Concat", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_DEEPEST = 100  # sums within sums


#: How many inputs a node must have, at least and at most, to be part of a cell. Broken nodes are ignored.
_INPUTS = {
    "Add": (2, 2),
    "Concat": (1, 1 << 20),
    "ConstantOfShape": (1, 1),
    "Expand": (2, 2),
    "Gather": (2, 2),
    "Gemm": (2, 3),
    "Identity": (1, 1),
    "MatMul": (2, 2),
    "Mul": (2, 2),
    "Relu": (1, 1),
    "Sigmoid": (1, 1),
    "Slice": (1, 5),
    "Split": (1, 2),
    "Squeeze": (1, 2),
    "Sub": (2, 2),
    "Tanh": (1, 1),
    "Unsqueeze": (1, 2),
}


@dataclass(frozen=True)
class Form:
    """A value of shape (batch, n): for each value that it is made of, by name, a matrix (n, size); and a bias (n,).

    leads  whether there is an axis of size 1 before these two, as torch's newer exporter writes it
    """

    terms: Mapping[str, Array]
    bias: Array
    leads: bool = False

    def part(self, begin: int, end: int) -> "Form":
        """Some of the n."""
        return replace(self, terms={name: matrix[begin:end] for name, matrix in self.terms.items()}, bias=self.bias[begin:end])

    def fits(self, other: "Form") -> bool:
        """Whether the two can be added."""
        common = self.terms.keys() & other.terms.keys()
        return self.bias.shape == other.bias.shape and all(self.terms[name].shape == other.terms[name].shape for name in common)

    def __add__(self, other: "Form") -> "Form":
        terms = dict(self.terms)
        for name, matrix in other.terms.items():
            terms[name] = terms[name] + matrix if name in terms else matrix
        return Form(terms, self.bias + other.bias, self.leads or other.leads)


@dataclass
class Forms:
    """The forms of a graph's values, found on demand.

    Where a graph multiplies a whole sequence and picks rows of the product, the row counts as a product of a row of the
    sequence. The graph has no value for that row; it gets a name that no value of a graph can have.
    """

    graph: Graph
    states: frozenset[str] = frozenset()  # those of the graph's inputs that are known to be states of a cell
    carried: Mapping[str, str] = field(default_factory=dict)  # those that bring states, and the output of each, "" if not known
    nodes: list[Node] = field(init=False)  # those that may be part of a cell
    producers: dict[str, Node] = field(init=False)
    rows: Rows = field(init=False)
    outputs: dict[str, set[str]] = field(init=False)  # of each value that the graph only moves there: those of its outputs
    _picked: dict[str, Row] = field(default_factory=dict)
    _depth: int = 0
    _known: dict[str, Form | None] = field(default_factory=dict)
    _equal: dict[tuple[tuple[int, ...], bytes], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = [node for node in self.graph.nodes if _is_whole(node)]
        self.producers = {name: node for node in self.nodes for name in node.outputs if name}
        self.outputs = {name: {name} for name in self.graph.outputs}
        self.rows = Rows(self.graph, self.producers)
        for node in reversed(self.nodes):
            for name in (node.inputs if node.op == "Concat" else node.inputs[:1]) if node.op in _PASSES else ():
                self.outputs.setdefault(name, set()).update(self.outputs.get(node.outputs[0], ()))

    def brings(self, name: str) -> str:
        """The graph input that brings a value which is only moved from there; "" for another."""
        source = self.rows.source(name, _CUTS)
        return source if any(source == entry.name for entry in self.graph.inputs) else ""

    def row(self, name: str) -> Row | None:
        """The row of a sequence that a value is."""
        return self._picked.get(name) or self.rows.of(name)

    def leads(self, name: str) -> bool:
        """Whether a value that has no form has an axis of size 1 before (batch, n)."""
        array, node = self.constant(name), self.producers.get(name)
        if array is not None:
            return array.ndim == 3 and len(array) == 1
        if node is None or node.op == "Unsqueeze":
            return node is not None and self.rows.axes(node) == [0]
        form = self.of(node.inputs[0]) if node.op in ("Tanh", "Relu") else None
        return form is not None and form.leads

    def of(self, name: str) -> Form | None:
        """The form of a value; None where it is not a sum of products."""
        if name not in self._known:
            self._known[name] = None  # so that a broken graph cannot lead back here without end
            self._depth += 1
            self._known[name] = self._found(name) if self._depth < _DEEPEST else None
            self._depth -= 1
        return self._known[name]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The array of a constant of floats, of which exporters make copies by Identity."""
        array = self.graph.constants.get(self.rows.source(name, ("Identity",)))
        return array if array is not None and array.dtype.kind == "f" else None

    def name_of(self, name: str) -> str:
        """The name of a value; of constants that are equal, one for all of them."""
        array = self.constant(name)
        if array is None:
            return name
        return self._equal.setdefault((array.shape, array.tobytes()), name)

    def _found(self, name: str) -> Form | None:
        array = self.constant(name)
        if array is not None:
            return _same_for_all(array)
        node = self.producers.get(name)
        if node is None:
            return None
        if node.op == "Identity":
            return self.of(node.inputs[0])
        if node.op in ("Gemm", "MatMul"):
            return self._product(node)
        if node.op == "Add":
            parts = [self.of(part) for part in node.inputs]
            fitting = [part for part in parts if part is not None]
            return fitting[0] + fitting[1] if len(fitting) == 2 and fitting[0].fits(fitting[1]) else None
        if node.op == "Split":
            return self._part(node, name)
        if node.op == "Slice":
            return self._cut(node)
        row = self.rows.of(name)
        return None if row is None else self._of_row(row)

    def _of_row(self, row: Row) -> Form | None:
        """The form of a row of a product; None where the sequence is not a product."""
        whole = self.of(row.sequence)
        if whole is None or not whole.terms:
            return None
        terms = {}
        for name, matrix in whole.terms.items():
            own = f"{name}\0{row.axis}\0{row.step}"
            self._picked[own] = replace(row, sequence=name)
            terms[own] = matrix
        return Form(terms, whole.bias)

    def _product(self, node: Node) -> Form | None:
        """x times a constant matrix. What x is made of is not looked at: that is another layer."""
        weights = self.constant(node.inputs[1])
        alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
        scales = isinstance(alpha, float) and isinstance(beta, float)
        if weights is None or weights.ndim != 2 or not weights.size or not scales or node.attributes.get("transA", 0):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = weights.astype(np.float64) * alpha
        matrix = matrix if node.attributes.get("transB", 0) else matrix.T
        bias = np.zeros(len(matrix))
        if node.op == "Gemm" and len(node.inputs) > 2 and node.inputs[2]:
            given = self.constant(node.inputs[2])
            if given is None or given.size not in (1, len(matrix)):
                return None
            with np.errstate(over="ignore", invalid="ignore"):
                bias = bias + given.astype(np.float64).ravel() * beta
        if not (np.isfinite(matrix).all() and np.isfinite(bias).all()):
            return None
        x = node.inputs[0]
        array = self.constant(x)
        if array is None:
            return Form({x: matrix}, bias, self.leads(x))
        same = _same_for_all(array)  # a state that begins with a constant
        fits = same is not None and len(same.bias) == matrix.shape[1]
        return Form({self.name_of(x): matrix}, bias, self.leads(x)) if fits else None

    def _cut(self, node: Node) -> Form | None:
        """A range of the n, which may name the whole of the batch too."""
        whole, ranges = self.of(node.inputs[0]), self.rows.ranges(node)
        if whole is None or whole.leads or ranges is None or any(step != 1 for *_, step in ranges):
            return None
        size = len(whole.bias)
        for axis, start, end, _ in ranges:
            if axis in (0, -2) and start == 0 and end >= END:
                continue
            if axis not in (1, -1):
                return None
            begin, stop, _ = slice(start, end).indices(size)
            whole = whole.part(begin, max(begin, stop))
        return whole

    def _part(self, node: Node, name: str) -> Form | None:
        whole, n_parts = self.of(node.inputs[0]), len(node.outputs)
        if whole is None or node.attributes.get("axis", 0) not in (1, -1):
            return None
        size = len(whole.bias)
        sizes: Any = node.attributes.get("split")
        if sizes is None and len(node.inputs) > 1 and node.inputs[1]:
            given = self.graph.constants.get(node.inputs[1])
            sizes = None if given is None else given.ravel().tolist()
        if sizes is None and size % n_parts == 0:
            sizes = [size // n_parts] * n_parts
        whole_numbers = isinstance(sizes, list) and all(isinstance(part, int) and part >= 0 for part in sizes)
        if not whole_numbers or len(sizes) != n_parts or sum(sizes) != size:
            return None
        index = node.outputs.index(name)
        return whole.part(sum(sizes[:index]), sum(sizes[: index + 1]))


def _is_whole(node: Node) -> bool:
    least, most = _INPUTS.get(node.op, (0, -1))
    tensors = any(isinstance(value, np.ndarray) for value in node.attributes.values())  # where a number should be
    if tensors and node.op != "ConstantOfShape":
        return False
    return least <= len(node.inputs) <= most and all(node.inputs[:least]) and bool(node.outputs)


def _same_for_all(array: NDArray[Any]) -> Form | None:
    """A constant that is the same for every signal of a batch, as a bias."""
    if array.ndim > 3 or not array.size or (array.ndim == 3 and len(array) > 1):
        return None
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    if not (rows == rows[0]).all():
        return None
    return Form({}, rows[0].astype(np.float64), array.ndim == 3)

"""Which outputs of a graph may give back what an input brings: those of its shape and type, and how its values reach them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from streamrnn_converters.onnx.graph import Graph, Input
from streamrnn_converters.onnx.recurrent_kinds import INITIAL_STATES, RECURRENT_KINDS

#: Operators that move values only.
MOVES = frozenset(
    {
        "Cast",
        "Concat",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
    }
    | {"Unsqueeze"}
)
_LINEAR = MOVES | {"Add", "Mul", "Neg", "Sub"}


@dataclass(frozen=True)
class Reach:
    """By output, the graph inputs that reach it.

    any      in any way
    linear   through sums, products and moves alone, as the c of an LSTM reaches the next c
    initial  graph inputs whose values begin the states of recurrent nodes and loops, moved only
    """

    any: dict[str, frozenset[str]] = field(default_factory=dict)
    linear: dict[str, frozenset[str]] = field(default_factory=dict)
    initial: frozenset[str] = frozenset()


def reach(graph: Graph) -> Reach:
    """How the inputs of a graph reach its outputs."""
    none = frozenset[str]()
    anyhow = {entry.name: frozenset({entry.name}) for entry in graph.inputs}
    linear, moved, initial = dict(anyhow), dict(anyhow), none
    for node in graph.nodes:
        if node.op in RECURRENT_KINDS:
            states = node.inputs[INITIAL_STATES : INITIAL_STATES + len(RECURRENT_KINDS[node.op].states)]
            initial = initial.union(*(moved.get(name, none) for name in states))
        for found, ops in ((anyhow, None), (linear, _LINEAR), (moved, MOVES)):
            if node.op != "Shape" and (ops is None or node.op in ops):
                all_of_it = none.union(*(found.get(name, none) for name in node.inputs))
                found.update(dict.fromkeys(filter(None, node.outputs), all_of_it))
    initial = initial.union(*(moved.get(each.before, none) for each in graph.kept if each.initial is None))
    return Reach(
        {name: anyhow.get(name, none) for name in graph.outputs}, {n: linear.get(n, none) for n in graph.outputs}, initial
    )


def fitting(graph: Graph, entry: Input) -> Iterator[str]:
    """The outputs that have the shape and type of an input, as far as these are declared."""
    for name in graph.outputs:
        declared = graph.declared.get(name)
        if name == entry.name or (declared is not None and not _fits(entry, declared)):
            continue
        yield name


def _fits(entry: Input, declared: Input) -> bool:
    if declared.type not in ("", entry.type):
        return False
    if len(declared.sizes) != len(entry.sizes):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(entry.sizes, declared.sizes, strict=True))


def only_in_loops(graph: Graph) -> frozenset[str]:
    """The graph inputs that nothing reads but the states of loops, which begin with them."""
    begun = {each.before for each in graph.kept if each.initial is None}
    from_input = {entry.name: frozenset({entry.name}) for entry in graph.inputs}
    others = frozenset[str]()
    for node in graph.nodes:
        reads = frozenset[str]().union(*(from_input.get(name, ()) for name in node.inputs))
        if node.op in MOVES and begun.isdisjoint(node.outputs):
            from_input.update(dict.fromkeys(filter(None, node.outputs), reads))
        elif node.op != "Shape" and begun.isdisjoint(node.outputs):
            others |= reads
    others = others.union(*(from_input.get(name, ()) for name in graph.outputs))
    return frozenset(entry.name for entry in graph.inputs) - others

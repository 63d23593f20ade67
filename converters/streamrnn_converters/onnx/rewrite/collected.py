"""States of a loop in which it only collects what each step gives: lists, arrays that grow, arrays that it fills row by row."""

from typing import NamedTuple

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.rewrite.loop_form import Loop
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows

_SPREAD = ("Expand", "Identity", "Reshape", "Unsqueeze")
_NUMBER = ("Cast", "Concat", "Identity", "Reshape", "Unsqueeze")


class Collected(NamedTuple):
    """What a step adds.

    value  its name in the body
    axis   along which all of them are joined; None for a list, for which that is told where it is joined
    rank   axes of the whole where the graph tells; 0 where it does not
    """

    value: str
    axis: int | None = None
    rank: int = 0


def collected(loop: Loop, rows: Rows) -> dict[str, Collected]:
    """The states in which a loop collects, by the body's name. Each begins empty, or is written over wholly."""
    found = {}
    for name, state in loop.states.items():
        node = loop.producers.get(loop.found(state.next))
        own = _added(loop, rows, name, node) if node is not None else None
        if own is not None and not _is_read(loop, name, loop.found(state.next)):
            found[name] = own
    return found


def _added(loop: Loop, rows: Rows, name: str, node: Node) -> Collected | None:
    if node.op == "SequenceInsert" and len(node.inputs) == 2 and node.inputs[0] == name:
        return Collected(node.inputs[1])
    if node.op == "Concat" and len(node.inputs) == 2 and node.inputs[0] == name:
        inserted, axis = loop.producers.get(node.inputs[1]), node.attributes.get("axis", 0)
        if inserted is not None and inserted.op == "Unsqueeze" and rows.axes(inserted) == [axis]:
            return Collected(inserted.inputs[0], axis)
    if node.op == "ScatterND" and node.inputs[0] == name and node.attributes.get("reduction", "none") == "none":
        rank = next(len(entry.sizes) for entry in loop.body.inputs if entry.name == name)
        if rank and rows.source(node.inputs[1], _NUMBER) in loop.numbers:
            return Collected(rows.source(node.inputs[2], _SPREAD), 0, rank)
    return None


def _is_read(loop: Loop, name: str, end: str) -> bool:
    """Whether anything but what comes next, or a shape, depends on a state."""
    reading = {name, end}
    for node in loop.body.nodes:
        if not reading.isdisjoint(node.inputs) and node.op != "Shape" and end not in node.outputs:
            reading.update(node.outputs)
    others = {inner for inner, _, _ in loop.given} | {state.next for key, state in loop.states.items() if key != name}
    return not reading.isdisjoint(others)

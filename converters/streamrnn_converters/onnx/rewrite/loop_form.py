"""The parts of a Loop or Scan over the steps of a signal: its states, the rows that it takes, what it gives, when it ends.

The body is a graph inside the node. A Scan hands it the rows of the signal; in a Loop the body picks them by the number of the
step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.arguments import END
from streamrnn_converters.onnx.graph import Graph, Node
from streamrnn_converters.onnx.precision import FLOATS
from streamrnn_converters.onnx.rewrite.folding import folded
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows

_OLDEST_SCAN = 9  # before that, Scan had another form
_LONGEST_WAY = 20  # from a value to what it stands for
_ENDLESS = 2**31 - 1  # a number of steps from here on means: until the condition ends the loop
_SAME_NUMBER = ("Identity", "Cast")
_NO_END = "when it ends is not understood; only a loop over a number of steps is"


@dataclass(frozen=True)
class State:
    """A value that goes from step to step: what it begins with, what the body gives for the next step, and the final output."""

    initial: str
    next: str
    output: str


@dataclass(frozen=True)
class Loop:
    """A loop over time.

    states   by the name that the body reads
    signals  by the body's name of a row: the sequence that it is picked from, and the axis of the steps
    given    what the body gives at each step, the output that joins all of them, and the axis of the steps in it
    casts    by its output: the Casts to floats of the body, which count as Identity in `body`
    n_steps  the name of the number of steps; "" for all that the signal has
    numbers  what the body reads as the number of the step: that of a Loop, and states that count likewise
    going    the condition of a Loop as the body reads it, which is always true
    """

    node: Node
    body: Graph
    states: dict[str, State]
    signals: dict[str, tuple[str, int]]
    given: list[tuple[str, str, int]]
    casts: dict[str, Node]
    n_steps: str = ""
    numbers: frozenset[str] = frozenset()
    going: str = ""
    producers: dict[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "producers", producers_of(self.body))

    def found(self, name: str) -> str:
        """The value that a name stands for."""
        return _without(self.producers, name, "Identity")

    def outside(self, name: str) -> str:
        """The name outside of a value that the body reads from there, also as a state that never changes."""
        state = self.states.get(name)
        return name if state is None or self.found(state.next) != name else state.initial


def read_loop(graph: Graph, node: Node) -> Loop:
    """The parts of a Loop or Scan. Raises ConversionError for one that is not understood."""
    body: Graph = node.attributes["body"]
    n_own = len(body.inputs)
    taken = {name: graph.constants[name] for name in node.inputs[n_own:] if name in graph.constants}
    casts = {inner.outputs[0]: inner for inner in body.nodes if inner.op == "Cast" and inner.attributes.get("to") in FLOATS}
    body = replace(body, constants=taken | body.constants, nodes=tuple(_without_float_casts(body, casts)))
    try:
        return _scan(graph, node, body, casts) if node.op == "Scan" else _loop(graph, node, body, casts)
    except ConversionError:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise node.refused(f"its inputs and attributes do not fit its body ({error})") from None


def _without_float_casts(body: Graph, casts: Mapping[str, Node]) -> Iterator[Node]:
    """The nodes of a body; a Cast to floats counts as nothing, since a stream computes in one type."""
    for node in body.nodes:
        yield replace(node, op="Identity", attributes={}) if casts.keys() & set(node.outputs) else node


def _scan(graph: Graph, node: Node, body: Graph, casts: dict[str, Node]) -> Loop:
    if graph.opset < _OLDEST_SCAN:
        raise node.refused(f"opset {graph.opset} has it in another form; export with opset {_OLDEST_SCAN} or newer")
    attributes = dict(node.attributes)
    n_signals = attributes.pop("num_scan_inputs")
    n_states, n_given = len(body.inputs) - n_signals, len(body.outputs) - len(body.inputs) + n_signals
    if n_signals < 1 or n_states < 0 or n_given < 0 or len(node.outputs) != n_states + n_given:
        raise node.refused("its inputs and outputs do not fit its body")
    axes = {
        name: list(attributes.pop(f"scan_{name}", None) or [0] * count)
        for name, count in (("input_axes", n_signals), ("output_axes", n_given))
    }
    for name, count in (("input", n_signals), ("output", n_given)):
        if list(attributes.pop(f"scan_{name}_directions", None) or [0] * count) != [0] * count:
            raise node.refused("goes backwards, which cannot be streamed: that needs the end of the signal")
    names = [entry.name for entry in body.inputs]
    return Loop(
        node,
        body,
        _states(names[:n_states], node.inputs, body.outputs, node.outputs),
        dict(zip(names[n_states:], zip(node.inputs[n_states:], axes["input_axes"], strict=False), strict=True)),
        list(zip(body.outputs[n_states:], node.outputs[n_states:], axes["output_axes"], strict=True)),
        casts,
    )


def _loop(graph: Graph, node: Node, body: Graph, casts: dict[str, Node]) -> Loop:
    step, condition, *names = (entry.name for entry in body.inputs)
    n_states = len(names)
    if len(node.outputs) != len(body.outputs) - 1:
        raise node.refused("its inputs and outputs do not fit its body")
    states = _states(names, node.inputs[2:], body.outputs[1:], node.outputs)
    given = [(inner, outer, 0) for inner, outer in zip(body.outputs[1 + n_states :], node.outputs[n_states:], strict=True)]
    steps = {step} | _counters(graph, body, states)
    loop = Loop(node, body, states, dict(_picked(body, steps)), given, casts, numbers=frozenset(steps), going=condition)
    return replace(loop, n_steps=_n_steps(graph, loop, steps, condition))


def _states(
    names: list[str], initial: tuple[str, ...], following: tuple[str, ...], outputs: tuple[str, ...]
) -> dict[str, State]:
    return {name: State(initial[k], following[k], outputs[k]) for k, name in enumerate(names)}


def _counters(graph: Graph, body: Graph, states: dict[str, State]) -> set[str]:
    """States that count the steps: 0 at first, and one more each time."""
    producers, found = producers_of(body), set()
    for name, state in states.items():
        begin, node = graph.constants.get(state.initial), producers.get(_without(producers, state.next, "Identity"))
        if begin is not None and begin.size == 1 and not begin.any() and node is not None and node.op == "Add":
            others = [body.constants.get(other) for other in node.inputs if other != name]
            if len(others) == 1 and others[0] is not None and others[0].size == 1 and others[0].ravel()[0] == 1:
                found.add(name)
    return found


def _all_of(body: Graph, producers: Mapping[str, Node], rows: Rows, name: str) -> str:
    """The sequence that a value in a body is, before a Slice that takes all of it, as torch writes x[:, t]."""
    for _ in range(_LONGEST_WAY):
        node = producers.get(name)
        ranges = rows.ranges(node) if node is not None and node.op == "Slice" else None
        if node is None or not ranges or any(start or end < END or step != 1 for _, start, end, step in ranges):
            break
        name = node.inputs[0]
    return name


def _picked(body: Graph, steps: set[str]) -> Iterator[tuple[str, tuple[str, int]]]:
    """The rows that a body picks out of sequences from outside, by the number of the step."""
    body = folded(body)
    producers, inside = producers_of(body), {name for node in body.nodes for name in node.outputs}
    rows = Rows(body, producers)
    squeezed = {node.inputs[0]: node for node in body.nodes if node.op == "Squeeze" and node.inputs}
    for node in body.nodes:
        if node.op != "Gather" or len(node.inputs) != 2:
            continue
        sequence = _all_of(body, producers, rows, node.inputs[0])
        if sequence in inside:
            continue
        axis, lone = node.attributes.get("axis", 0), squeezed.get(node.outputs[0])
        if _without(producers, node.inputs[1], "Identity", "Cast") in steps:
            yield node.outputs[0], (sequence, axis)
            continue
        by_index = _without(producers, node.inputs[1], "Identity", "Cast", "Unsqueeze") in steps
        if by_index and lone is not None and rows.axes(lone) == [axis]:
            yield lone.outputs[0], (sequence, axis)


def _n_steps(graph: Graph, loop: Loop, steps: set[str], condition: str) -> str:
    """The name of the number of steps. Refuses a loop that may end before."""
    most, first = loop.node.inputs[:2]
    outer = producers_of(graph)
    limits, loose = _limits(loop, loop.body.outputs[0], steps, condition)
    array = graph.constants.get(most)
    if most and not (array is not None and array.size == 1 and array.ravel()[0] >= _ENDLESS):
        limits = [most, *limits]
    limits, loose = ([_without(outer, name, *_SAME_NUMBER) for name in names] for names in (limits, loose))
    if not limits or (first and not _begins(graph, outer, first, limits)):
        raise loop.node.refused(_NO_END)
    constants = graph.constants | loop.body.constants
    for other in (*limits[1:], *loose):
        if other != limits[0] and not _equal(constants, limits[0], other):
            raise loop.node.refused(f"ends by two numbers of steps, {limits[0]!r} and {other!r}, that need not be the same")
    return limits[0]


def _begins(graph: Graph, outer: dict[str, Node], condition: str, limits: list[str]) -> bool:
    """Whether a loop does its first step: its condition is true, or says that there are more than 0 steps."""
    waiting = [condition]
    for _ in range(_LONGEST_WAY):
        if not waiting:
            return True
        name = _without(outer, waiting.pop(), *_SAME_NUMBER)
        array, node = graph.constants.get(name), outer.get(name)
        if array is not None and array.all():
            continue
        if node is None or node.op not in ("And", "Less"):
            return False
        if node.op == "And":
            waiting += node.inputs
            continue
        zero, most = (_without(outer, each, *_SAME_NUMBER) for each in node.inputs)
        begin, end = graph.constants.get(zero), graph.constants.get(most)
        if begin is None or begin.any() or not (most in limits or (end is not None and end.size and (end > 0).all())):
            return False
    return False


def _limits(loop: Loop, name: str, steps: set[str], condition: str) -> tuple[list[str], list[str]]:
    """The numbers of steps at which a condition ends a loop; and those that it lets through by one step more."""
    after = [loop.found(loop.states[step].next) for step in steps if step in loop.states]
    inside = {entry.name for entry in loop.body.inputs} | set(loop.producers)
    limits: list[str] = []
    loose: list[str] = []
    waiting, seen = [name], set()
    while waiting:
        name = loop.found(waiting.pop())
        constant, node = loop.body.constants.get(name), loop.producers.get(name)
        if name in seen or name == condition or (constant is not None and constant.all()):
            continue
        seen.add(name)
        if node is not None and node.op == "And":
            waiting += node.inputs
            continue
        if node is None or node.op != "Less":
            raise loop.node.refused(_NO_END)
        step, limit = (_without(loop.producers, each, *_SAME_NUMBER) for each in node.inputs)
        limit = loop.outside(limit)
        if step not in (*after, *steps) or limit in inside:
            raise loop.node.refused(_NO_END)
        (limits if step in after else loose).append(limit)
    return limits, loose


def _equal(constants: Mapping[str, Any], one: str, other: str) -> bool:
    arrays = constants.get(one), constants.get(other)
    return all(array is not None for array in arrays) and np.array_equal(np.ravel(arrays[0]), np.ravel(arrays[1]))  # type: ignore[arg-type]


def producers_of(graph: Graph) -> dict[str, Node]:
    """The node that gives a value, by its name."""
    return {name: node for node in graph.nodes for name in node.outputs if name}


def _without(producers: dict[str, Node], name: str, *ops: str) -> str:
    """The value that a name stands for, before operators that do not change it."""
    for _ in range(_LONGEST_WAY):
        node = producers.get(name)
        if node is None or node.op not in ops:
            break
        name = node.inputs[0]
    return name

"""Loop and Scan over the steps of a signal, whose bodies are steps of cells, become recurrent nodes.

Their body is a graph of its own. A Scan hands it the rows of the signal; in a Loop it picks them by the number of the step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.rewrite.cell import Cell
from streamrnn_converters.onnx.rewrite.cells import cells
from streamrnn_converters.onnx.rewrite.linear import Forms
from streamrnn_converters.onnx.rewrite.recurrences import Recurrences
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows

_OLDEST_SCAN = 9  # before, it had another form
_LONGEST_WAY = 20  # from a value to what it stands for
_ENDLESS = 2**31 - 1  # from here on a number of steps means: until the condition ends it


@dataclass(frozen=True)
class _State:
    """What goes from step to step: what it begins with, what the body gives for the next, and the output that it ends in."""

    initial: str
    next: str
    output: str


@dataclass(frozen=True)
class _Loop:
    """A loop over time.

    states   by the body's name for what it takes
    signals  by the body's name of a row: the sequence that it is of, and the axis of the steps
    given    what the body gives at each step, the output of all of them, and the axis of the steps in that
    n_steps  the name of their number; "" for all that the signal has
    """

    node: Node
    body: Graph
    states: dict[str, _State]
    signals: dict[str, tuple[str, int]]
    given: list[tuple[str, str, int]]
    n_steps: str = ""
    producers: dict[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "producers", _producers(self.body))

    def found(self, name: str) -> str:
        """The value that a name stands for."""
        return _behind(self.producers, name, "Identity")

    def outside(self, name: str) -> str:
        """The name outside of what the body takes from there, be it as a state that never changes."""
        state = self.states.get(name)
        return name if state is None or self.found(state.next) != name else state.initial


def without_loops(graph: Graph, dtype: str) -> tuple[Graph, list[str]]:
    """The graph with recurrent nodes in place of loops, and what to say of it. Raises ConversionError for other loops."""
    loops = [_read(graph, node) for node in graph.nodes if isinstance(node.attributes.get("body"), Graph)]
    if not loops:
        return graph, []
    made, remarks, rows = Recurrences(dtype), [], Rows(graph, _producers(graph))
    nodes: list[Node] = []
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    for node in graph.nodes:
        if not isinstance(node.attributes.get("body"), Graph):
            nodes.append(node)
            continue
        loop = loops.pop(0)
        made.nodes = nodes  # one behind the other, so that each reads what has been given before
        ops = _put(loop, rows, made, used)
        remarks.append(f"the loop of node {node.name!r} ({node.op}) is {' and '.join(ops)}")
    graph = replace(graph, constants=graph.constants | made.constants)
    return replace(graph, nodes=needed(nodes, graph.outputs)), remarks


def _read(graph: Graph, node: Node) -> _Loop:
    body: Graph = node.attributes["body"]
    n_own = len(body.inputs)
    taken = {name: graph.constants[name] for name in node.inputs[n_own:] if name in graph.constants}
    body = replace(body, constants=taken | body.constants)
    try:
        return _scan(graph, node, body) if node.op == "Scan" else _loop(graph, node, body)
    except (LookupError, TypeError, ValueError) as error:
        raise node.refused(f"its inputs and attributes do not fit its body ({error})") from None


def _scan(graph: Graph, node: Node, body: Graph) -> _Loop:
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
    return _Loop(
        node,
        body,
        _states(names[:n_states], node.inputs, body.outputs, node.outputs),
        dict(zip(names[n_states:], zip(node.inputs[n_states:], axes["input_axes"], strict=False), strict=True)),
        list(zip(body.outputs[n_states:], node.outputs[n_states:], axes["output_axes"], strict=True)),
    )


def _loop(graph: Graph, node: Node, body: Graph) -> _Loop:
    step, condition, *names = (entry.name for entry in body.inputs)
    n_states = len(names)
    if len(node.outputs) != len(body.outputs) - 1:
        raise node.refused("its inputs and outputs do not fit its body")
    states = _states(names, node.inputs[2:], body.outputs[1:], node.outputs)
    given = [(inner, outer, 0) for inner, outer in zip(body.outputs[1 + n_states :], node.outputs[n_states:], strict=True)]
    steps = {step} | _counters(graph, body, states)
    loop = _Loop(node, body, states, dict(_picked(body, steps)), given)
    return replace(loop, n_steps=_n_steps(graph, loop, steps, condition))


def _states(
    names: list[str], initial: tuple[str, ...], following: tuple[str, ...], outputs: tuple[str, ...]
) -> dict[str, _State]:
    return {name: _State(initial[k], following[k], outputs[k]) for k, name in enumerate(names)}


def _counters(graph: Graph, body: Graph, states: dict[str, _State]) -> set[str]:
    """States that are the number of the step: 0 at first, and one more each time."""
    producers, found = _producers(body), set()
    for name, state in states.items():
        begin, node = graph.constants.get(state.initial), producers.get(_behind(producers, state.next, "Identity"))
        if begin is not None and begin.size == 1 and not begin.any() and node is not None and node.op == "Add":
            others = [body.constants.get(other) for other in node.inputs if other != name]
            if len(others) == 1 and others[0] is not None and others[0].size == 1 and others[0].ravel()[0] == 1:
                found.add(name)
    return found


def _picked(body: Graph, steps: set[str]) -> Iterator[tuple[str, tuple[str, int]]]:
    """The rows that a body picks out of sequences from outside, by the number of the step."""
    producers, inside = _producers(body), {name for node in body.nodes for name in node.outputs}
    rows = Rows(body, producers)
    squeezed = {node.inputs[0]: node for node in body.nodes if node.op == "Squeeze" and node.inputs}
    for node in body.nodes:
        if node.op != "Gather" or len(node.inputs) != 2 or node.inputs[0] in inside:
            continue
        axis, lone = node.attributes.get("axis", 0), squeezed.get(node.outputs[0])
        if _behind(producers, node.inputs[1], "Identity", "Cast") in steps:
            yield node.outputs[0], (node.inputs[0], axis)
            continue
        by_index = _behind(producers, node.inputs[1], "Identity", "Cast", "Unsqueeze") in steps
        if by_index and lone is not None and rows.axes(lone) == [axis]:
            yield lone.outputs[0], (node.inputs[0], axis)


def _n_steps(graph: Graph, loop: _Loop, steps: set[str], condition: str) -> str:
    """The name of the number of steps. Refuses a loop that may end before."""
    most, first = loop.node.inputs[:2]
    limits = _limits(loop, loop.body.outputs[0], steps, condition)
    array = graph.constants.get(most)
    if most and not (array is not None and array.size == 1 and array.ravel()[0] >= _ENDLESS):
        limits = [most, *limits]
    begin = graph.constants.get(first)
    if not limits or (first and (begin is None or not begin.all())):
        raise loop.node.refused(_NO_END)
    for other in limits[1:]:
        if other != limits[0] and not _equal(graph, limits[0], other):
            raise loop.node.refused(f"ends by two numbers of steps, {limits[0]!r} and {other!r}, that need not be the same")
    return limits[0]


def _limits(loop: _Loop, name: str, steps: set[str], condition: str) -> list[str]:
    """The numbers of steps at which a condition ends a loop: of those that never do, none."""
    after = [loop.found(loop.states[step].next) for step in steps if step in loop.states]
    inside = {entry.name for entry in loop.body.inputs} | set(loop.producers)
    limits, waiting, seen = [], [name], set()
    while waiting:
        name = loop.found(waiting.pop())
        constant, node = loop.body.constants.get(name), loop.producers.get(name)
        if name in seen or name == condition or (constant is not None and constant.all()):
            continue
        seen.add(name)
        if node is not None and node.op == "And":
            waiting += node.inputs
            continue
        if node is None or node.op != "Less" or _behind(loop.producers, node.inputs[0], "Identity", "Cast") not in after:
            raise loop.node.refused(_NO_END)
        limits.append(loop.outside(node.inputs[1]))
        if limits[-1] in inside:
            raise loop.node.refused(_NO_END)
    return limits


def _equal(graph: Graph, one: str, other: str) -> bool:
    arrays = graph.constants.get(one), graph.constants.get(other)
    return all(array is not None for array in arrays) and np.array_equal(np.ravel(arrays[0]), np.ravel(arrays[1]))  # type: ignore[arg-type]


def _put(loop: _Loop, rows: Rows, made: Recurrences, used: set[str]) -> list[str]:
    """The nodes of a loop's cells, one behind the other, and its outputs; the operators of the cells."""
    kept = {name: rows.constant(loop.outside(name)) for name in loop.states if loop.outside(name) != name}
    constants = {name: array for name, array in kept.items() if array is not None}
    forms = Forms(replace(loop.body, constants=loop.body.constants | constants), frozenset(loop.states))
    found = [cell for cell in cells(forms) if _is_whole(loop, cell)]
    values: dict[str, str] = {}  # by the body's name of what a cell gives at each step: all of it
    ends: dict[str, str] = {}  # by the body's name of what a state becomes: the state after the last step
    for cell in found:
        name = f"{loop.node.name}.{cell.output}.lifted"
        signal = values.get(cell.x) or _signal(loop, name, cell.x, made)
        given = [cell.h, *filter(None, [cell.c])]
        states = [_initial(loop, rows, state, f"{name}.{state}", made) for state in given]
        values[cell.output], *finals = made.put(name, cell, signal, states)
        ends |= dict(zip((cell.output, cell.memory), finals, strict=False))
    for name, state in loop.states.items():
        last = loop.found(state.next)
        if state.output not in used:
            continue
        if last == name:
            made.add("Identity", [state.initial], state.output)
        elif last in ends:
            made.add("Squeeze", [ends[last]], state.output, axes=[0])
        else:
            raise loop.node.refused(_NO_CELL)
    for inner, outer, axis in loop.given:
        whole = values.get(loop.found(inner))
        if outer not in used:
            continue
        if whole is None or axis not in (0, 1):
            raise loop.node.refused(_NO_CELL)
        if axis == 0:
            made.add("Identity", [whole], outer)
        else:
            made.add("Transpose", [whole], outer, perm=[1, 0, 2])
    return [cell.op for cell in found]


_NO_END = "when it ends is not understood; only a loop over a number of steps is"
_NO_CELL = (
    "what it computes at each step is not one cell behind the other, of LSTM, GRU or RNN with their usual functions, giving "
    "their h; export the model with its recurrent nodes kept"
)


def _is_whole(loop: _Loop, cell: Cell) -> bool:
    """Whether a cell is one of this loop: it takes the states that it gives."""
    if cell.weights["R"] is None or cell.weights["W"] is None or cell.leads:
        return False
    pairs = [(cell.h, cell.output), *([(cell.c, cell.memory)] if cell.memory else [])]
    return all(taken in loop.states and loop.found(loop.states[taken].next) == given for taken, given in pairs)


def _signal(loop: _Loop, name: str, x: str, made: Recurrences) -> str:
    """The signal of a cell, time first."""
    source, axis = loop.signals.get(loop.found(x), ("", -1))
    if axis not in (0, 1):
        raise loop.node.refused(f"its cell takes {x!r}, which is no row of a sequence of vectors")
    source = loop.outside(source)
    if loop.n_steps:  # a Slice is refused where these are not all
        source = made.add("Slice", [source, made.number([0]), loop.n_steps, made.number([axis])], f"{name}.whole")
    return source if axis == 0 else made.add("Transpose", [source], f"{name}.X", perm=[1, 0, 2])


def _initial(loop: _Loop, rows: Rows, state: str, name: str, made: Recurrences) -> str:
    """The initial state of a cell with the axis of directions; "" for zeros."""
    initial = loop.states[state].initial
    array = rows.constant(initial)
    return "" if array is not None and not array.any() else made.add("Unsqueeze", [initial], name, axes=[0])


def _producers(graph: Graph) -> dict[str, Node]:
    return {name: node for node in graph.nodes for name in node.outputs if name}


def _behind(producers: dict[str, Node], name: str, *ops: str) -> str:
    """The value that a name stands for, behind operators that do not change it."""
    for _ in range(_LONGEST_WAY):
        node = producers.get(name)
        if node is None or node.op not in ops:
            break
        name = node.inputs[0]
    return name

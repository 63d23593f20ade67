"""Loop and Scan over the steps of a signal: those whose bodies are steps of cells become recurrent nodes."""

from dataclasses import replace

from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.rewrite.cell import Cell
from streamrnn_converters.onnx.rewrite.cells import cells
from streamrnn_converters.onnx.rewrite.folding import folded
from streamrnn_converters.onnx.rewrite.linear import Forms
from streamrnn_converters.onnx.rewrite.loop_form import Loop, producers_of, read_loop
from streamrnn_converters.onnx.rewrite.one_step import one_step
from streamrnn_converters.onnx.rewrite.recurrences import Recurrences
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows


def without_loops(graph: Graph, dtype: str) -> tuple[Graph, list[str]]:
    """The graph with recurrent nodes instead of loops over cells, and one step of any other loop; and remarks.

    Raises ConversionError for loops that are not over the steps of a signal.
    """
    loops = [read_loop(graph, node) for node in graph.nodes if isinstance(node.attributes.get("body"), Graph)]
    if not loops:
        return graph, []
    made, remarks, rows = Recurrences(dtype), [], Rows(graph, producers_of(graph))
    nodes: list[Node] = []
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    joins: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.op == "ConcatFromSequence":
            joins.setdefault(node.inputs[0], []).append(node)
    for node in graph.nodes:
        if not isinstance(node.attributes.get("body"), Graph):
            nodes.append(node)
            continue
        loop = loops.pop(0)
        made.nodes = []
        if ops := _put(loop, rows, made, used):
            nodes += made.nodes  # in this order, so that each comes after those that it reads
            remarks.append(f"the loop of node {node.name!r} ({node.op}) is {' and '.join(ops)}")
            continue
        before = replace(graph, nodes=tuple(nodes), constants=graph.constants | made.constants)
        own = one_step(before, loop, used, dtype, joins)
        nodes += own.nodes
        made.constants |= own.constants
        outputs = (*graph.outputs, *(each.after for each in own.kept if each.initial is not None))
        graph = replace(graph, inputs=(*graph.inputs, *own.inputs), outputs=outputs, kept=(*graph.kept, *own.kept))
        remarks.append(f"the loop of node {node.name!r} ({node.op}) is a step of a cell of its own")
    graph = replace(graph, constants=graph.constants | made.constants)
    given = {name for node in nodes if node.op != "ConcatFromSequence" for name in node.outputs}
    nodes = [node for node in nodes if node.op != "ConcatFromSequence" or given.isdisjoint(node.outputs)]
    return replace(graph, nodes=needed(nodes, graph.outputs)), remarks


def _put(loop: Loop, rows: Rows, made: Recurrences, used: set[str]) -> list[str]:
    """Add the nodes of a loop's cells and outputs. Gives the operators of the cells; [] where it computes anything else."""
    kept = {name: rows.constant(loop.outside(name)) for name in loop.states if loop.outside(name) != name}
    constants = {name: array for name, array in kept.items() if array is not None}
    forms = Forms(folded(replace(loop.body, constants=loop.body.constants | constants)), frozenset(loop.states))
    found = [cell for cell in cells(forms) if _is_whole(loop, cell)]
    values: dict[str, str] = {}  # by the body's name of what a cell gives at each step: all of it
    ends: dict[str, str] = {}  # by the body's name of what a state becomes: the state after the last step
    for cell in found:
        name = f"{loop.node.name}.{cell.output}.lifted"
        signal = values.get(cell.x) or _signal(loop, name, cell.x, made)
        if not signal:
            return []
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
            return []
    for inner, outer, axis in loop.given:
        whole = values.get(loop.found(inner))
        if outer not in used:
            continue
        if whole is None or axis not in (0, 1):
            return []
        if axis == 0:
            made.add("Identity", [whole], outer)
        else:
            made.add("Transpose", [whole], outer, perm=[1, 0, 2])
    return [cell.op for cell in found]


def _is_whole(loop: Loop, cell: Cell) -> bool:
    """Whether a cell belongs to this loop: it reads the states that it gave a step before."""
    if cell.weights["R"] is None or cell.weights["W"] is None or cell.leads:
        return False
    pairs = [(cell.h, cell.output), *([(cell.c, cell.memory)] if cell.memory else [])]
    return all(taken in loop.states and loop.found(loop.states[taken].next) == given for taken, given in pairs)


def _signal(loop: Loop, name: str, x: str, made: Recurrences) -> str:
    """The signal of a cell, time first; "" where it is no row of a sequence of vectors."""
    source, axis = loop.signals.get(loop.found(x), ("", -1))
    if axis not in (0, 1):
        return ""
    source = loop.outside(source)
    if loop.n_steps:  # a Slice is refused where these are not all
        source = made.add("Slice", [source, made.number([0]), loop.n_steps, made.number([axis])], f"{name}.whole")
    return source if axis == 0 else made.add("Transpose", [source], f"{name}.X", perm=[1, 0, 2])


def _initial(loop: Loop, rows: Rows, state: str, name: str, made: Recurrences) -> str:
    """The initial state of a cell with the axis of directions; "" for zeros."""
    initial = loop.states[state].initial
    array = rows.constant(initial)
    return "" if array is not None and not array.any() else made.add("Unsqueeze", [initial], name, axes=[0])


def begun_anew(graph: Graph) -> Graph:
    """The graph whose loops take a single step: their states are what they begin with."""
    own = graph.own_states
    begins = {each.before: each.initial for each in graph.kept if each.initial is not None}
    inputs = tuple(entry for entry in graph.inputs if entry.name not in own)
    outputs = tuple(name for name in graph.outputs if name not in own.values())
    kept = tuple(each for each in graph.kept if each.before not in own)
    nodes, constants = needed(graph.nodes, outputs), graph.constants | begins
    return replace(graph, inputs=inputs, outputs=outputs, kept=kept, nodes=nodes, constants=constants)

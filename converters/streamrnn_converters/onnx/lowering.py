"""From a graph to layers: its loops and cells become nodes, its axes are found, its nodes are visited.

What of this a graph needs is seen only by trying: its loops rolled up, its states begun anew, another axis as time.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import streamrnn_converters.onnx.operators.comparisons
import streamrnn_converters.onnx.operators.convolution
import streamrnn_converters.onnx.operators.dense
import streamrnn_converters.onnx.operators.elementwise
import streamrnn_converters.onnx.operators.indexing
import streamrnn_converters.onnx.operators.normalization
import streamrnn_converters.onnx.operators.pooling
import streamrnn_converters.onnx.operators.recurrent
import streamrnn_converters.onnx.operators.resizing
import streamrnn_converters.onnx.operators.steps  # noqa: F401 - with what they import, they fill the table of operators
from streamrnn import ConversionError
from streamrnn_converters.onnx.axes.conventions import other_time_axes, time_axes_of
from streamrnn_converters.onnx.axes.one_step import is_one_step
from streamrnn_converters.onnx.axes.roles import MOST_PLAIN
from streamrnn_converters.onnx.axes.solver import Solution, solve, solve_as_one_step
from streamrnn_converters.onnx.build.single_step import takes_one_step
from streamrnn_converters.onnx.carried.flow import only_in_loops
from streamrnn_converters.onnx.carried.pairs import Candidates, candidates
from streamrnn_converters.onnx.graph import Graph
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.precision import Precision
from streamrnn_converters.onnx.rewrite.branches import without_branches
from streamrnn_converters.onnx.rewrite.computed_pieces import with_known_pieces
from streamrnn_converters.onnx.rewrite.computed_states import without_computed_states
from streamrnn_converters.onnx.rewrite.counters import with_counters
from streamrnn_converters.onnx.rewrite.gemm_sums import without_gemm_sums
from streamrnn_converters.onnx.rewrite.lifting import Lifted, lift
from streamrnn_converters.onnx.rewrite.loops import begun_anew, without_loops
from streamrnn_converters.onnx.rewrite.repeated_steps import has_rows
from streamrnn_converters.onnx.rewrite.rolled_up import rolled_up
from streamrnn_converters.onnx.rewrite.softplus_threshold import without_threshold

ANEW = (
    "the graph takes one step, and states neither come in nor go out: as it stands each step begins anew from the initial "
    "state, and so does the model; states='carry' (--state carry) makes a stream that keeps its states from step to step"
)
KEPT = "the graph begins each step anew; states='carry' was given, so that a stream keeps its states from step to step"


class Lowered(NamedTuple):
    """What lowering has made of a graph.

    graph      as it was lowered
    importer   after it has visited the nodes
    known      which of the graph's inputs may be states
    time_axes  by graph input, as somebody has said or its name tells
    remarks    on what became of loops and cells
    carries    whether a graph of one step that begins anew is to keep its states
    alone      whether a layer is the first step of a loop, whose other steps were not recognised
    """

    graph: Graph
    importer: Importer
    known: Candidates
    time_axes: dict[str, int]
    remarks: Sequence[str]
    carries: bool
    alone: bool


def lower(
    graph: Graph,
    precision: Precision,
    pairs: Mapping[str, str] | None,
    time_axis: int | Mapping[str, int] | None,
    *,
    offline: bool,
    carry: bool,
) -> Lowered:
    """Lower a graph.

    pairs      which inputs are states, and the outputs that give them back; None: they are found
    time_axis  which axis is time, as `from_onnx` takes it
    offline    the model is to answer whole recordings
    carry      a graph of one step that begins anew is to keep its states

    Raises ConversionError where a node cannot be imported.
    """
    graph, remarks = without_loops(graph, precision.dtype)
    graph = without_gemm_sums(graph)  # as an optimiser has fused steps of a loop, but not the first
    time_axes, loops = time_axes_of(graph, time_axis), graph
    graph, more, alone = _rewritten(loops, pairs, precision)
    if has_rows(graph):
        rolled, unrolled = rolled_up(loops, precision.dtype)
        if unrolled and candidates(rolled, pairs).states - rolled.own_states.keys() <= only_in_loops(rolled):
            loops, remarks = rolled, [*remarks, *unrolled]
            graph, more, alone = _rewritten(loops, pairs, precision)
    known = candidates(graph, pairs)
    importer = _lowered(graph, precision, time_axes, known.states, offline=offline)
    single = bool(graph.own_states) and takes_one_step(graph, importer)
    carries = single and carry
    if single and not carries:
        graph, more, alone = _rewritten(begun_anew(loops), pairs, precision)
        known = candidates(graph, pairs)
        importer = _lowered(graph, precision, time_axes, known.states, offline=offline)
    if single:
        importer.remark(KEPT if carries else ANEW)
    elif graph.own_states:
        importer.remark("a stream keeps the states of such a loop, see Stream.states")
    return Lowered(graph, importer, known, time_axes, [*remarks, *more], carries, alone)


def _rewritten(graph: Graph, pairs: Mapping[str, str] | None, precision: Precision) -> Lifted:
    """The graph after its loops, in operators that are lowered one by one."""
    graph = without_gemm_sums(without_branches(graph))
    graph, counted = with_counters(graph, candidates(graph, pairs).states)
    graph = with_known_pieces(without_threshold(graph, precision.dtype))
    graph, apart = without_computed_states(graph, candidates(graph, pairs).states)
    lifted = lift(graph, precision.dtype, candidates(graph, pairs).pairs)
    return lifted._replace(remarks=[*counted, *apart, *lifted.remarks])


def _lowered(
    graph: Graph, precision: Precision, time_axes: Mapping[str, int], states: Collection[str], *, offline: bool
) -> Importer:
    """The importer after it has visited the nodes of a graph. Raises ConversionError where one cannot be imported.

    A graph that is refused, whose sizes are all fixed and whose states are carried, is tried as a single step; another one with
    other axes as time, for a recurrent node may go along an axis within a step.

    states  graph inputs that the caller carries from run to run
    """
    refusal: ConversionError | None = None
    ahead = set(states) <= graph.own_states.keys()
    for solved, remark in _attempts(graph, time_axes, states):
        try:
            importer, solution = _visited(graph, solved(), precision, offline=offline, ahead=ahead)
        except ConversionError as error:
            error.__cause__ = error.__context__ = None  # their frames would hold the constants of this attempt
            refusal = refusal or error.with_traceback(None)
            continue
        if remark and not importer.over_time:
            continue
        for name, node in solution.roles.fixed.items():
            role, size = solution.roles.roles[name], solution.roles.sizes[name]
            if role in ("time", "batch"):
                what = "steps" if role == "time" else "signals"
                importer.remark(f"{node} fixes the number of {what} to {size}, which the graph declares open; a stream goes on")
        if remark:
            importer.remark(remark)
        return importer
    assert refusal is not None
    raise refusal


def _attempts(
    graph: Graph, time_axes: Mapping[str, int], states: Collection[str]
) -> Iterator[tuple[Callable[[], Solution], str]]:
    """Ways to find out about axes, the usual one first. Another axis as time has a remark; a node must then go over it."""
    yield lambda: solve(graph, time_axes, states), ""
    if states and is_one_step(graph):
        yield lambda: solve_as_one_step(graph, states), ""
    for name, axis in [] if states else other_time_axes(graph, time_axes):
        remark = (
            f"axis {axis} of graph input {name!r} was taken as time, since the graph cannot be streamed over another; "
            f"time_axis={{{name!r}: {axis}}} (--time-axis {name}={axis}) says so by hand"
        )
        yield partial(solve, graph, {name: axis}), remark


def _visited(
    graph: Graph, solution: Solution, precision: Precision, *, offline: bool, ahead: bool
) -> tuple[Importer, Solution]:
    importer = Importer(graph, solution, precision, offline=offline, ahead=ahead)
    solution.roles.check()
    if importer.moves_time and (importer.backward or importer.lengths is not None):
        raise importer.moves_time[0]
    if importer.along_rows and not importer.over_time and not _may_have_rows(graph):
        raise importer.along_rows[0]
    return importer, solution


def _may_have_rows(graph: Graph) -> bool:
    """Whether an input has more axes than time, batch and features, so that a step may have rows."""
    return any(len(entry.sizes) > MOST_PLAIN for entry in graph.inputs)

"""All stages one after the other: bytes to a graph, its cells, its axes, its layers, a model, its inputs and outputs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamrnn import ConversionError, Model
from streamrnn.audio import OutputRows
from streamrnn_converters.onnx.build.assemble import Assembly
from streamrnn_converters.onnx.build.begun import begun_by_loops, begun_with_defaults
from streamrnn_converters.onnx.build.carried import carried_of, is_final, returned_by_loops
from streamrnn_converters.onnx.build.feedback import check_single_step, fed_back
from streamrnn_converters.onnx.build.graph_io import (
    check_carried,
    check_used,
    inputs_of,
    lengths_of,
    signal_of,
    states_of,
)
from streamrnn_converters.onnx.build.rows_of_a_step import rows_of_a_step
from streamrnn_converters.onnx.build.single_step import SingleStep, begins_anew
from streamrnn_converters.onnx.carried.defaults import with_default_states
from streamrnn_converters.onnx.carried.flow import only_in_loops
from streamrnn_converters.onnx.carried.pairs import check_signals
from streamrnn_converters.onnx.carried.switches import switches
from streamrnn_converters.onnx.graph import End, Graph
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput, Imported
from streamrnn_converters.onnx.importer import LAST_ONLY, Importer
from streamrnn_converters.onnx.lowering import ANEW, KEPT, lower
from streamrnn_converters.onnx.operators.over_time import count_of
from streamrnn_converters.onnx.parse.file import parse, read_bytes
from streamrnn_converters.onnx.precision import precision_of
from streamrnn_converters.onnx.rewrite.branches import without_branches
from streamrnn_converters.onnx.rewrite.filled_arrays import without_filled_arrays
from streamrnn_converters.onnx.rewrite.flat_convolutions import with_flat_convolutions
from streamrnn_converters.onnx.rewrite.sequences import without_sequences
from streamrnn_converters.onnx.rewrite.wrapped_indices import without_wrapping
from streamrnn_converters.onnx.time_map import TimeMap
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import FinalState, LayerOutput, Vector, upstream

#: What is said by hand about states that go from step to step.
States = Literal["carry"] | Mapping[str, str] | None

_OFFLINE = "a recording", "run_offline(model, signal, states=True) gives it"
_LAST_OFFLINE = (
    "the graph gives one answer to a recording: it is in the last row of what run_offline gives; ignore the rows before"
)
_STEADY = "a stream takes it at each step, and is proven with values that stay as they are"


def from_onnx(
    source: str | os.PathLike[str] | bytes,
    constants: Mapping[str, Any] | None = None,
    *,
    allow_external_data: bool = False,
    offline: bool = False,
    time_axis: int | Mapping[str, int] | None = None,
    states: States = None,
) -> Model:
    """The model in an ONNX file.

    LSTM, GRU and RNN nodes (forward, opset 7 and newer) with everything of their definition that can be streamed, and all that
    works step by step around them; docs/imports.md has the list. A graph whose caller carries the states from run to run
    becomes a model whose streams keep them.

    source     path or bytes
    constants  fixed values for graph inputs, by name, and for sizes of them that are open: {"sr": 16000, "batch": 1}
    allow_external_data  tensors may be in other files in the folder of `source`, which then is a path; otherwise
               such a model is refused
    offline    the model is to answer whole recordings (`streamrnn.run_offline`), so that it may read them backwards, and the
               graph may be told their lengths; otherwise such a graph is refused
    time_axis  which axis is time, of the first graph input or by the names of inputs: 1, {"x": 1, "u": 0}. It counts as if a
               node told it. None: as the nodes tell, else by convention
    states     which graph inputs are states, and the outputs that give them back: {"h_in": "h_out"}, all of them; {} if
               none is. None: they are found by flow, name and shape, and remarks say so. "carry": a graph of one step, into
               which no states come and out of which none go, is to keep its states from step to step; otherwise its model
               begins each step anew, as the graph does

    Raises ConversionError, naming the node and the reason, for everything that cannot be streamed or is not understood.
    """
    data = read_bytes(source, allow_external_data=allow_external_data)
    return read_onnx(data, constants, offline=offline, time_axis=time_axis, states=states).model


def read_onnx(
    source: str | os.PathLike[str] | bytes,
    constants: Mapping[str, Any] | None = None,
    *,
    offline: bool = False,
    time_axis: int | Mapping[str, int] | None = None,
    states: States = None,
) -> Imported:
    """The model in an ONNX file, and how the graph's inputs and outputs map to a stream of it. Raises as `from_onnx` does."""
    if states not in (None, "carry") and not isinstance(states, Mapping):
        raise ConversionError(f"states={states!r} is not understood; give {{'input': 'output'}}, 'carry', or leave it out")
    constants = dict(constants or {})
    graph = parse(read_bytes(source), constants)
    graph = with_flat_convolutions(without_wrapping(without_filled_arrays(without_sequences(without_branches(graph)))))
    pairs = states if isinstance(states, Mapping) else None
    graph, begun = with_default_states(graph, pairs)
    precision = precision_of(graph)
    graph, importer, known, time_axes, remarks, carries, alone = lower(
        graph, precision, pairs, time_axis, offline=offline, carry=states == "carry"
    )
    flows = _outputs(graph, importer)
    sources = carried_of(importer, flows, known, graph.kept)
    begun |= begun_by_loops(importer, graph.kept)
    if not carries:
        flows = _as_it_stands(graph, importer, flows, states, is_carried=bool(sources), alone=alone)
    returned = {output: name for name, output in sources.items()}
    finals = {name: flow for name, flow in flows.items() if name in returned or is_final(flow)}
    given = {name: _vector(importer, name, flow) for name, flow in flows.items() if name not in finals}
    distinct = list(dict.fromkeys(given.values())) or _outermost(importer, finals)
    time = max(flow.time for flow in flows.values())
    if not any(isinstance(vector, LayerOutput) for vector in distinct):
        raise ConversionError("no layer lies between the graph's inputs and outputs, so that there is nothing to stream")
    feedback = fed_back(importer, distinct, sources, flows)
    every = [*distinct, *(each.returns for each in feedback.values())]
    check_used(importer, graph.inputs, every)
    own = graph.own_states
    check_carried(importer, every, [name for name in sources if name not in own], own)
    lengths = lengths_of(importer, graph.inputs, sources, every)
    inputs = inputs_of(importer, [entry for entry in graph.inputs if entry.name not in (*sources, importer.lengths)], {})
    looped = own.keys() | (only_in_loops(graph) & returned_by_loops(importer, flows, graph.kept).keys())
    check_single_step(inputs, [each for each in feedback if each.name not in looped])
    switching = switches(graph, sources)
    moves = any(not _is_one_step(entry) for entry in inputs)
    inputs = tuple(
        replace(entry, switches=entry.name in switching, steady=moves and "time" not in entry.axes) for entry in inputs
    )
    for entry in inputs:
        if entry.steady:
            importer.remark(f"graph input {entry.name!r} has no axis of time: {_STEADY}")
    free = [entry.name for entry in inputs if not entry.integers and _is_one_step(entry)]
    check_signals(known, free, list(given), sources)
    assembly = Assembly({entry.name: entry.size for entry in inputs}, distinct, precision.dtype, feedback, begun, importer.fed)
    starts = dict(zip(distinct, accumulate((vector.size for vector in distinct), initial=0), strict=False))
    outputs = tuple(
        signal_of(importer, name, flow, starts[given[name]])
        if name in given
        else states_of(importer, assembly, name, flow, returned.get(name, ""))
        for name, flow in flows.items()
    )
    in_file = tuple(output for output in outputs if output.name not in own.values())
    origin = _origin(graph, inputs, in_file, constants, time_axes, states)
    model = assembly.model({"source": origin, **OutputRows(delay=time.late * time.rate).noted()})
    _remark(importer, model, inputs, in_file, set(sources.values()))
    carried = inputs_of(importer, [entry for entry in graph.inputs if entry.name in sources], sources)
    carried = tuple(replace(each, initial=begun.get(each.name, ())) for each in carried)
    model = begun_with_defaults(model, carried, outputs)
    carried = tuple(each for each in carried if each.name not in own)
    fixed = {name: _in_float32(graph.constants[name]) for name in constants if name in graph.constants}
    defaults = [
        f"graph input {each.name!r} begins with the values that the graph has for it by default"
        for each in carried
        if each.name in begun
    ]
    _remark_time(importer, inputs, time, carries=bool(sources.keys() - own.keys()))
    rows = [] if sources else rows_of_a_step(graph, importer)
    said = (*graph.remarks, *precision.remarks, *defaults, *remarks, *importer.remarks, *rows)
    return Imported(
        model,
        inputs,
        in_file,
        carried,
        said,
        fixed,
        lengths,
        importer.several(),
        max(-(-importer.fewest_rows // time.rate), 1 + time.late),
    )


def _outputs(graph: Graph, importer: Importer) -> dict[str, Flow]:
    flows = {}
    for name in graph.outputs:
        value = importer.values.get(name)
        if value is None:
            raise ConversionError(f"graph output {name!r}: cannot be streamed; export the model without it")
        if not isinstance(value, Flow):
            raise ConversionError(f"graph output {name!r}: does not depend on the signal; export the model without it")
        value = importer.late(End(name), value)
        late, surplus, _ = value.time
        if not -late <= surplus <= 0:
            raise ConversionError(
                f"graph output {name!r}: has {count_of(abs(surplus))} {'more' if surplus > 0 else 'fewer'} than the input; "
                "give it one for each, with zeros before the first step and the surplus cut off at its end"
            )
        if late and (value.last or is_final(value)):
            raise ConversionError(
                f"graph output {name!r}: is the answer after the last step of what looks {count_of(late)} ahead, and so "
                "depends on where the signal ends; export the model with an answer to every step"
            )
        flows[name] = value
    over_time = [name for name, flow in flows.items() if not flow.last and not is_final(flow)]
    together = importer.together(End(", ".join(over_time)), [flows[name] for name in over_time])
    return flows | dict(zip(over_time, together, strict=True))


def _as_it_stands(
    graph: Graph, importer: Importer, flows: dict[str, Flow], states: States, *, is_carried: bool, alone: bool
) -> dict[str, Flow]:
    """The outputs of a graph of one step without the states of the steps before, unless these are to be carried.

    alone  whether a layer is the first step of a loop, whose other steps were not recognised: its state is not the loop's
    """
    if is_carried or not begins_anew(graph, importer, flows):
        if states == "carry":
            raise ConversionError(
                "states='carry' is for a graph of exactly one step into which no states come and out of which none go, and "
                "this is none: a stream of it keeps its states anyway; leave it out"
            )
        return flows
    single = SingleStep()
    anew = {name: single.flow(flow) for name, flow in flows.items()}
    if not single.changed:
        if states == "carry":
            raise ConversionError("states='carry': no layer of the graph has a state, as far as its nodes show; leave it out")
        return flows
    if alone and states == "carry":
        raise ConversionError(
            "states='carry': the graph is an unrolled loop whose cell is no LSTM, GRU or RNN, so that no layer has its state; "
            "export one step of it, with its states as inputs and outputs"
        )
    if not alone:
        importer.remark(KEPT if states == "carry" else ANEW)
    return flows if states == "carry" else anew


def _in_float32(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _vector(importer: Importer, name: str, flow: Flow) -> Vector:
    """The vector that a graph output gives."""
    importer.remark_last(flow)
    return importer.vector(End(name), flow)


def _outermost(importer: Importer, states: Mapping[str, Flow]) -> list[Vector]:
    """What a stream gives where a graph gives only states: the h of layers that no other of them reads, else all."""
    layers = list({part.of: None for flow in states.values() for part, _ in flow.elements() if isinstance(part, FinalState)})
    others = [_vector(importer, name, flow) for name, flow in states.items()] if not layers else []
    return [layer for layer in layers if not any(layer in upstream(other.reads) for other in layers)] or others


def _is_one_step(entry: GraphInput) -> bool:
    return all(axis != "time" or size == 1 for axis, size in zip(entry.axes, entry.sizes, strict=True))


def _origin(
    graph: Graph,
    inputs: Sequence[GraphInput],
    outputs: Sequence[GraphOutput],
    constants: Mapping[str, Any],
    time_axes: Mapping[str, int],
    states: States,
) -> dict[str, Any]:
    """Where the model comes from, for its notes."""
    origin: dict[str, Any] = {"format": "onnx", "producer": graph.producer, "opset": graph.opset, "graph": graph.name}
    origin["inputs"] = [[entry.name, entry.size] for entry in inputs]
    origin["outputs"] = [[output.name, output.size] for output in outputs if not output.states]
    if constants:
        origin["constants"] = {name: np.asarray(value).tolist() for name, value in constants.items()}
    if time_axes:
        origin["time_axis"] = dict(time_axes)
    if states is not None:
        origin["states"] = states if isinstance(states, str) else dict(states)
    return origin


def _remark(
    importer: Importer, model: Model, inputs: Sequence[GraphInput], outputs: Sequence[GraphOutput], carried: set[str]
) -> None:
    """Say what a stream, or a recording, takes and gives, where that is not obvious."""
    who, states = ("a stream", "a stream keeps it, see Stream.states") if model.streamable else _OFFLINE
    if len(inputs) > 1:
        importer.remark(f"{who} takes {_sizes(inputs)}, joined in this order")
    signals = [output for output in outputs if not output.states]
    if len({output.start for output in signals}) > 1:
        importer.remark(f"{who} gives {_sizes(signals)}, joined in this order")
    for output in outputs:
        if output.states and output.name not in carried:
            importer.remark(f"graph output {output.name!r} is a final state; {states}")
    if not model.streamable:
        importer.remarks[:] = [_LAST_OFFLINE if remark == LAST_ONLY else remark for remark in importer.remarks]
        importer.remark("the model reads recordings backwards: it cannot be streamed, streamrnn.run_offline answers them")
    if importer.lengths is not None:
        importer.remark(
            "the graph is told the lengths of its recordings; here each recording is passed in its own length, without padding"
        )


def _remark_time(importer: Importer, inputs: Sequence[GraphInput], time: TimeMap, *, carries: bool) -> None:
    """Say which rows an answer takes and to which it comes, where it does not come to each row at once.

    Raises ConversionError where none would come in time, or a run that goes on is no whole number of steps.
    """
    rows = next((size for entry in inputs for axis, size in zip(entry.axes, entry.sizes, strict=True) if axis == "time"), None)
    if rows is not None and rows // time.rate <= time.late:
        raise ConversionError(
            f"the graph takes {rows} rows, but the first answer comes after {(time.late + 1) * time.rate}, since it looks "
            "ahead or has a stride; export it with an open number of rows"
        )
    if carries and rows is not None and rows % time.rate:
        raise ConversionError(
            f"the graph carries its states over {rows} rows, which are no whole number of steps of {time.rate} rows; export it "
            "with a multiple of that"
        )
    if time.rate > 1:
        importer.remark(f"a step takes {time.rate} rows of the input, since the graph gives one answer for so many")
    if time.late:
        importer.remark(
            f"answers come {count_of(time.late)} later, since the graph looks ahead: a stream gives at step t what the graph "
            f"gives at step t - {time.late}. What it gives before is no answer, and what the graph gives for the last "
            f"{count_of(time.late)} of a recording, where it sees the end, is left out"
        )


def _sizes(ends: Sequence[GraphInput] | Sequence[GraphOutput]) -> str:
    return ", ".join(f"{end.name!r} ({end.size} value{'s' * (end.size != 1)})" for end in ends)

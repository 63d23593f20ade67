"""The inputs and outputs of a graph, and how they map to a stream: which values of a step, which states."""

from collections.abc import Iterable, Mapping
from typing import get_args

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.build.assemble import Assembly
from streamrnn_converters.onnx.build.carried import paired, units_in
from streamrnn_converters.onnx.graph import Input
from streamrnn_converters.onnx.imported import Axis, GraphInput, GraphOutput
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Axis as NamedAxis
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import FinalState, LayerOutput, Source, Vector


def inputs_of(importer: Importer, entries: Iterable[Input], sources: Mapping[str, str]) -> tuple[GraphInput, ...]:
    """Graph inputs in the order in which a stream takes their values; for states, `sources` names the output of each."""
    found, start = [], 0
    for entry in entries:
        flow = importer.values[entry.name]
        assert isinstance(flow, Flow)
        axes, sizes = _axes(importer, flow.axes)
        n_entries = importer.n_entries.get(entry.name, 0)
        integers = entry.type if entry.is_integer else ""
        found.append(GraphInput(entry.name, axes, sizes, start, integers, n_entries, sources.get(entry.name, "")))
        start += found[-1].size
    return tuple(found)


def lengths_of(
    importer: Importer, entries: Iterable[Input], carried: Mapping[str, str], vectors: Iterable[Vector]
) -> GraphInput | tuple[int, ...] | None:
    """The graph input that brings the lengths of recordings, or constant lengths.

    Raises ConversionError where a node goes on after the end of a recording, states are carried from there, or layers
    read the lengths too.
    """
    if importer.lengths is None:
        return None
    if importer.whole_only:
        raise importer.whole_only[0]
    if carried:
        raise ConversionError(
            f"graph input {next(iter(carried))!r}: brings initial states, but the graph is told the lengths of whole "
            "recordings; export the model with one of the two"
        )
    if isinstance(importer.lengths, tuple):
        return importer.lengths
    if importer.lengths in {vector.name for vector in upstream(vectors) if isinstance(vector, Source)}:
        raise ConversionError(
            f"graph input {importer.lengths!r}: brings the lengths of recordings, and is used for something else too; export "
            "the model with an input for each"
        )
    (found,) = inputs_of(importer, [entry for entry in entries if entry.name == importer.lengths], {})
    return found


def signal_of(importer: Importer, name: str, flow: Flow, start: int) -> GraphOutput:
    """A graph output that is a part of what a stream gives."""
    return GraphOutput(name, *_axes(importer, flow.axes), start, merges=len(_apart(flow.axes)) > len(flow.axes))


def states_of(importer: Importer, assembly: Assembly, name: str, flow: Flow) -> GraphOutput:
    """A graph output of final states."""
    starts: dict[Vector, int] = {}
    states, n_values, indices = [], 0, []
    for part, index in flow.elements():
        assert isinstance(part, FinalState)
        if part not in starts:
            layer = assembly.index(part.of)
            if layer is None:
                raise ConversionError(
                    f"graph output {name!r}: is a state of a {part.of.layer.kind} layer on which no other output depends; "
                    "export the model without it"
                )
            starts[part] = n_values
            states.append((layer, part.state))
            n_values += part.size
        indices.append(starts[part] + index)
    return GraphOutput(name, *_axes(importer, flow.axes), 0, tuple(states), tuple(indices))


def carried_of(importer: Importer, flows: Mapping[str, Flow]) -> dict[str, str]:
    """For each graph input of initial states, in the graph's order, the output that goes back into it."""
    sources = {}
    for name, read in units_in(importer).items():
        sources[name], how = paired(importer, name, read, flows)
        carried = dict.fromkeys(f"{state} ({layer.layer.kind})" for layer, state, _ in read.values())
        importer.remark(
            f"graph input {name!r} and output {sources[name]!r}, paired {how}, carry {', '.join(carried)} from step to step; a "
            "stream keeps that, see Stream.states"
        )
    return sources


def check_carried(importer: Importer, vectors: Iterable[Vector]) -> None:
    """Where some states are carried, refuse layers whose states are not: in the graph, these begin again with every run."""
    carried = {layer for layer, _ in importer.initial}
    for vector in upstream(vectors):
        if not carried or not isinstance(vector, LayerOutput):
            continue
        for state in vector.layer.states:
            if (vector, state) not in importer.initial:
                name = next(part.name for flow in importer.initial.values() for part in flow.parts if isinstance(part, Source))
                raise ConversionError(
                    f"graph input {name!r}: brings initial states, but none brings the {state} of a {vector.layer.kind} layer, "
                    "which begins anew with every run; export the model with all of its states as inputs, or with none"
                )


def check_used(importer: Importer, entries: Iterable[Input], vectors: Iterable[Vector]) -> None:
    """Refuse inputs on which no output depends."""
    needed = upstream(vectors)
    used = {vector.name for vector in needed if isinstance(vector, Source)} | {importer.lengths}
    for (layer, _), flow in importer.initial.items():
        if layer in needed:
            used |= {part.name for part in flow.parts if isinstance(part, Source)}
    for entry in entries:
        if entry.name not in used:
            raise ConversionError(f"graph input {entry.name!r}: has no part in the outputs; export the model without it")


def upstream(vectors: Iterable[Vector]) -> set[Vector]:
    """The vectors, and all that they are computed from."""
    found: set[Vector] = set()
    waiting = list(vectors)
    while waiting:
        each = waiting.pop()
        if each not in found and isinstance(each, LayerOutput):
            waiting += each.reads
        found.add(each)
    return found


def _axes(importer: Importer, axes: Iterable[NamedAxis]) -> tuple[tuple[Axis, ...], tuple[int | None, ...]]:
    """What each axis runs over, and its size where that is known."""
    known: dict[str, Axis] = {name: name for name in get_args(Axis)}
    apart = _apart(axes)
    sizes = tuple(axis.size if isinstance(axis.size, int) else None for axis in apart)
    return tuple(known[importer.role(axis)] for axis in apart), sizes


def _apart(axes: Iterable[NamedAxis]) -> list[NamedAxis]:
    """The axes, those of which merged ones were made in their place."""
    return [part for axis in axes for part in axis.parts or (axis,)]

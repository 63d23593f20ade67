"""The two ends of a graph, and how they map to a stream: which values of a step are whose, which states an output gives."""

from collections.abc import Iterable, Mapping
from typing import get_args

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.assemble import Assembly
from streamrnn_converters.onnx.carried import paired, units_in
from streamrnn_converters.onnx.graph import Input
from streamrnn_converters.onnx.imported import Axis, GraphInput, GraphOutput
from streamrnn_converters.onnx.interpret import Walk
from streamrnn_converters.onnx.values import Axis as NamedAxis
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import Applied, Final, Source, Vector


def inputs_of(walk: Walk, entries: Iterable[Input], sources: Mapping[str, str]) -> tuple[GraphInput, ...]:
    """Graph inputs in the order in which a stream takes their values; for states `sources` tells the output of each."""
    found, start = [], 0
    for entry in entries:
        flow = walk.values[entry.name]
        assert isinstance(flow, Flow)
        axes, sizes = _axes(walk, flow.axes)
        n_entries = walk.entries.get(entry.name, 0)
        integers = entry.type if entry.is_integer else ""
        found.append(GraphInput(entry.name, axes, sizes, start, integers, n_entries, sources.get(entry.name, "")))
        start += found[-1].size
    return tuple(found)


def lengths_of(
    walk: Walk, entries: Iterable[Input], carried: Mapping[str, str], vectors: Iterable[Vector]
) -> GraphInput | tuple[int, ...] | None:
    """The graph input that brings the lengths of recordings, or the constants that it has for them.

    Raises ConversionError where a node goes on behind the end of a recording, states are carried from there, or the vectors
    are made of lengths too.
    """
    if walk.lengths is None:
        return None
    if walk.whole_only:
        raise walk.whole_only[0]
    if carried:
        raise ConversionError(
            f"graph input {next(iter(carried))!r}: brings initial states, but the graph is told the lengths of whole "
            "recordings; export the model with one of the two"
        )
    if isinstance(walk.lengths, tuple):
        return walk.lengths
    if walk.lengths in {vector.name for vector in behind(vectors) if isinstance(vector, Source)}:
        raise ConversionError(
            f"graph input {walk.lengths!r}: brings the lengths of recordings, and is used for something else too; export the "
            "model with an input for each"
        )
    (found,) = inputs_of(walk, [entry for entry in entries if entry.name == walk.lengths], {})
    return found


def signal_of(walk: Walk, name: str, flow: Flow, start: int) -> GraphOutput:
    """A graph output that is a part of what a stream gives."""
    return GraphOutput(name, *_axes(walk, flow.axes), start)


def states_of(walk: Walk, assembly: Assembly, name: str, flow: Flow) -> GraphOutput:
    """A graph output of final states."""
    starts: dict[Vector, int] = {}
    states, n_values, places = [], 0, []
    for part, place in flow.elements():
        assert isinstance(part, Final)
        if part not in starts:
            layer = assembly.place(part.of)
            if layer is None:
                raise ConversionError(
                    f"graph output {name!r}: is a state of a {part.of.layer.kind} layer on which no other output depends; "
                    "export the model without it"
                )
            starts[part] = n_values
            states.append((layer, part.state))
            n_values += part.size
        places.append(starts[part] + place)
    return GraphOutput(name, *_axes(walk, flow.axes), 0, tuple(states), tuple(places))


def carried_of(walk: Walk, flows: Mapping[str, Flow]) -> dict[str, str]:
    """For each graph input of initial states, in the graph's order, the output that goes back into it."""
    sources = {}
    for name, read in units_in(walk).items():
        sources[name], how = paired(walk, name, read, flows)
        carried = dict.fromkeys(f"{state} ({layer.layer.kind})" for layer, state, _ in read.values())
        walk.remark(
            f"graph input {name!r} and output {sources[name]!r}, paired {how}, carry {', '.join(carried)} from step to step; a "
            "stream keeps that, see Stream.states"
        )
    return sources


def check_carried(walk: Walk, vectors: Iterable[Vector]) -> None:
    """Where states are carried, refuse layers whose states are not: in a graph run step by step these begin anew with each."""
    carried = {layer for layer, _ in walk.initial}
    for vector in behind(vectors):
        if not carried or not isinstance(vector, Applied):
            continue
        for state in vector.layer.states:
            if (vector, state) not in walk.initial:
                name = next(part.name for flow in walk.initial.values() for part in flow.parts if isinstance(part, Source))
                raise ConversionError(
                    f"graph input {name!r}: brings initial states, but none brings the {state} of a {vector.layer.kind} layer, "
                    "which begins anew with every run; export the model with all of its states as inputs, or with none"
                )


def check_used(walk: Walk, entries: Iterable[Input], vectors: Iterable[Vector]) -> None:
    """Refuse inputs on which nothing depends that the stream gives."""
    needed = behind(vectors)
    used = {vector.name for vector in needed if isinstance(vector, Source)} | {walk.lengths}
    for (layer, _), flow in walk.initial.items():
        if layer in needed:
            used |= {part.name for part in flow.parts if isinstance(part, Source)}
    for entry in entries:
        if entry.name not in used:
            raise ConversionError(f"graph input {entry.name!r}: has no part in the outputs; export the model without it")


def behind(vectors: Iterable[Vector]) -> set[Vector]:
    """The vectors, and all that they are made of."""
    found: set[Vector] = set()
    waiting = list(vectors)
    while waiting:
        each = waiting.pop()
        if each not in found and isinstance(each, Applied):
            waiting += each.reads
        found.add(each)
    return found


def _axes(walk: Walk, axes: tuple[NamedAxis, ...]) -> tuple[tuple[Axis, ...], tuple[int | None, ...]]:
    """What each axis runs over, and its size where that is known."""
    known: dict[str, Axis] = {name: name for name in get_args(Axis)}
    return tuple(known[walk.role(axis)] for axis in axes), tuple(s if isinstance(s, int) else None for _, s, _ in axes)

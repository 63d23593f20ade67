"""The inputs and outputs of a graph, and how they map to a stream: which values of a step, which states."""

from collections.abc import Iterable, Mapping
from typing import get_args

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.build.assemble import Assembly
from streamrnn_converters.onnx.graph import Input
from streamrnn_converters.onnx.imported import Axis, GraphInput, GraphOutput
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Axis as NamedAxis
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import Carried, FinalState, LayerOutput, Source, Vector, upstream


def inputs_of(importer: Importer, entries: Iterable[Input], sources: Mapping[str, str]) -> tuple[GraphInput, ...]:
    """Graph inputs in the order in which a stream takes their values; for states, `sources` names the output of each."""
    found, start = [], 0
    for entry in entries:
        flow = importer.values[entry.name]
        assert isinstance(flow, Flow)
        axes, sizes = _axes(importer, flow.axes)
        n_entries = importer.n_entries.get(entry.name, 0)
        integers = entry.type if entry.is_integer else entry.counts
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
    merges = len(_apart(flow.axes)) > len(flow.axes)
    return GraphOutput(name, *_axes(importer, flow.axes), start, merges=merges, late=flow.time.late)


def states_of(importer: Importer, assembly: Assembly, name: str, flow: Flow, given: str = "") -> GraphOutput:
    """A graph output of states. `given`: the graph input into which it goes back, whose axes it has; "" for final states."""
    delayed = assembly.delayed(given)
    states: dict[tuple[int, str], int] = {}  # where each begins among the states, joined
    n_values, indices = 0, []
    for entry, (part, index) in enumerate(flow.elements()):
        layer: int | None
        if entry in delayed:
            (layer, size, index), state = delayed[entry], "value"
        elif not isinstance(part, FinalState):
            raise ConversionError(
                f"graph input {given!r}: value {entry} of it is read by nothing, while layers keep the others; export it "
                "without"
            )
        else:
            layers = [assembly.index(each) for each in (part.of, *importer.copies_of(part.of))]
            layer = next((each for each in layers if each is not None), None)
            state, size = part.state, part.size
            if layer is None:
                raise ConversionError(
                    f"graph output {name!r}: is a state of a {part.of.layer.kind} layer on which no other output depends; "
                    "export the model without it"
                )
        if (layer, state) not in states:
            states[layer, state] = n_values
            n_values += size
        indices.append(states[layer, state] + index)
    own = importer.values[given] if given else flow
    assert isinstance(own, Flow)
    return GraphOutput(name, *_axes(importer, own.axes), 0, tuple(states), tuple(indices))


def check_carried(importer: Importer, vectors: Iterable[Vector], carried: Iterable[str], loops: Iterable[str] = ()) -> None:
    """Where some states are carried, refuse layers and loops whose states are not: in the graph, these begin again with every
    run.

    loops  the states of loops that are not carried
    """
    name = next(iter(carried), None)
    if name is not None and (state := next(iter(loops), None)) is not None:
        raise ConversionError(
            f"graph input {name!r}: brings initial states, but none brings the state {state!r} of a loop, which begins anew "
            "with every run; export the model with all of its states as inputs, or with none"
        )
    for vector in upstream(vectors):
        if name is None or not isinstance(vector, LayerOutput):
            continue
        for state in vector.layer.states:
            if (importer.original(vector), state) not in importer.initial:
                raise ConversionError(
                    f"graph input {name!r}: brings initial states, but none brings the {state} of a {vector.layer.kind} layer, "
                    "which begins anew with every run; export the model with all of its states as inputs, or with none"
                )


def check_used(importer: Importer, entries: Iterable[Input], vectors: Iterable[Vector]) -> None:
    """Refuse inputs on which no output depends."""
    needed = upstream(vectors)
    needed |= {importer.original(vector) for vector in needed}
    used = {vector.name for vector in needed if isinstance(vector, Source | Carried)} | {importer.lengths}
    for (layer, _), flow in importer.initial.items():
        if layer in needed:
            used |= {part.name for part in flow.parts if isinstance(part, Source)}
    for entry in entries:
        if entry.name not in used:
            raise ConversionError(f"graph input {entry.name!r}: has no part in the outputs; export the model without it")


def _axes(importer: Importer, axes: Iterable[NamedAxis]) -> tuple[tuple[Axis, ...], tuple[int | None, ...]]:
    """What each axis runs over, and its size where that is known."""
    known: dict[str, Axis] = {name: name for name in get_args(Axis)}
    apart = _apart(axes)
    sizes = tuple(axis.size if isinstance(axis.size, int) else None for axis in apart)
    return tuple(known[importer.role(axis)] for axis in apart), sizes


def _apart(axes: Iterable[NamedAxis]) -> list[NamedAxis]:
    """The axes, those of which merged ones were made in their place."""
    return [part for axis in axes for part in axis.parts or (axis,)]

"""States that the caller carries from run to run: which output goes back into which input, so that a stream can keep them.

Each value of an input is followed to the initial state that begins with it, and each value of an output to the final state
that it is. An output belongs to an input if every value comes out at the index at which it must go in. What begins no state of
a layer is paired by `carried.pairs`.
"""

from collections.abc import Mapping, Sequence

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.carried.pairs import BY_FLOW, BY_HAND, Candidates, choose
from streamrnn_converters.onnx.graph import Kept
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import FinalState, LayerOutput, Source, Vector

#: A unit of a state: layer, name of the state, index of the unit.
Unit = tuple[LayerOutput, str, int]


def is_final(flow: Flow) -> bool:
    """Whether a flow is made of final states only."""
    return all(isinstance(part, FinalState) for part, _ in flow.elements())


def carried_of(importer: Importer, flows: Mapping[str, Flow], known: Candidates, kept: Sequence[Kept] = ()) -> dict[str, str]:
    """For each graph input that is a state, in the graph's order, the output that goes back into it. Remarks say so.

    kept  the states of loops
    """
    read = _units_in(importer)
    by_flow = {name: _returned(importer, name, units, flows, known) for name, units in read.items() if units}
    for name, output in returned_by_loops(importer, flows, kept).items():
        by_flow.setdefault(name, (output, BY_FLOW))
    first: dict[tuple[tuple[Vector, int], ...], str] = {}
    same = {output: first.setdefault(tuple(flow.elements()), output) for output, flow in flows.items()}
    sources: dict[str, str] = {}
    fits = {name: [o for o in outputs if _fits(importer, name, flows[o])] for name, outputs in known.fits.items()}
    for name, (output, how) in choose(known, fits, by_flow, same).items():
        if name in known.own and output not in fits[name]:
            raise ConversionError(
                f"state {name!r} of a loop: has another shape after a step than before it, so that it grows or is repeated; "
                "export the loop with a state of one shape"
            )
        if output not in fits[name]:
            raise ConversionError(
                f"graph input {name!r}: output {output!r}, paired with it {how}, has another shape at each step; say which "
                "states are carried with states={'input': 'output'} (--state input=output)"
            )
        sources[name] = output
        units = read.get(name, {})
        carried = list(dict.fromkeys(f"{state} ({layer.layer.kind})" for layer, state, _ in units.values()))
        if len(units) < flows[output].index_map.size:
            carried.append("values that layers read at the next step")
        if name in known.own:
            continue
        how = BY_HAND if known.said else how
        importer.remark(
            f"graph input {name!r} and output {output!r}, paired {how}, carry {', '.join(carried)} from step to step; a "
            "stream keeps that, see Stream.states"
        )
    return {entry.name: sources[entry.name] for entry in known.inputs if entry.name in sources}


def _units_in(importer: Importer) -> dict[str, dict[int, Unit]]:
    """By input, for the index of each value that begins a state of a layer, the unit of it."""
    read: dict[str, dict[int, Unit]] = {name: {} for name in importer.values if name in importer.roles.states}
    for (layer, state), flow in importer.initial.items():
        for unit, (part, index) in enumerate(flow.elements()):
            assert isinstance(part, Source)
            if read[part.name].setdefault(index, (layer, state, unit)) != (layer, state, unit):
                raise ConversionError(
                    f"graph input {part.name!r}: two states begin with its value {index}, so that no output can give both "
                    "back; export the model with a value for each"
                )
    return read


def _returned(
    importer: Importer, name: str, read: Mapping[int, Unit], flows: Mapping[str, Flow], known: Candidates
) -> tuple[str, str]:
    """The output that gives back the states of layers which the input `name` must bring at the next step, and how it was found.

    read  the units that begin with the input's values, by the index of the value

    Raises ConversionError where there is none.
    """
    given = importer.values[name]
    assert isinstance(given, Flow)
    if known.said and name not in known.named:
        raise ConversionError(
            f"graph input {name!r}: brings initial states; name the output that gives them back in states, too"
        )
    units = {output: [_unit(part, index) for part, index in flow.elements()] for output, flow in flows.items()}
    fits = [
        output
        for output, own in units.items()
        if len(own) == given.index_map.size
        and all(own[index] == unit for index, unit in read.items())
        and _alike(importer, flows[output], given)
    ]
    if known.named.get(name) in fits:
        return known.named[name], BY_FLOW if len(fits) == 1 else "by name, since several outputs give the same"
    if fits and not known.said:
        named = [output for output in fits if name.lower() in output.lower() or output.lower() in name.lower()]
        several = "by name, since several outputs give the same" if named else "as the first that fits"
        return (named or fits)[0], BY_FLOW if len(fits) == 1 else several
    for output, own in units.items():
        if set(read.values()) & set(own):
            raise ConversionError(
                f"graph input {name!r}: the states that it brings come out of graph output {output!r} in another order or "
                "shape than they must go in, so that it is no step of a stream; export the model with one order for both"
            )
    raise ConversionError(
        f"graph input {name!r}: brings initial states, and no output gives the final ones back; export the model with both or "
        "with neither, a stream keeps its own"
    )


def returned_by_loops(importer: Importer, flows: Mapping[str, Flow], kept: Sequence[Kept]) -> dict[str, str]:
    """By graph input that begins states of loops: the output that gives each value where it must go in at the next step."""
    wanted: dict[str, dict[int, tuple[Vector, int]]] = {}
    for each in kept:
        before, after = importer.values.get(each.before), importer.values.get(each.after)
        if each.initial is None and isinstance(before, Flow) and isinstance(after, Flow):
            for (part, index), element in zip(before.elements(), after.elements(), strict=False):
                if isinstance(part, Source):
                    wanted.setdefault(part.name, {})[index] = element
    found: dict[str, str] = {}
    for name, elements in wanted.items():
        brought = importer.values[name]
        assert isinstance(brought, Flow)
        for output, flow in flows.items():
            given = flow.elements()
            whole = len(given) == len(elements) and _alike(importer, flow, brought)
            if whole and all(given[index] == element for index, element in elements.items()):
                found.setdefault(name, output)
    return found


def _unit(part: Vector, index: int) -> Unit | None:
    """The unit of a state that a value of an output is after the last step."""
    return (part.of, part.state, index) if isinstance(part, FinalState) else None


def _fits(importer: Importer, name: str, flow: Flow) -> bool:
    """Whether an output has the shape of an input at each step, but for axes of size 1."""
    given = importer.values[name]
    assert isinstance(given, Flow)
    return [size for size in flow.index_map.shape if size != 1] == [size for size in given.index_map.shape if size != 1]


def _alike(importer: Importer, one: Flow, other: Flow) -> bool:
    """Whether two flows have the shape of one state, for any number of signals."""
    return len(one.axes) == len(other.axes) and all(
        a.size == b.size or importer.role(a) == importer.role(b) == "batch" for a, b in zip(one.axes, other.axes, strict=True)
    )

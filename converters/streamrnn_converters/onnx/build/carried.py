"""States that the caller carries from run to run: which output goes back into which input, so that a stream can keep them.

Each value of an input is followed to the initial state that begins with it, and each value of an output to the final state
that it is. An output belongs to an input if every value comes out at the index at which it must go in.
"""

from collections.abc import Mapping

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import FinalState, LayerOutput, Source

#: A unit of a state: layer, name of the state, index of the unit.
Unit = tuple[LayerOutput, str, int]


def is_final(flow: Flow) -> bool:
    """Whether a flow is made of final states only."""
    return all(isinstance(part, FinalState) for part, _ in flow.elements())


def units_in(importer: Importer) -> dict[str, dict[int, Unit]]:
    """By input, for the index of each value that is read, the unit of a state that begins with it."""
    read: dict[str, dict[int, Unit]] = {
        name: {} for name in importer.values if name in importer.roles.states
    }  # in the graph's order
    for (layer, state), flow in importer.initial.items():
        for unit, (part, index) in enumerate(flow.elements()):
            assert isinstance(part, Source)
            if read[part.name].setdefault(index, (layer, state, unit)) != (layer, state, unit):
                raise ConversionError(
                    f"graph input {part.name!r}: two states begin with its value {index}, so that no output can give both "
                    "back; export the model with a value for each"
                )
    return read


def paired(importer: Importer, name: str, read: Mapping[int, Unit], outputs: Mapping[str, Flow]) -> tuple[str, str]:
    """The output that gives back what the input `name` must bring at the next step, and how that was found out.

    read     the units that begin with the input's values, by the index of the value
    outputs  those of final states

    Raises ConversionError where there is none.
    """
    given = importer.values[name]
    assert isinstance(given, Flow)
    fitting = []
    for output, flow in outputs.items():
        units = _units_out(flow)
        agrees = len(units) == given.index_map.size and all(units[index] == unit for index, unit in read.items())
        if agrees and _shape(importer, flow) == _shape(importer, given):
            fitting.append(output)
    if len(fitting) == 1:
        return fitting[0], "by the flow of the values"
    if fitting:
        named = [output for output in fitting if name.lower() in output.lower() or output.lower() in name.lower()]
        return (named or fitting)[0], "by name, since several outputs give the same" if named else "as the first that fits"
    for output, flow in outputs.items():
        if set(read.values()) & set(_units_out(flow)):
            raise ConversionError(
                f"graph input {name!r}: the states that it brings come out of graph output {output!r} in another order or "
                "shape than they must go in, so that it is no step of a stream; export the model with one order for both"
            )
    raise ConversionError(
        f"graph input {name!r}: brings initial states, and no output gives the final ones back; export the model with both or "
        "with neither, a stream keeps its own"
    )


def _units_out(flow: Flow) -> list[Unit]:
    """The unit that each value of a flow of final states is."""
    return [(part.of, part.state, index) for part, index in flow.elements() if isinstance(part, FinalState)]


def _shape(importer: Importer, flow: Flow) -> list[object]:
    """The shape of a state for any number of signals."""
    return ["batch" if importer.role(axis) == "batch" else axis.size for axis in flow.axes]

"""A model whose states begin with other values than its layers have."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Delay, Layer, Model, StateOutput
from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Kept
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Flow

#: The field of a layer for the values with which a state begins, by the name of the state.
_FIELDS = {"h": "initial_hidden", "c": "initial_cell", "value": "initial"}


def begun_with(model: Model, states: Sequence[Mapping[str, NDArray[Any]]]) -> Model:
    """The model with other initial states, by layer and name."""
    layers = [_begun(layer, own) if own else layer for layer, own in zip(model.layers, states, strict=True)]
    return Model([layer.astype(str(model.dtype)) for layer in layers], model.notes, model.sources)


def _begun(layer: Layer, states: Mapping[str, NDArray[Any]]) -> Layer:
    if isinstance(layer, StateOutput):
        return StateOutput(_begun(layer.layer, states), layer.state)
    return type(layer)(**(vars(layer) | {_FIELDS[name]: value for name, value in states.items()}))


def begun_by_loops(importer: Importer, kept: Iterable[Kept]) -> dict[str, tuple[float, ...]]:
    """The values with which the states of loops begin, by name, where these are no zeros.

    Raises ConversionError where signals of one batch begin with others.
    """
    begun = {}
    for each in kept:
        flow = importer.values.get(each.before)
        if each.initial is None or not isinstance(flow, Flow) or not each.initial.any():
            continue
        array = np.asarray(each.initial, np.float64)
        for axis, own in enumerate(flow.axes):
            if not importer.is_within(own) and len(array):
                first = array.take([0], axis)
                if (array != first).any():
                    raise ConversionError(
                        f"state {each.before!r}: begins with other values for each signal of a batch; export the model for one "
                        "signal"
                    )
                array = first
        begun[each.before] = tuple(np.broadcast_to(array, flow.index_map.shape).ravel().tolist())
    return begun


def begun_with_defaults(model: Model, carried: Sequence[GraphInput], outputs: Sequence[GraphOutput]) -> Model:
    """The model whose recurrent layers begin with the values that a graph has by default for its inputs that carry states.

    Delays do so already.

    Raises ConversionError where a layer cannot begin with such a value.
    """
    states: list[dict[str, NDArray[Any]]] = [{} for _ in model.layers]
    returned = {output.name: output for output in outputs}
    for entry in carried:
        if not any(entry.initial):
            continue
        output = returned[entry.source]
        given = dict(zip(output.places, entry.initial, strict=True))
        start = 0
        for index, name in output.states:
            layer = model.layers[index]
            size = layer.states[name].size
            if isinstance(layer, Delay):
                start += size
                continue
            if not hasattr(layer.layer if isinstance(layer, StateOutput) else layer, _FIELDS.get(name, "")):
                raise ConversionError(
                    f"graph input {entry.name!r}: has other values than zeros by default, and a {layer.kind} layer begins with "
                    "zeros; remove the initializer of that name, and set the states with Stream.set_states"
                )
            own = states[index].setdefault(name, np.array(layer.states[name], model.dtype))
            own[:] = [given.get(start + unit, value) for unit, value in enumerate(own)]
            start += size
    for index, layer in enumerate(model.layers):  # one that gives a state of another begins as that one does
        for other, sources in zip(model.layers, model.sources, strict=True):
            if isinstance(layer, StateOutput) and layer.layer is other and sources == model.sources[index]:
                states[index] = states[model.layers.index(other)]
    return begun_with(model, states) if any(states) else model

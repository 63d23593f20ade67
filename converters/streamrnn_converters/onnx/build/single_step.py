"""A graph of exactly one step, into which no states come and out of which none go: each of its steps begins anew.

So does each step of its model: there every layer with states becomes what it computes in its first step, as dense layers,
functions and products, in which the initial states are constants.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Activation, Affine, Arithmetic, Conv1d, Dense, Layer, Pointwise, Reverse, StateOutput
from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.onnx.build.carried import is_final
from streamrnn_converters.onnx.graph import Graph
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import FinalState, First, LayerOutput, Vector

Array = NDArray[np.float64]

#: The states after the first step, by name.
_Ends = dict[str, LayerOutput]


def begins_anew(graph: Graph, importer: Importer, flows: Mapping[str, Flow]) -> bool:
    """Whether a graph, as it stands, computes every step from its initial states.

    That is: it takes exactly one step, gets no states, and gives none: neither a c, nor an h beside another output.

    flows  its outputs
    """
    if importer.roles.states or not takes_one_step(graph, importer):
        return False
    states = {part.state for flow in flows.values() if is_final(flow) for part in flow.parts if isinstance(part, FinalState)}
    return not states or (len(flows) == 1 and states == {"h"})


def takes_one_step(graph: Graph, importer: Importer) -> bool:
    """Whether a graph takes exactly one step, and the file has no states that its caller carries."""
    given = [importer.values[entry.name] for entry in graph.inputs]
    axes = [axis for flow in given if isinstance(flow, Flow) for axis in flow.axes]
    carried = importer.roles.states - graph.own_states.keys()
    return not carried and importer.lengths is None and all(importer.role(a) != "time" or a.size == 1 for a in axes)


class SingleStep:
    """Makes vectors that do not depend on earlier steps out of those that do."""

    def __init__(self) -> None:
        self._made: dict[Vector, Vector] = {}
        self._ends: dict[Vector, _Ends] = {}

    @property
    def changed(self) -> bool:
        """Whether a layer with states has been replaced."""
        return bool(self._ends)

    def flow(self, flow: Flow) -> Flow:
        """A flow with all of its parts made so."""
        parts = tuple(map(self._vector, flow.parts))
        return flow if parts == flow.parts else replace(flow, parts=parts)

    def _vector(self, vector: Vector) -> Vector:
        waiting = [vector]
        while waiting:
            one = waiting[-1]
            reads = [one.of] if isinstance(one, FinalState | First) else one.reads if isinstance(one, LayerOutput) else ()
            missing = [read for read in reads if read not in self._made]
            waiting += missing
            if not missing:
                self._made[one] = self._replaced(waiting.pop())
        return self._made[vector]

    def _replaced(self, vector: Vector) -> Vector:
        """A vector whose own reads have been replaced."""
        if isinstance(vector, First):
            return self._made[vector.of]
        if isinstance(vector, FinalState):
            return self._ends[vector.of][vector.state]
        if not isinstance(vector, LayerOutput):
            return vector
        reads = tuple(self._made[read] for read in vector.reads)
        if isinstance(vector.layer, Reverse):
            return reads[0]
        if isinstance(vector.layer, StateOutput):
            self._ends[vector] = ends = first_step(vector.layer.layer, reads[0])
            return ends[vector.layer.state]
        if vector.layer.states:
            self._ends[vector] = ends = first_step(vector.layer, reads[0])
            return ends["h"]
        return vector if reads == vector.reads else LayerOutput(vector.layer, reads)


def first_step(layer: Layer, x: Vector) -> _Ends:
    """What a layer gives in its first step ("h"), and its other states after that."""
    if isinstance(layer, LSTM):
        return _lstm(layer, x)
    if isinstance(layer, GRU):
        return {"h": _gru(layer, x)}
    if isinstance(layer, RNN):
        sums = layer.bias[0] + layer.recurrent_weights[0].astype(np.float64) @ layer.initial_hidden
        return {"h": _gate(layer, x, layer.input_weights[0], sums, layer.activations[0])}
    if isinstance(layer, Conv1d):  # before the first step are zeros
        return {"h": _applied(Dense(layer.weights[:, :, -1], layer.bias, dtype=layer.dtype), x)}
    raise ConversionError(
        f"its {layer.kind} layer has a state, but the graph takes one step and gets no states; import it with states='carry'"
    )


def _lstm(layer: LSTM, x: Vector) -> _Ends:
    h0, c0 = layer.initial_hidden.astype(np.float64), layer.initial_cell.astype(np.float64)
    sums = dict(
        zip(GATE_ORDERS["lstm"]["streamrnn"], layer.bias + layer.recurrent_weights.astype(np.float64) @ h0, strict=True)
    )
    weights = dict(zip(GATE_ORDERS["lstm"]["streamrnn"], layer.input_weights, strict=True))
    looks = {} if layer.peepholes is None else dict(zip("ifo", layer.peepholes.astype(np.float64), strict=True))
    of_gates, of_candidate, of_memory = layer.activations
    i = _gate(layer, x, weights["i"], sums["i"] + looks.get("i", 0) * c0, of_gates)
    c = _combined("multiply", i, _gate(layer, x, weights["g"], sums["g"], of_candidate))
    if c0.any():
        f = _gate(layer, x, weights["f"], sums["f"] + looks.get("f", 0) * c0, of_gates)
        kept = _affine(i, -c0, c0) if layer.coupled else _affine(f, c0, 0 * c0)
        c = _combined("add", kept, c)
    if looks:
        o = _combined("add", _applied(Dense(weights["o"], sums["o"], dtype=layer.dtype), x), _affine(c, looks["o"], 0 * c0))
        o = _activated(layer, o, of_gates)
    else:
        o = _gate(layer, x, weights["o"], sums["o"], of_gates)
    h = _combined("multiply", o, _applied(Pointwise(c.size, of_memory, layer.dtype), c))
    return {"h": h if layer.projection is None else _applied(Dense(layer.projection, dtype=layer.dtype), h), "c": c}


def _gru(layer: GRU, x: Vector) -> LayerOutput:
    h0, recurrent = layer.initial_hidden.astype(np.float64), layer.recurrent_weights.astype(np.float64)
    of_gates, of_candidate = layer.activations
    sums = layer.bias + recurrent @ h0
    r, z = (_gate(layer, x, layer.input_weights[k], sums[k], of_gates) for k in (0, 1))
    n = _applied(Dense(layer.input_weights[2], layer.bias[2], dtype=layer.dtype), x)
    if layer.recurrent_bias is not None:
        n = _combined("add", n, _affine(r, recurrent[2] @ h0 + layer.recurrent_bias, 0 * h0))
    elif h0.any():
        n = _combined("add", n, _applied(Dense(recurrent[2] * h0, dtype=layer.dtype), r))
    n = _activated(layer, n, of_candidate)
    h = _combined("multiply", _affine(z, np.full_like(h0, -1), np.ones_like(h0)), n)
    return _combined("add", h, _affine(z, h0, 0 * h0)) if h0.any() else h


def _gate(layer: LSTM | GRU | RNN, x: Vector, weights: Array, sums: Array, activation: Activation) -> LayerOutput:
    """activation(clip(W x + sums))."""
    if layer.clip is None:
        return _applied(Dense(weights, sums, activation, layer.dtype), x)
    return _activated(layer, _applied(Dense(weights, sums, LINEAR, layer.dtype), x), activation)


def _activated(layer: LSTM | GRU | RNN, x: LayerOutput, activation: Activation) -> LayerOutput:
    if layer.clip is not None:
        x = _applied(Pointwise(x.size, Activation("clip", -layer.clip, layer.clip), layer.dtype), x)
    return _applied(Pointwise(x.size, activation, layer.dtype), x)


def _affine(x: LayerOutput, scale: Array, shift: Array) -> LayerOutput:
    return _applied(Affine(scale, shift, x.layer.dtype), x)


def _combined(operation: str, a: LayerOutput, b: LayerOutput) -> LayerOutput:
    return LayerOutput(Arithmetic(a.size, operation, a.layer.dtype), (a, b))


def _applied(layer: Layer, x: Vector) -> LayerOutput:
    return LayerOutput(layer, (x,))

"""Recurrent layers behind what looks ahead: they wait in their initial states for the first entry of their input.

They have one input more. It is not 0 as long as they wait, and shuts the input gate of an LSTM, or keeps the update gate of a
GRU at 1. In an RNN it takes the bias away. All other inputs are 0 so long.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Affine, Layer
from streamrnn.equations import run_equations
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.operators.over_time import count_of
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import LayerOutput

#: Times a weight as large as the others of its row, so that these lose nothing in fewer bytes: σ of that is exactly 0 or 1.
_SHUTS = 2.0**60
#: By kind, the gates that it moves, and where to.
_MOVED = {"lstm": {"i": -1, "f": 1}, "gru": {"z": 1}}


def waiting(importer: Importer, node: Node, layers: Sequence[Layer], flow: Flow) -> tuple[list[Layer], Flow]:
    """Layers that stay in their initial states before the first entry of a flow, (rows, inputs), and what they read.

    Raises ConversionError where a layer cannot.
    """
    recurrent = [layer for layer in layers if isinstance(layer, LSTM | GRU | RNN)]
    begun = importer.begun(node, flow)
    vector = importer.vector(node, flow)
    has_begun = importer.beginnings.has_begun(node, vector, flow.time)
    most = 1.0 if isinstance(recurrent[0], RNN) else _SHUTS
    signal = LayerOutput(Affine(np.full(has_begun.size, -most), np.full(has_begun.size, most), importer.dtype), (has_begun,))
    column = np.full((len(flow.index_map), 1), sum(part.size for part in begun.parts))
    given = replace(begun, parts=(*begun.parts, signal), index_map=np.concatenate([begun.index_map, column], axis=1))
    return [_with_input(node, layer, most, flow.time.late) for layer in recurrent], given


def _with_input(node: Node, layer: LSTM | GRU | RNN, most: float, late: int) -> LSTM | GRU | RNN:
    """A layer with the input that lets it wait, last."""
    weights = layer.input_weights.astype(np.float64)
    made: LSTM | GRU | RNN = replace(layer, input_weights=np.concatenate([weights, _column(layer, weights)[..., None]], axis=2))
    _, states = run_equations(made, [[0.0] * layer.input_size + [most]] * 2)
    if any((states[name] != value).any() for name, value in layer.states.items()):
        raise node.refused(
            f"its input is {count_of(late)} late, since what comes before looks ahead, and with these activations, clip or "
            "initial states it cannot wait for it; export it with the defaults, or without look-ahead before it"
        )
    return made


def _column(layer: LSTM | GRU | RNN, weights: NDArray[Any]) -> NDArray[Any]:
    if isinstance(layer, RNN):
        return -layer.bias.astype(np.float64)
    column = np.zeros(weights.shape[:2])
    for gate, sign in _MOVED[layer.kind].items():
        row = GATE_ORDERS[layer.kind]["streamrnn"].index(gate)
        largest = np.abs(weights[row]).max(axis=1)
        column[row] = sign * np.where(largest > 0, largest, 1.0)
    return column

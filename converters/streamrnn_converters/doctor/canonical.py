"""Makes the layers of a model from a convention."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Dense, Layer
from streamrnn.activation import TANH
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.doctor.conventions import Convention


def layers(convention: Convention) -> list[Layer]:
    """The layers of a convention, with gates in the order of streamrnn."""
    reading, family = convention.reading, convention.family
    n_gates, hidden, _ = reading.recurrent.shape
    order = GATE_ORDERS.get(reading.kind, {"streamrnn": ""})["streamrnn"]
    gates = [convention.order.index(gate) for gate in order] or [0]
    inputs, recurrent = reading.inputs[gates], reading.recurrent[gates]
    biases = [bias[gates] for bias in reading.biases]
    bias = sum(biases, np.zeros((n_gates, hidden)))
    found: list[Layer]
    if reading.kind == "lstm":
        peepholes = reading.peepholes
        if peepholes is not None:
            peepholes = peepholes[[family.peepholes.index(gate) for gate in GATE_ORDERS["lstm.peepholes"]["streamrnn"]]]
        found = [
            LSTM(
                inputs,
                recurrent,
                bias,
                peepholes=peepholes,
                projection=reading.projection,
                activations=(family.sigmoid, TANH, TANH),
            )
        ]
    elif reading.kind == "rnn":
        found = [RNN(inputs, recurrent, bias, activations=(family.function,))]
    else:
        candidate = order.index("n")
        inner: NDArray[Any] | None = None
        if family.form == "reset-after":
            inner = np.zeros(hidden) if family.inner is None else biases[family.inner][candidate]
            bias[candidate] = sum((b[candidate] for k, b in enumerate(biases) if k != family.inner), np.zeros(hidden))
        if family.swapped:  # σ(-x) = 1 - σ(x), and so for both hard sigmoids
            update = order.index("z")
            for array in (inputs, recurrent, bias):
                array[update] *= -1
        found = [GRU(inputs, recurrent, bias, inner, form=family.form, activations=(family.sigmoid, TANH))]
    if reading.head is not None and convention.head is not None:
        found.append(Dense(reading.head.weights, reading.head.bias, convention.head))
    return found

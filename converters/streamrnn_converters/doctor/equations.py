"""What a layer gives under every order of its gates at once, in float64. This ranks conventions and proves nothing: what is
found is proven with the engine."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation
from streamrnn.activation import TANH
from streamrnn_converters.doctor.conventions import Family
from streamrnn_converters.doctor.readings import Head, Reading
from streamrnn_converters.numpy_cells import activate, gru_gates, gru_state, lstm_cell

Array = NDArray[np.float64]
#: (n_orders, G, H) and the letter of a gate -> that gate under each order, (n_orders, H).
PickGate = Callable[[Array, str], Array]


def hidden_states(reading: Reading, family: Family, orders: Sequence[str], x: Array, initial: Mapping[str, Array]) -> Array:
    """h after each step, (n_orders, n_steps, P), for x, (n_steps, I). States that `initial` does not name begin at zeros."""
    n_gates, hidden, projected = reading.recurrent.shape
    bias = sum(reading.biases, np.zeros((n_gates, hidden)))
    input_sums = np.einsum("ghi,ti->tgh", reading.inputs, x) + bias
    h = np.broadcast_to(initial.get("initial_hidden", np.zeros(projected)), (len(orders), projected))
    c = np.broadcast_to(initial.get("initial_cell", np.zeros(hidden)), (len(orders), hidden))
    pick = _gate_picker(orders)
    results = np.zeros((len(orders), len(x), projected))
    with np.errstate(over="ignore", invalid="ignore"):
        for step, inputs in enumerate(input_sums):
            if reading.kind == "lstm":
                h, c = _lstm_step(reading, family, pick, inputs, h, c)
            elif reading.kind == "gru":
                h = _gru_step(reading, family, pick, inputs, h)
            else:
                h = activate(family.function, inputs[0] + _times(reading.recurrent, h)[:, 0])
            results[:, step] = h
    return results


def apply_head(head: Head | None, function: Activation | None, h: Array) -> Array:
    """The output for the hidden states that `hidden_states` gives."""
    if head is None or function is None:
        return h
    with np.errstate(over="ignore", invalid="ignore"):
        return activate(function, h @ head.weights.T + head.bias)


def _lstm_step(reading: Reading, family: Family, pick: PickGate, inputs: Array, h: Array, c: Array) -> tuple[Array, Array]:
    total = inputs + _times(reading.recurrent, h)
    sums = {gate: pick(total, gate) for gate in "ifgo"}
    peepholes = None if reading.peepholes is None else dict(zip(family.peepholes, reading.peepholes, strict=True))
    _, h, c = lstm_cell(sums, c, (family.sigmoid, TANH, TANH), peepholes=peepholes)
    return h if reading.projection is None else h @ reading.projection.T, c


def _gru_step(reading: Reading, family: Family, pick: PickGate, inputs: Array, h: Array) -> Array:
    recurrent = _times(reading.recurrent, h)
    gates = gru_gates({gate: pick(inputs + recurrent, gate) for gate in "rz"}, family.sigmoid)
    r, z = gates["r"], 1 - gates["z"] if family.swapped else gates["z"]
    if family.form == "reset-before":
        candidate = pick(inputs + _times(reading.recurrent, r * h), "n")
    else:
        inner = np.zeros_like(inputs) if family.inner is None else reading.biases[family.inner]
        candidate = pick(inputs - inner + np.zeros_like(recurrent), "n") + r * pick(recurrent + inner, "n")
    return gru_state(z, candidate, h)


def _times(recurrent: Array, h: Array) -> Array:
    """R h of every gate: (n_orders, G, H)."""
    n_gates, hidden, projected = recurrent.shape
    return (h @ recurrent.reshape(n_gates * hidden, projected).T).reshape(len(h), n_gates, hidden)


def _gate_picker(orders: Sequence[str]) -> PickGate:
    every_order = np.arange(len(orders))
    indices = {gate: np.array([order.index(gate) for order in orders]) for gate in orders[0]}
    return lambda gates, gate: gates[every_order, indices[gate]]

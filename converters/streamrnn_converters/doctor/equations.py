"""The equations of docs/equations.md for all orders of the gates at once, in float64. They rank conventions and prove nothing:
what is found is proven with the engine."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation
from streamrnn_converters.doctor.conventions import Family
from streamrnn_converters.doctor.readings import Head, Reading

Array = NDArray[np.float64]
Gate = Callable[[Array, str], Array]


def hidden_states(reading: Reading, family: Family, orders: Sequence[str], x: Array, initial: Mapping[str, Array]) -> Array:
    """h after each step, (n_orders, n_steps, P), for x, (n_steps, I). States that initial does not name begin at zeros."""
    n_gates, hidden, shown = reading.recurrent.shape
    total = sum(reading.biases, np.zeros((n_gates, hidden)))
    given = np.einsum("ghi,ti->tgh", reading.inputs, x) + total
    h = np.broadcast_to(initial.get("initial_hidden", np.zeros(shown)), (len(orders), shown))
    c = np.broadcast_to(initial.get("initial_cell", np.zeros(hidden)), (len(orders), hidden))
    gate = _picker(orders)
    results = np.zeros((len(orders), len(x), shown))
    with np.errstate(over="ignore", invalid="ignore"):
        for step, inputs in enumerate(given):
            if reading.kind == "lstm":
                h, c = _lstm(reading, family, gate, inputs, h, c)
            elif reading.kind == "gru":
                h = _gru(reading, family, gate, inputs, h)
            else:
                h = activate(family.function, inputs[0] + _times(reading.recurrent, h)[:, 0])
            results[:, step] = h
    return results


def behind(head: Head | None, function: Activation | None, h: Array) -> Array:
    """The output for the hidden states of `hidden_states`."""
    if head is None or function is None:
        return h
    with np.errstate(over="ignore", invalid="ignore"):
        return activate(function, h @ head.weights.T + head.bias)


def activate(function: Activation, x: Array) -> Array:
    """One of the functions that conventions differ in."""
    if function.name == "hard_sigmoid":
        assert function.alpha is not None
        assert function.beta is not None
        return np.clip(function.alpha * x + function.beta, 0, 1)
    return _FUNCTIONS[function.name](x)


def _lstm(reading: Reading, family: Family, gate: Gate, inputs: Array, h: Array, c: Array) -> tuple[Array, Array]:
    total = inputs + _times(reading.recurrent, h)
    peepholes = np.zeros((3, c.shape[1])) if reading.peepholes is None else reading.peepholes
    peephole = dict(zip(family.peepholes or "ifo", peepholes, strict=True))
    i, f = (activate(family.sigmoid, gate(total, name) + peephole[name] * c) for name in "if")
    c = f * c + i * np.tanh(gate(total, "g"))
    h = activate(family.sigmoid, gate(total, "o") + peephole["o"] * c) * np.tanh(c)
    return h if reading.projection is None else h @ reading.projection.T, c


def _gru(reading: Reading, family: Family, gate: Gate, inputs: Array, h: Array) -> Array:
    recurrent = _times(reading.recurrent, h)
    r, z = (activate(family.sigmoid, gate(inputs + recurrent, name)) for name in "rz")
    if family.form == "reset-before":
        n = np.tanh(gate(inputs + _times(reading.recurrent, r * h), "n"))
    else:
        inner = np.zeros_like(inputs) if family.inner is None else reading.biases[family.inner]
        within = gate(recurrent + inner, "n")
        n = np.tanh(gate(inputs - inner + np.zeros_like(recurrent), "n") + r * within)
    return z * n + (1 - z) * h if family.swapped else (1 - z) * n + z * h


def _times(recurrent: Array, h: Array) -> Array:
    """R h of every gate: (n_orders, G, H)."""
    n_gates, hidden, shown = recurrent.shape
    return (h @ recurrent.reshape(n_gates * hidden, shown).T).reshape(len(h), n_gates, hidden)


def _picker(orders: Sequence[str]) -> Gate:
    """A function that takes from (n_orders, G, H), by its letter, the gate that each order has: (n_orders, H)."""
    everyone = np.arange(len(orders))
    places = {name: np.array([order.index(name) for order in orders]) for name in orders[0]}
    return lambda gates, name: gates[everyone, places[name]]


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "softmax": _softmax,
}

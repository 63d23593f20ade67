"""A second opinion: every layer in slow float64 NumPy, one step after the other, as the papers and operators define it.

It imports nothing of the engine. A layer is anything with the attributes that a function below reads; gates are stacked
i f g o (LSTM) and r z n (GRU), peepholes i f o; arrays of any float type are computed in float64. Equations: ONNX LSTM-22,
GRU-22, RNN-22 and Gemm-13; Gers & Schmidhuber 2000 (peepholes); Sak et al. 2014 (projection); Greff et al. 2015 (coupled
gates); Cho et al. 2014 (GRU).
"""

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
States = dict[str, Vector]


def softmax(x: Vector) -> Vector:
    powers = np.exp(x - x.max())
    return powers / powers.sum()


#: name -> (function of x, alpha, beta; default alpha; default beta), from the table in ONNX LSTM-22.
ACTIVATIONS: dict[str, tuple[Callable[[Vector, float, float], Vector], float, float]] = {
    "linear": (lambda x, a, b: x, 0.0, 0.0),
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "relu": (lambda x, a, b: np.maximum(x, 0), 0.0, 0.0),
    "leaky_relu": (lambda x, a, b: np.where(x >= 0, x, a * x), 0.01, 0.0),
    "thresholded_relu": (lambda x, a, b: np.where(x >= a, x, 0), 1.0, 0.0),
    "tanh": (lambda x, a, b: np.tanh(x), 0.0, 0.0),
    "scaled_tanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "sigmoid": (lambda x, a, b: np.exp(-np.logaddexp(0, -x)), 0.0, 0.0),
    "hard_sigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))), 1.0, 0.0),
    "softsign": (lambda x, a, b: x / (1 + np.abs(x)), 0.0, 0.0),
    "softplus": (lambda x, a, b: np.logaddexp(0, x), 0.0, 0.0),
    "softmax": (lambda x, a, b: softmax(x), 0.0, 0.0),
    "exp": (lambda x, a, b: np.exp(x), 0.0, 0.0),
    "log": (lambda x, a, b: np.log(x), 0.0, 0.0),
    "sqrt": (lambda x, a, b: np.sqrt(x), 0.0, 0.0),
    "absolute": (lambda x, a, b: np.abs(x), 0.0, 0.0),
    "reciprocal": (lambda x, a, b: 1 / x, 0.0, 0.0),
    "clip": (lambda x, a, b: np.clip(x, a, b), -float(np.finfo(np.float32).max), float(np.finfo(np.float32).max)),
    "erf": (lambda x, a, b: np.vectorize(math.erf, otypes=[np.float64])(x), 0.0, 0.0),
    "gelu": (lambda x, a, b: x * np.vectorize(math.erfc, otypes=[np.float64])(-x / np.sqrt(2)) / 2, 0.0, 0.0),
    "gelu_tanh": (lambda x, a, b: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2, 0.0, 0.0),
    "silu": (lambda x, a, b: x * np.exp(-np.logaddexp(0, -a * x)), 1.0, 0.0),
    "sin": (lambda x, a, b: np.sin(x), 0.0, 0.0),
    "cos": (lambda x, a, b: np.cos(x), 0.0, 0.0),
    "power": (lambda x, a, b: np.power(x, a), 1.0, 0.0),
    "sign": (lambda x, a, b: np.sign(x), 0.0, 0.0),
    "floor": (lambda x, a, b: np.floor(x), 0.0, 0.0),
    "ceil": (lambda x, a, b: np.ceil(x), 0.0, 0.0),
    "round": (lambda x, a, b: np.round(x), 0.0, 0.0),
}


def activate(activation: Any, x: ArrayLike) -> Vector:
    """`activation`, a name or something with a name, alpha and beta, of each value of x (softmax: of all together)."""
    if isinstance(activation, str):
        activation = SimpleNamespace(name=activation, alpha=None, beta=None)
    function, alpha, beta = ACTIVATIONS[activation.name]
    alpha = alpha if activation.alpha is None else activation.alpha
    beta = beta if activation.beta is None else activation.beta
    return function(np.asarray(x, np.float64), alpha, beta)


def wide(layer: Any, name: str) -> NDArray[np.float64]:
    """An array of a layer in float64; the number 0, which adds nothing, where the layer has none."""
    value = getattr(layer, name, None)
    return np.float64(0) if value is None else np.asarray(value, np.float64)


def limit(layer: Any, x: Vector) -> Vector:
    """Pre-activations, kept within [-clip, clip] where the layer has a clip threshold."""
    clip = getattr(layer, "clip", None)
    return x if clip is None else np.clip(x, -clip, clip)


def lstm_step(layer: Any, x: Vector, states: States) -> States:
    """One step of ONNX LSTM-22 with every option.

    ONNX says of `clip` only that it bounds "the input of activations". What onnxruntime does, found by experiment and followed
    here: the pre-activations of the four gates are limited after bias and peephole have been added; the cell state is
    not, neither the one that is kept, nor on its way into h(), nor for the output peephole.
    """
    h, c = states["h"], states["c"]
    f_gate, f_candidate, f_cell = layer.activations
    i, f, g, o = wide(layer, "input_weights") @ x + wide(layer, "recurrent_weights") @ h + wide(layer, "bias")
    peephole_i, peephole_f, peephole_o = np.broadcast_to(wide(layer, "peepholes"), (3, len(c)))

    i = activate(f_gate, limit(layer, i + peephole_i * c))
    f = 1 - i if layer.coupled else activate(f_gate, limit(layer, f + peephole_f * c))
    c = f * c + i * activate(f_candidate, limit(layer, g))
    o = activate(f_gate, limit(layer, o + peephole_o * c))
    h = o * activate(f_cell, c)
    return {"h": h if layer.projection is None else wide(layer, "projection") @ h, "c": c}


def gru_step(layer: Any, x: Vector, states: States) -> States:
    """One step of ONNX GRU-22: linear_before_reset=1 where form is "reset-after", =0 where it is "reset-before"."""
    h = states["h"]
    f_gate, f_candidate = layer.activations
    recurrent_r, recurrent_z, recurrent_n = wide(layer, "recurrent_weights")
    r, z, n = wide(layer, "input_weights") @ x + wide(layer, "bias")

    r = activate(f_gate, limit(layer, r + recurrent_r @ h))
    z = activate(f_gate, limit(layer, z + recurrent_z @ h))
    after = layer.form == "reset-after"
    inner = r * (recurrent_n @ h + wide(layer, "recurrent_bias")) if after else recurrent_n @ (r * h)
    n = activate(f_candidate, limit(layer, n + inner))
    return {"h": (1 - z) * n + z * h}


def rnn_step(layer: Any, x: Vector, states: States) -> States:
    """One step of ONNX RNN-22."""
    (function,) = layer.activations
    (total,) = wide(layer, "input_weights") @ x + wide(layer, "recurrent_weights") @ states["h"] + wide(layer, "bias")
    return {"h": activate(function, limit(layer, total))}


def dense_step(layer: Any, x: Vector) -> Vector:
    """activation(W x + b): ONNX Gemm-13 with transB=1, or torch.nn.Linear, and an activation behind."""
    return activate(layer.activation, wide(layer, "weights") @ x + wide(layer, "bias"))


def conv1d_step(layer: Any, x: Vector, states: States) -> tuple[Vector, States]:
    """One step of ONNX Conv-11 over time, padded in front only: the state is what came before, oldest first."""
    weights = wide(layer, "weights")
    _, inputs, taps = weights.shape
    window = np.concatenate([states["x"].reshape(-1, inputs), x[None]])
    y = wide(layer, "bias") + sum(weights[:, :, tap] @ window[tap * layer.dilation] for tap in range(taps))
    return y, {"x": window[1:].ravel()}


def run_frame(layer: Any, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], States]:
    """The last `window` rows at the end of each hop; zeros come before the first row. The state is what a next hop needs."""
    kept = max(layer.window - layer.hop, 0)
    before = np.concatenate([np.zeros((layer.window, layer.size)), x])
    ends = range(layer.window + layer.hop, len(before) + 1, layer.hop)
    y = np.array([before[end - layer.window : end].ravel() for end in ends])
    return y, {"x": before[len(before) - kept :].ravel()} if kept else {}


def layernorm_step(layer: Any, x: Vector) -> Vector:
    """ONNX LayerNormalization-17."""
    return (x - x.mean()) / np.sqrt(x.var() + layer.epsilon) * wide(layer, "scale") + wide(layer, "bias")


#: kind -> (layer, what each place gives) -> output, of layers without a state.
def own_cell_step(layer: Any, x: Vector, states: States) -> States:
    """The user's cell of tests/models.py: a GRU whose candidate is an LSTM's memory with a peephole."""
    w, b = wide(layer, "input_weights"), wide(layer, "bias")
    r, z = (1 / (1 + np.exp(-(w[k] @ x + wide(layer, "h_weights")[k] @ states["h"] + b[k]))) for k in range(2))
    n = w[2] @ x + wide(layer, "reset_h_weights")[0] @ (r * states["h"]) + b[2]
    c = z * states["c"] + (1 - z) * np.tanh(n + wide(layer, "p") * states["c"])
    return {"h": (1 - z) * c + z * states["h"], "c": c}


def rows_of(layer: Any, x: Vector) -> NDArray[np.float64]:
    """A step as the rows of a layer that holds another one."""
    return np.asarray(x, np.float64).reshape(layer.rows, -1)


def bank_step(layer: Any, x: Vector, states: States) -> tuple[Vector, States]:
    """One step of each row, which has its own part of each state vector."""
    parts = {name: np.split(state, layer.rows) for name, state in states.items()}
    outputs, ends = [], []
    for index, row in enumerate(rows_of(layer, x)):
        y, end = run_layer(layer.layer, row[None], states={name: part[index] for name, part in parts.items()})
        outputs.append(y[0])
        ends.append(end)
    return np.concatenate(outputs), {name: np.concatenate([end[name] for end in ends]) for name in states}


#: operation -> function of the rows, from ONNX's Reduce operators and ArgMax-13.
REDUCTIONS: dict[str, Callable[[NDArray[np.float64]], Vector]] = {
    "sum": lambda rows: rows.sum(axis=0),
    "mean": lambda rows: rows.mean(axis=0),
    "max": lambda rows: rows.max(axis=0),
    "min": lambda rows: rows.min(axis=0),
    "l1": lambda rows: np.abs(rows).sum(axis=0),
    "l2": lambda rows: np.linalg.norm(rows, axis=0),
    "argmax": lambda rows: rows.argmax(axis=0).astype(np.float64),
    "argmin": lambda rows: rows.argmin(axis=0).astype(np.float64),
}


STATELESS: dict[str, Callable[..., Vector]] = {
    "dense": dense_step,
    "pointwise": lambda layer, x: activate(layer.activation, x),
    "prelu": lambda layer, x: np.where(x < 0, wide(layer, "slope") * x, x),
    "affine": lambda layer, x: wide(layer, "scale") * x + wide(layer, "shift"),
    "softmax": lambda layer, x: softmax(x),
    "layernorm": layernorm_step,
    "embedding": lambda layer, x: wide(layer, "table")[int(x[0])],
    "select": lambda layer, x: np.append(x, wide(layer, "constants"))[list(layer.indices)],
    "depthwise": lambda layer, x: wide(layer, "bias") + (wide(layer, "weights") * x.reshape(-1, layer.bias.size).T).sum(axis=1),
    "reduce": lambda layer, x: REDUCTIONS[layer.operation](x.reshape(layer.rows, layer.size)),
    "rows": lambda layer, x: np.concatenate([STATELESS[layer.layer.kind](layer.layer, row) for row in rows_of(layer, x)]),
    "scan": lambda layer, x: run_layer(layer.layer, rows_of(layer, x))[0].ravel(),
    "concat": lambda layer, *places: np.concatenate(places),
    "arithmetic": lambda layer, a, b: np.asarray(getattr(np, layer.operation)(a, b), np.float64),
    "where": lambda layer, condition, a, b: np.where(condition != 0, a, b),
}

STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step, "own_cell": own_cell_step}


def initial_states(layer: Any) -> States:
    """The states before the first step, {} for a layer without."""
    if layer.kind in STATELESS:
        return {}
    if layer.kind == "conv1d":
        _, inputs, taps = np.asarray(layer.weights).shape
        return {"x": np.zeros((taps - 1) * layer.dilation * inputs)}
    if layer.kind == "state-output":
        return initial_states(layer.layer)
    if layer.kind == "bank":
        return {name: np.tile(state, layer.rows) for name, state in initial_states(layer.layer).items()}
    if layer.kind == "own_cell":
        return {"h": wide(layer, "initial_h"), "c": wide(layer, "initial_c")}
    if layer.kind == "delay":
        return {"value": wide(layer, "initial")}
    recurrent = np.asarray(layer.recurrent_weights)
    states = {"h": wide(layer, "initial_hidden") + np.zeros(recurrent.shape[2])}
    if layer.kind == "lstm":
        states["c"] = wide(layer, "initial_cell") + np.zeros(recurrent.shape[1])
    return states


def run_layer(layer: Any, *signals: ArrayLike, states: States | None = None) -> tuple[NDArray[np.float64], States]:
    """Outputs, (n_steps, output_size), of one layer over signals, (n_steps, size) each, and the states it ends in."""
    if layer.kind == "reverse":
        return np.asarray(signals[0], np.float64)[::-1], {}
    if layer.kind == "frame":
        return run_frame(layer, np.asarray(signals[0], np.float64))
    states = initial_states(layer) if states is None else states
    outputs = []
    for places in zip(*(np.asarray(signal, np.float64) for signal in signals), strict=True):
        if layer.kind in STATELESS:
            outputs.append(STATELESS[layer.kind](layer, *places))
        elif layer.kind == "conv1d":
            y, states = conv1d_step(layer, *places, states)
            outputs.append(y)
        elif layer.kind == "delay":
            outputs.append(states["value"])
            states = {"value": places[0]}
        elif layer.kind == "state-output":
            states = STEPS[layer.layer.kind](layer.layer, *places, states)
            outputs.append(states[layer.state])
        elif layer.kind == "bank":
            y, states = bank_step(layer, *places, states)
            outputs.append(y)
        else:
            states = STEPS[layer.kind](layer, *places, states)
            outputs.append(states["h"])
    return np.array(outputs), states


def run(model: Any, signal: ArrayLike) -> tuple[NDArray[np.float64], tuple[States, ...]]:
    """Outputs of a whole model from its initial states, and the states it ends in by layer.

    A model is anything with `layers`, which read each other as its `sources` say, or else form a chain.
    """
    x = np.asarray(signal, np.float64)
    sources = getattr(model, "sources", None) or [(index - 1,) for index in range(len(model.layers))]
    if any(source >= index for index, reads in enumerate(sources) for source in reads):
        return _run_loops(model.layers, sources, x)
    gives, ends = {-1: x}, []
    for index, (layer, reads) in enumerate(zip(model.layers, sources, strict=True)):
        gives[index], states = run_layer(layer, *(gives[place] for place in reads))
        ends.append(states)
    return gives[len(model.layers) - 1], tuple(ends)


def _run_loops(
    layers: Sequence[Any], sources: Sequence[Sequence[int]], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[States, ...]]:
    """`run`, all layers step by step: what a delay gives is known before the step, what it takes after it."""
    states, outputs = [initial_states(layer) for layer in layers], []
    for row in x:
        gives: dict[int, Vector] = {-1: row}
        for index, layer in enumerate(layers):
            if layer.kind == "delay":
                gives[index] = states[index]["value"]
            else:
                y, states[index] = run_layer(layer, *(gives[place][None] for place in sources[index]), states=states[index])
                gives[index] = y[0]
        for index, layer in enumerate(layers):
            if layer.kind == "delay":
                states[index] = {"value": gives[sources[index][0]]}
        outputs.append(gives[len(layers) - 1])
    return np.array(outputs), tuple(states)

"""torch, one thread: its cell step by step, and its layer for all steps."""

from typing import Any

import numpy as np

from benchmarks.case import Case
from benchmarks.contender import Contender
from benchmarks.crowd import Crowd
from streamrnn import Model
from streamrnn.command.measuring.loop import N_ROWS
from streamrnn.gates import reorder


def cell(case: Case, model: Model) -> Contender:
    """`LSTMCell` or `GRUCell`."""
    import torch

    torch.set_num_threads(1)
    module = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[case.kind](case.inputs, case.hidden)
    _fill(module, model.layers[0], "")
    rows = [torch.from_numpy(row)[None] for row in case.signal(N_ROWS)] * (case.n_calls // N_ROWS)
    zeros = torch.zeros(1, case.hidden)
    states: list[Any] = [(zeros, zeros) if case.kind == "lstm" else zeros]

    def run() -> object:
        (state,) = states
        with torch.inference_mode():
            for x in rows:
                state = module(x, state)
        states[0] = state
        return (state[0] if case.kind == "lstm" else state)[0].numpy()

    return Contender(run, case.n_calls)


def layer(case: Case, model: Model, n_steps: int) -> Contender:
    """`nn.LSTM` or `nn.GRU`, called once."""
    import torch

    torch.set_num_threads(1)
    module = whole_layer(case, model)
    x, states = torch.from_numpy(case.signal(n_steps)), [None]

    def run() -> object:
        with torch.inference_mode():
            y, states[0] = module(x, states[0])
        return y[-1].numpy()

    return Contender(run, n_steps)


def whole_layer(case: Case, model: Model) -> Any:
    """`nn.LSTM` or `nn.GRU`, with the weights of a model's layer."""
    import torch

    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[case.kind](case.inputs, case.hidden)
    _fill(module, model.layers[0], "_l0")
    return module


def batch(crowd: Crowd, model: Model) -> Contender:
    """`LSTMCell` or `GRUCell` for each tick, with the streams as its batch."""
    import torch

    torch.set_num_threads(1)
    case = crowd.case
    module = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[case.kind](case.inputs, case.hidden)
    _fill(module, model.layers[0], "")
    x, zeros = torch.from_numpy(crowd.inputs()), torch.zeros(crowd.n_streams, case.hidden)
    states: list[Any] = [(zeros, zeros) if case.kind == "lstm" else zeros]

    def run() -> object:
        (state,) = states
        with torch.inference_mode():
            for _ in range(crowd.n_ticks):
                state = module(x, state)
        states[0] = state
        return (state[0] if case.kind == "lstm" else state).numpy()

    return Contender(run, crowd.n_ticks * crowd.n_streams)


def _fill(module: Any, layer: Any, suffix: str) -> None:
    """Copy the weights of a layer to a module."""
    import torch

    inner = np.zeros_like(layer.bias)
    if layer.kind == "gru":
        inner[2] = layer.recurrent_bias
    tensors = {
        "weight_ih": layer.input_weights,
        "weight_hh": layer.recurrent_weights,
        "bias_ih": layer.bias,
        "bias_hh": inner,
    }
    with torch.no_grad():
        for name, tensor in tensors.items():
            ours = np.concatenate(list(reorder(tensor, layer.kind, "streamrnn", "torch")))
            getattr(module, f"{name}{suffix}").copy_(torch.from_numpy(ours))

"""Finds the parts in a tree of torch modules, by the names of their classes, so that torch is never imported."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from streamrnn import Activation
from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError
from streamrnn_converters.torch.parts import ACTIVATIONS, Part

_SEQUENCES = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}
_CELLS = {"LSTMCell": "lstm", "GRUCell": "gru", "RNNCell": "rnn"}
_RECURRENT = _SEQUENCES | _CELLS
_IDENTITIES = ("Identity", "Dropout")

#: How to import a module whose forward is not known.
EXPORT = (
    'export it: torch.onnx.export(module.eval(), (example_input,), "model.onnx", dynamo=False), and import that with from_onnx'
    ". (dynamo=False needs no other package; the newer exporter needs onnxscript: pip install 'streamrnn[torch]')"
)
_REMEDY = (
    "pass an nn.Sequential of known modules, or, only if forward is exactly these layers in this order, describe it: "
    f'layers="lstm:rnn, dense:head", or {EXPORT}'
)
_KNOWN = "LSTM, GRU, RNN, their Cells, Linear, Sequential, activations, Dropout and Identity are known"


def parts_of(module: Any) -> list[Part]:
    """The parts of a module, in the order of the signal.

    Raises ConversionError, naming the path in the tree, for a module that is not supported.
    """
    leaves = list(_leaves("", module))
    last_axis = 2 if any(_name(leaf) in _SEQUENCES for _, leaf in leaves) else 1
    parts: list[Part] = []
    for path, leaf in leaves:
        name = _name(leaf)
        if name in _RECURRENT:
            relu = getattr(leaf, "nonlinearity", None) == "relu"
            function = (ACTIVATIONS["relu"] if relu else ACTIVATIONS["tanh"]) if _RECURRENT[name] == "rnn" else None
            parts.append(Part(_RECURRENT[name], path, function))
        elif name == "Linear":
            parts.append(Part("dense", path, LINEAR))
        elif name in _ACTIVATIONS:
            _fuse(parts, path, name, _activation(path, leaf, name, last_axis))
        elif name not in _IDENTITIES:
            where = f"{_at(path)} ({type(leaf).__name__})"
            raise ConversionError(f"{where}: this type of module is not supported ({_KNOWN}); {_REMEDY}")
    if not parts:
        raise ConversionError(f"{type(module).__name__}: contains no layer; {_REMEDY}")
    return parts


def _leaves(path: str, module: Any) -> Iterator[tuple[str, Any]]:
    """Path and module of all but the containers; twice where a module occurs twice."""
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        raise ConversionError(
            f"{_at(path)} ({type(module).__name__}): has a hook or its own forward, whose effect is not known; remove it "
            "(weight or spectral normalisation: torch.nn.utils.remove_weight_norm, remove_spectral_norm)"
        )
    if _name(module) != "Sequential":
        yield path, module
        return
    for name, child in module._modules.items():
        yield from _leaves(f"{path}.{name}" if path else name, child)


def _name(module: Any) -> str:
    """The name of a class of torch; "" for any other, since a subclass may do anything."""
    cls = type(module)
    return cls.__qualname__ if cls.__module__.startswith("torch.nn.modules.") else ""


def _fuse(parts: list[Part], path: str, name: str, function: Activation) -> None:
    """Make the last part apply the function."""
    where = f"{_at(path)} ({name})"
    if not parts:
        raise ConversionError(f"{where}: comes before every layer; apply it to the signal before streaming")
    if parts[-1].kind != "dense":
        raise ConversionError(
            f"{where}: comes after {parts[-1]}, but only a Linear can be followed by an activation; "
            "put a Linear between them, one with the identity as its weight changes nothing, or write a module whose forward "
            f"computes this, and {EXPORT}"
        )
    if parts[-1].activation != LINEAR:
        raise ConversionError(f"{where}: is a second activation after {parts[-1]}; put a Linear between them, or {EXPORT}")
    parts[-1] = replace(parts[-1], activation=function)


def _activation(path: str, module: Any, name: str, last_axis: int) -> Activation:
    """The function of an activation module. Raises ConversionError for parameters that are not supported."""
    where = f"{_at(path)} ({name})"
    if name == "Softmax" and module.dim not in (-1, last_axis):
        raise ConversionError(f"{where}: dim={module.dim} may not be the axis of the units; write dim=-1")
    if name == "Softplus" and (module.beta != 1 or module.threshold < 20):
        raise ConversionError(
            f"{where}: beta={module.beta}, threshold={module.threshold} are not supported, only beta=1 and a threshold of at "
            "least 20, from where torch's linear function and log(1 + exp(x)) are the same float32"
        )
    return _ACTIVATIONS[name](module)


def _at(path: str) -> str:
    return f"module {path!r}" if path else "the module"


#: Class -> the function of a module.
_ACTIVATIONS: dict[str, Callable[[Any], Activation]] = {
    "Tanh": lambda module: ACTIVATIONS["tanh"],
    "Sigmoid": lambda module: ACTIVATIONS["sigmoid"],
    "ReLU": lambda module: ACTIVATIONS["relu"],
    "Softmax": lambda module: ACTIVATIONS["softmax"],
    "LeakyReLU": lambda module: Activation("leaky_relu", module.negative_slope),
    "ELU": lambda module: Activation("elu", module.alpha),
    "Softplus": lambda module: ACTIVATIONS["softplus"],
    "Softsign": lambda module: ACTIVATIONS["softsign"],
    "Hardsigmoid": lambda module: ACTIVATIONS["hardsigmoid"],
    "GELU": lambda module: Activation("gelu_tanh") if module.approximate == "tanh" else ACTIVATIONS["gelu"],
    "SiLU": lambda module: ACTIVATIONS["silu"],
}

"""Recognises a state dict of one module, by the names and shapes of its tensors."""

import re

from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError
from streamrnn_converters.torch.parts import N_GATES, Part
from streamrnn_converters.torch.tensors import Tensors

_RECURRENT = re.compile(r"(?:(.*)\.)?weight_hh(?:_l0)?")
_LINEAR = re.compile(r"(?:(.*)\.)?weight")


def recognise(tensors: Tensors) -> list[Part]:
    """The one part of a state dict.

    Raises ConversionError, with an example of a description, where there are several parts, or one that could be two things.
    """
    found: dict[str, str] = {}
    for name, shape in tensors.shapes.items():
        if match := _RECURRENT.fullmatch(name):
            found[match[1] or ""] = recurrent_kind(name, shape, tensors)
        elif (match := _LINEAR.fullmatch(name)) and len(shape) == 2:
            found[match[1] or ""] = "dense"
    if not found:
        names = ", ".join(map(repr, tensors.shapes)) or "none"
        raise ConversionError(f"no weights of an LSTM, GRU, RNN or Linear among the tensors ({names})")
    example = 'layers="' + ", ".join(f"{kind or 'KIND'}:{prefix}" for prefix, kind in found.items()) + '"'
    if len(found) > 1:
        prefixes = ", ".join(map(repr, found))
        raise ConversionError(f"a state dict does not give the order of its modules ({prefixes}); describe it: {example}")
    ((prefix, kind),) = found.items()
    if not kind:
        raise ConversionError(f"the shapes under {prefix!r} fit neither LSTM, GRU nor RNN; describe it: {example}")
    if kind == "rnn":
        other = f'layers="rnn:{prefix}:relu"'
        raise ConversionError(
            f"a state dict does not name an RNN's function; describe it: {example} for tanh, {other} for relu"
        )
    return [Part(kind, prefix, LINEAR if kind == "dense" else None)]


def recurrent_kind(name: str, shape: tuple[int, ...], tensors: Tensors) -> str:
    """The kind, by the number of rows for each hidden unit; "" where it fits none. Only an LSTM has a projection."""
    if name.replace("weight_hh", "weight_hr") in tensors:
        return "lstm"
    kinds = [kind for kind, n_gates in N_GATES.items() if len(shape) == 2 and shape[0] == n_gates * shape[1]]
    return kinds[0] if kinds else ""

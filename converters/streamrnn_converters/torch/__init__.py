"""Imports PyTorch modules and state dicts without importing PyTorch: a module has it loaded, arrays do not need it."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import DTypeLike

from streamrnn import Model
from streamrnn.errors import ConversionError
from streamrnn_converters.compute_dtype import compute_dtype
from streamrnn_converters.torch.build import build
from streamrnn_converters.torch.comparison import why_not_compared
from streamrnn_converters.torch.modules import parts_of
from streamrnn_converters.torch.parts import parse
from streamrnn_converters.torch.recognise import recognise
from streamrnn_converters.torch.tensors import Tensors

__all__ = ["from_torch"]

_UNPROVEN = (
    "unproven: the module was not run beside the model, which is right only if forward is exactly these layers in this order"
)


def from_torch(
    source: Any, layers: str | Sequence[str] | None = None, *, dtype: DTypeLike = "float32", offline: bool = False
) -> Model:
    """Make a model from a PyTorch module or a state dict. (torch 2; equations as in the docs of torch.nn.)

    source  a module: LSTM, GRU, RNN, a Cell of these, Linear, or a Sequential of them, with activations after a Linear;
            or a state dict, name -> tensor or NumPy array of any float type
    layers  the layers of a state dict, or of a module of another type, in order: "lstm:rnn, dense:head:softmax" or
            a list of such entries. An entry is lstm:PREFIX, gru:PREFIX, rnn:PREFIX[:relu] or dense:PREFIX[:ACTIVATION], where
            the tensors are called PREFIX.weight_ih_l0 and so on, and ACTIVATION is a name of torch.nn.functional; or skip,
            which adds the input of the model to the output so far. A state dict of one LSTM, GRU or Linear needs none.
            A module that they describe is run beside the model, on a copy, with short signals: what differs is refused. Where
            its forward cannot be called with one signal, a RuntimeWarning and the notes say that the model is unproven
    dtype   the compute precision, float32 or float64, by name or as a type of NumPy or torch, whatever type the tensors have
    offline True: the model is for whole recordings (`streamrnn.run_offline`), and modules may be bidirectional

    Modules are imported as they work in inference, without dropout. Initial states are zeros, as torch's are.

    Raises ConversionError, naming the module or the tensor, for what cannot be streamed, is not understood or is left over.
    """
    is_module = hasattr(source, "named_children") and hasattr(source, "state_dict")
    if not is_module and not isinstance(source, Mapping):
        raise ConversionError(
            f"{type(source).__name__} is neither a torch module nor a state dict; "
            "torch.load(path, weights_only=True) reads one from a file"
        )
    parts = parse(layers) if layers is not None else parts_of(source) if is_module else None
    tensors = Tensors(source.state_dict() if is_module else source)
    parts = parts or recognise(tensors)
    kind = {"module": type(source).__name__} if is_module else {}
    notes = {"source": {"format": "torch", **kind, "layers": [str(part) for part in parts]}}
    model = build(parts, tensors, compute_dtype(dtype), notes, offline=offline)
    if layers is None or not is_module:
        return model
    why = why_not_compared(source, build(parts, tensors, "float64", {}, offline=offline))
    remark = f"{_UNPROVEN}: {why}" if why else "run in torch, the module gave the same as the model, for short signals"
    if why:
        warnings.warn(remark, RuntimeWarning, stacklevel=2)
    return model.with_notes({"source": notes["source"] | {"remarks": [remark]}})

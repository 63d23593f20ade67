"""Guesses the modules of a state dict in a file that keeps the order in which they were defined."""

from itertools import pairwise

from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError
from streamrnn_converters.checkpoints.guess import guess
from streamrnn_converters.torch.build import build
from streamrnn_converters.torch.parts import Part
from streamrnn_converters.torch.recognise import recurrent_kind
from streamrnn_converters.torch.tensors import Tensors

_RECURRENT, _LINEAR = "weight_hh_l0", "weight"


def guess_modules(tensors: Tensors) -> tuple[list[Part], str]:
    """The parts of a state dict, and why this order. Where several orders fit the sizes, that of the file is taken.

    Raises ConversionError where names and sizes do not decide what the modules are, or the functions between them.
    """
    try:
        return guess(tensors), ""
    except ConversionError:
        parts = _in_order_of_file(tensors)
        unknown = any(part.kind == "rnn" for part in parts) or any(a.kind == b.kind == "dense" for a, b in pairwise(parts))
        if unknown or not _fit(parts, tensors):
            raise
        return parts, ", the order of the file (others fit too)"


def _in_order_of_file(tensors: Tensors) -> list[Part]:
    parts = []
    for name, shape in tensors.shapes.items():
        prefix, _, last = name.rpartition(".")
        if last == _RECURRENT and (kind := recurrent_kind(name, shape, tensors)):
            parts.append(Part(kind, prefix, None))
        elif last == _LINEAR and len(shape) == 2:
            parts.append(Part("dense", prefix, LINEAR))
    return parts


def _fit(parts: list[Part], tensors: Tensors) -> bool:
    try:
        build(parts, tensors, "float32", {})
    except ConversionError:
        return False
    return True

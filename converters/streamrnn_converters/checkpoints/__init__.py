"""Imports checkpoints: files of named weights, without the code of the network."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from numpy.typing import DTypeLike

from streamrnn import Model
from streamrnn.errors import ConversionError, ModelError
from streamrnn_converters.checkpoints.files import EXTENSIONS, Weights, read_weights
from streamrnn_converters.checkpoints.guess import guess
from streamrnn_converters.checkpoints.nested import wrapper_prefix
from streamrnn_converters.compute_dtype import compute_dtype
from streamrnn_converters.reading import read_file
from streamrnn_converters.torch.build import build
from streamrnn_converters.torch.parts import SKIP, Part, parse
from streamrnn_converters.torch.tensors import Tensors

_MOST_BYTES = 1 << 32

__all__ = ["EXTENSIONS", "Checkpoint", "from_checkpoint", "read_checkpoint"]


class Checkpoint(NamedTuple):
    """An imported checkpoint."""

    model: Model
    remarks: tuple[str, ...]  # one sentence for each thing that was guessed, found, left out or converted


def from_checkpoint(
    path: str | os.PathLike[str], layers: str | Sequence[str] | None = None, dtype: DTypeLike | None = None
) -> Model:
    """The model in a file of weights: .safetensors, .npz, or .pt, .pth, .bin, .ckpt as torch.save writes them.

    path    its tensors are named and shaped as those of torch.nn.LSTM, GRU, RNN and Linear. The state dict may be an entry of
            the checkpoint ({"state_dict": …}), and all names may begin with the prefix of a wrapper ("module.")
    layers  the layers, as for `from_torch`: "lstm:rnn, dense:head:softmax, skip"; None: guessed, where only one answer fits.
            A guess is of the layers that have weights; what else a model does is not in the file
    dtype   the compute precision, float32 (None) or float64, by name or as a NumPy type; all weights are converted to it

    Files of torch.save are read without torch, and nothing in them is executed: one whose code would have to run is refused.

    Raises ConversionError, naming the file and the tensor.
    """
    return read_checkpoint(path, layers, dtype).model


def read_checkpoint(
    path: str | os.PathLike[str], layers: str | Sequence[str] | None = None, dtype: DTypeLike | None = None
) -> Checkpoint:
    """As `from_checkpoint`, with the remarks, which the model's notes keep too."""
    path = Path(path)
    wanted = compute_dtype(dtype)
    data = read_file(path, _MOST_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    try:
        weights = read_weights(data, path.suffix.lower())
        del data  # what was unpacked or converted does not need it any more
        described = None if layers is None else parse(layers)
        prefix = wrapper_prefix(weights.tensors)
        if described is not None and any(part.tensor("").startswith(prefix) for part in described):
            prefix = ""  # the description includes it
        tensors = Tensors({name.removeprefix(prefix): value for name, value in weights.tensors.items()})
        parts = described or guess(tensors)
        remarks = [
            *weights.remarks,
            *([f"all names begin with {prefix!r}, which is left out"] if prefix else []),
            *([] if described else _guess_remarks(parts)),
            *_type_remarks(weights, wanted),
        ]
        source = {
            "format": weights.format,
            "sha256": digest,
            "layers": [part.entry for part in parts],
            "remarks": remarks,
        }
        model = build(parts, tensors, wanted, {"source": source})
        if described is None:
            remarks.append(_outside_remark(model, parts))
        return Checkpoint(model.with_notes({"source": source | {"remarks": remarks}}), tuple(remarks))
    except (ConversionError, ModelError) as error:
        raise ConversionError(f"{path}: {error}") from error


def _guess_remarks(parts: Sequence[Part]) -> list[str]:
    remarks = [f'guessed: {", ".join(part.entry for part in parts)}; say --layers "…" to overrule']
    if any(part.kind == "dense" for part in parts):
        remarks.append("a checkpoint does not name the functions after its Linear layers; none are assumed")
    return remarks


def _outside_remark(model: Model, parts: Sequence[Part]) -> str:
    """What a guess cannot know."""
    skip = ""
    if model.output_size <= model.input_size:
        entries = ", ".join([*(part.entry for part in parts), SKIP])
        skip = f'; if the model adds its input to its output, say --layers "{entries}"'
    return (
        "that is a guess of the layers that have weights, one after the other: functions, skips, scales and delays have none, "
        f"so a checkpoint does not show them{skip}; --against, with a recording or an .onnx, shows whether something is missing"
    )


def _type_remarks(weights: Weights, wanted: str) -> list[str]:
    """One remark for each type that is converted, and for float64 that is kept."""
    remarks = []
    for dtype in sorted(set(weights.dtypes.values())):
        if dtype == wanted == "float64":
            remarks.append("float64 weights kept: the compute precision is float64")
        elif dtype == "float64":
            remarks.append("float64 weights rounded to float32; --dtype float64 keeps them")
        elif dtype != wanted:
            remarks.append(f"{dtype} weights converted to {wanted}, without loss")
    return remarks

"""Imports files that other programs keep trained models in. Nothing in them is executed.

A stream of the model gives what the file's own program computes. What that cannot be told from the file, or cannot be streamed,
is refused by the name of its layer. `streamrnn import` proves a model by the test vector that came with it.
"""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

import os
from collections.abc import Sequence
from pathlib import Path

from numpy.typing import DTypeLike

from streamrnn import Model
from streamrnn.errors import ConversionError
from streamrnn_converters.checkpoints.files import EXTENSIONS as CHECKPOINT_EXTENSIONS
from streamrnn_converters.compute_dtype import compute_dtype
from streamrnn_converters.formats.aidax import read_aidax
from streamrnn_converters.formats.guitarml import read_guitarml
from streamrnn_converters.formats.imported_file import ImportedFile
from streamrnn_converters.formats.keras.model_file import read_keras
from streamrnn_converters.formats.nam import read_nam
from streamrnn_converters.formats.rtneural import read_rtneural
from streamrnn_converters.formats.sniff import EXTENSIONS, read_model_file

__all__ = [
    "EXTENSIONS",
    "ImportedFile",
    "from_aidax",
    "from_file",
    "from_guitarml",
    "from_keras",
    "from_nam",
    "from_rtneural",
    "read_model_file",
]


def from_rtneural(
    path: str | os.PathLike[str], layers: str | Sequence[str] | None = None, *, dtype: DTypeLike = "float32"
) -> Model:
    """The model in a JSON file of RTNeural: its list of Keras layers, or the state dict of a torch module.

    Read are dense, conv1d (causal), gru (reset-after), lstm, prelu, batchnorm and activation layers; of a state dict LSTM, GRU,
    RNN and Linear modules.

    layers  of a state dict, its modules in order, as for `from_torch`: "lstm:rnn, dense:head"; None: guessed, where only one
            answer fits
    dtype   the compute precision, float32 or float64, by name or as a NumPy type

    Raises ConversionError, naming the file and the layer.
    """
    return read_rtneural(Path(path), layers, compute_dtype(dtype)).model


def from_guitarml(path: str | os.PathLike[str], *, dtype: DTypeLike = "float32") -> Model:
    """The model in a JSON file of GuitarML, Proteus or Automated-GuitarAmpModelling, with its skip from input to output.

    dtype  the compute precision, float32 or float64, by name or as a NumPy type

    Raises ConversionError, naming the file and the entry.
    """
    return read_guitarml(Path(path), compute_dtype(dtype)).model


def from_aidax(path: str | os.PathLike[str], *, dtype: DTypeLike = "float32") -> Model:
    """The model in a file of AIDA-X, with its gains and its skip. Inputs after the first are settings of knobs.

    dtype  the compute precision, float32 or float64, by name or as a NumPy type

    Raises ConversionError, naming the file and the layer.
    """
    return read_aidax(Path(path), compute_dtype(dtype)).model


def from_nam(path: str | os.PathLike[str], *, dtype: DTypeLike = "float32") -> Model:
    """The LSTM in a .nam file of Neural Amp Modeler, with its learned initial states.

    dtype  the compute precision, float32 or float64, by name or as a NumPy type

    Raises ConversionError, naming the file and the entry.
    """
    return read_nam(Path(path), compute_dtype(dtype)).model


def from_keras(path: str | os.PathLike[str], *, dtype: DTypeLike = "float32") -> Model:
    """The model in a .keras file, or in an .h5 that holds the whole model: Sequential, or functional with one input and output.

    Read are LSTM, GRU (both forms), SimpleRNN, Dense, Conv1D, SeparableConv1D and DepthwiseConv1D (causal, or after a
    ZeroPadding1D), Embedding, normalisations, activations, Add, Subtract, Multiply and Concatenate. Dropout does nothing in
    inference. Neither Keras nor pickle is used.

    dtype  the compute precision, float32 or float64, by name or as a NumPy type

    Raises ConversionError, naming the file and the layer; MissingExtraError where h5py is not installed.
    """
    return read_keras(Path(path), compute_dtype(dtype)).model


def from_file(path: str | os.PathLike[str], *, dtype: DTypeLike | None = None) -> Model:
    """The model in a file of any format that can be imported; the format is told by the extension, and by what is in it.

    .onnx as `from_onnx`; .safetensors, .npz, .pt, .pth, .bin, .ckpt as `from_checkpoint`; .json, .nam, .aidax, .keras, .h5 as
    the functions here.

    dtype  the compute precision, float32 (None) or float64; an ONNX model has its own

    Raises ConversionError, naming the file; MissingExtraError where a package is needed and not installed.
    """
    path = Path(path)
    extension = path.suffix.lower()
    if extension in EXTENSIONS:
        return read_model_file(path, dtype=compute_dtype(dtype)).model
    if extension in CHECKPOINT_EXTENSIONS:
        from streamrnn_converters.checkpoints import from_checkpoint

        return from_checkpoint(path, dtype=dtype)
    if extension == ".onnx":
        from streamrnn_converters.onnx import from_onnx

        model = from_onnx(path)
        return model if dtype is None else model.astype(compute_dtype(dtype))
    known = ", ".join((".onnx", *CHECKPOINT_EXTENSIONS, *EXTENSIONS))
    raise ConversionError(f"{path}: the extension {extension!r} is none of {known}")

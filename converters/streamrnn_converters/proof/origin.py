"""The ONNX file that a model came from, read again to compare the two."""

import os
from collections.abc import Mapping
from typing import Any

from streamrnn import ConversionError, Model, VerificationError
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.onnx.parse.file import read_bytes


def read_origin(
    model: Model, source: str | os.PathLike[str] | bytes, constants: Mapping[str, Any] | None, allow_external_data: bool = False
) -> tuple[bytes, Imported]:
    """The file's bytes, and the import of them.

    constants  graph inputs that were fixed for the import; None: those that the model notes
    allow_external_data  tensors of `source`, then a path, may be in other files of its folder

    What was said about states for the import is taken from the model's notes. Raises VerificationError where it cannot be
    imported.
    """
    noted = model.notes.get("source", {})
    if constants is None:
        constants = noted.get("constants")
    try:
        data = read_bytes(source, allow_external_data=allow_external_data)
        states, time_axis = noted.get("states"), noted.get("time_axis")
        return data, read_onnx(data, constants, offline=True, time_axis=time_axis, states=states)
    except ConversionError as error:
        raise VerificationError(f"the source cannot be imported: {error}") from error


def check_sizes(model: Model, theirs: Model, remedy: str) -> None:
    """Raise VerificationError, with the remedy, where the two models take or give different numbers of values."""
    if (model.input_size, model.output_size) != (theirs.input_size, theirs.output_size):
        raise VerificationError(
            f"the model takes {model.input_size} values and gives {model.output_size}, but the graph takes "
            f"{theirs.input_size} and gives {theirs.output_size}; {remedy}"
        )

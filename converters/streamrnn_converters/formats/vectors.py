"""Test vectors: input and output of a model, from the file itself or from two .csv files beside it."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.imported_file import ImportedFile
from streamrnn_converters.formats.json_values import numbers
from streamrnn_converters.proof.recording import Recording
from streamrnn_converters.reading import read_file

_MOST_BYTES = 1 << 25


def as_recording(model: Model, x: NDArray[Any], y: NDArray[Any], data: bytes, remarks: Sequence[str] = ()) -> Recording:
    """A test vector, x (n_steps, I) and y (n_steps, O). Raises ConversionError where it does not fit the model."""
    sizes, found = (model.input_size, model.output_size), (x.shape[1], y.shape[1])
    if sizes != found:
        raise ConversionError(
            f"the test vector has {found[0]} inputs and {found[1]} outputs, but the model {sizes[0]} and {sizes[1]}"
        )
    if len(x) != len(y) or len(x) < 2:
        raise ConversionError(f"the test vector has {len(x)} inputs and {len(y)} outputs; it needs as many of each, at least 2")
    return Recording(x, y, hashlib.sha256(data).hexdigest(), remarks=tuple(remarks))


def with_vector_beside(path: Path, found: ImportedFile, name: str) -> ImportedFile:
    """The same with the test vector in {name}_x.csv and {name}_y.csv, where they are beside the model's file.

    A line is a step; its numbers are separated by commas. Raises ConversionError, naming the file, for anything else.
    """
    try:
        vector, remarks = _vector_beside(path, found.model, name)
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error
    return ImportedFile(found.model, (*found.remarks, *remarks), vector)


def _vector_beside(path: Path, model: Model, name: str) -> tuple[Recording | None, list[str]]:
    """The vector, and a remark that tells of it; None where there is none."""
    paths = [path.with_name(f"{name}_{which}.csv") for which in "xy"]
    there = [one.exists() for one in paths]
    if not all(there):
        missing = [f"{one.name} is missing, so {name}_*.csv proves nothing" for one in paths if not one.exists()]
        return None, missing if any(there) else []
    contents = [read_file(one, _MOST_BYTES) for one in paths]
    x, y = (_rows(one, content) for one, content in zip(paths, contents, strict=True))
    remark = f"test vector: {paths[0].name} and {paths[1].name}"
    return as_recording(model, x, y, b"".join(contents)), [remark]


def _rows(path: Path, data: bytes) -> NDArray[np.float64]:
    try:
        if not data.strip():
            raise ValueError("it is empty")
        rows = np.loadtxt(io.BytesIO(data), delimiter=",", comments=None, ndmin=2, encoding="ascii")
    except ValueError as error:
        raise ConversionError(f"{path}: not a table of numbers ({error}); write one step a line") from None
    return numbers(str(path), rows, None, None)

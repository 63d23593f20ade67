"""Tells the format of a file from what it holds, and reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamrnn.errors import ConversionError
from streamrnn_converters.formats.aidax import read_aidax
from streamrnn_converters.formats.guitarml import read_guitarml
from streamrnn_converters.formats.imported_file import ImportedFile
from streamrnn_converters.formats.keras.model_file import read_keras
from streamrnn_converters.formats.nam import read_nam
from streamrnn_converters.formats.rtneural import read_rtneural
from streamrnn_converters.reading import read_file
from streamrnn_converters.reading.json_object import read_json

#: Extensions of the files that `read_model_file` reads.
EXTENSIONS = (".json", ".nam", ".aidax", ".keras", ".h5", ".hdf5")

_KERAS = (".keras", ".h5", ".hdf5")
_AIDAX = {"in_skip", "in_gain", "out_gain", "input_batch", "output_batch", "metadata", "samplerate", "esr", "author"}


def read_model_file(path: Path, layers: str | Sequence[str] | None = None, dtype: str = "float32") -> ImportedFile:
    """The model in a file with one of `EXTENSIONS`. A JSON format is told by the names in it.

    layers  of RTNeural's torch form only: its modules in order, as for `from_torch`
    """
    name = "keras" if path.suffix.lower() in _KERAS else _json_format(path)
    if name == "rtneural":
        return read_rtneural(path, layers, dtype)
    if layers is not None:
        raise ConversionError(f"{path}: names its layers itself; leave the description of layers out")
    return {"aidax": read_aidax, "guitarml": read_guitarml, "keras": read_keras, "nam": read_nam}[name](path, dtype)


def _json_format(path: Path) -> str:
    data = read_file(path)
    try:
        return _named(read_json(data))
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error


def _named(description: dict[str, Any]) -> str:
    if {"architecture", "weights"} <= description.keys():
        return "nam"
    if {"model_data", "state_dict"} <= description.keys():
        return "guitarml"
    if {"in_shape", "layers"} <= description.keys():
        return "aidax" if _AIDAX & description.keys() else "rtneural"
    if description and all(isinstance(value, list) for value in description.values()):
        return "rtneural"
    names = ", ".join(f"{name!r:.40}" for name in list(description)[:8]) or "nothing"
    raise ConversionError(f"is JSON of no known format (it has {names}); known are RTNeural, AIDA-X, GuitarML and NAM")

"""What is found in a file: the model, what is said about it, and the test vector that proves it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamrnn import Model
from streamrnn.errors import ConversionError, ModelError
from streamrnn_converters.proof.recording import Recording
from streamrnn_converters.reading import read_file
from streamrnn_converters.reading.json_object import read_json


@dataclass(frozen=True)
class ImportedFile:
    """A model in a file.

    remarks  one sentence for each thing that was guessed, left out or converted; the model's notes keep them
    vector   input and output that came with the model, as its own framework computed them; None where there are none
    """

    model: Model
    remarks: tuple[str, ...] = ()
    vector: Recording | None = None


def read_json_file(path: Path, convert: Callable[[dict[str, Any], bytes], ImportedFile]) -> ImportedFile:
    """The model that `convert` makes from the JSON object in a file and from its bytes. All errors name the file."""
    data = read_file(path)
    try:
        return convert(read_json(data), data)
    except (ConversionError, ModelError) as error:
        raise ConversionError(f"{path}: {error}") from error


def source_notes(file_format: str, data: bytes, remarks: Sequence[str], **more: Any) -> dict[str, Any]:
    """The notes that tell where a model comes from."""
    digest = hashlib.sha256(data).hexdigest()
    return {"source": {"format": file_format, "sha256": digest, **more, "remarks": list(remarks)}}

"""The file of a model in another format. It is read once, so that what is compared is what was imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamrnn.errors import ConversionError, VerificationError


def read_source(path: Path, allow_external_data: bool = False) -> bytes:
    """The bytes of an ONNX model, a checkpoint or a recording.

    allow_external_data  read the tensors that an ONNX model keeps in other files of its folder, too

    Raises ConversionError if it cannot be read.
    """
    if allow_external_data:
        from streamrnn_converters.onnx.parse.file import read_bytes

        return read_bytes(path, allow_external_data=True)
    from streamrnn_converters.reading import read_file

    return read_file(path)


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Put the name of the file in front of the errors about its content."""
    try:
        yield
    except (ConversionError, VerificationError) as error:
        raise type(error)(f"{path}: {error}") from error

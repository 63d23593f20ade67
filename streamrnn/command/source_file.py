"""Files that a command reads: archives, and models in other formats.

A model in another format is read once, so that what is compared is what was imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamrnn.command.file_kinds import seems_to_be
from streamrnn.errors import ArchiveError, ConversionError, VerificationError
from streamrnn.model import Model, load

#: Extensions of checkpoints, and of the model files of other programs.
CHECKPOINTS = (".safetensors", ".npz", ".pt", ".pth", ".bin", ".ckpt")
MODEL_FILES = (".json", ".nam", ".aidax", ".keras", ".h5", ".hdf5")
EXTENSIONS = (*CHECKPOINTS, *MODEL_FILES)


def load_archive(path: Path) -> Model:
    """The model in an archive. Raises ArchiveError if it cannot be used, and says what the file is if it is none."""
    try:
        return load(path)
    except ArchiveError as error:
        what = "an ONNX model" if path.suffix.lower() == ".onnx" and path.is_file() else _kind_of(path)
        if what in ("", "an archive of streamrnn") or "not a streamrnn archive" not in str(error):
            raise
        importable = path.suffix.lower() in (".onnx", *EXTENSIONS)
        remedy = f"`streamrnn import {path}` makes one from it" if importable else "`streamrnn import` makes archives"
        raise ArchiveError(f"{path}: is {what}, not a streamrnn archive; {remedy}") from None


def check_is_file(path: Path) -> None:
    """Raise ConversionError if a source is a directory."""
    if path.is_dir():
        raise ConversionError(f"{path}: cannot be read (it is {seems_to_be(path)}); name the file of a model")


def check_is_graph(path: Path) -> None:
    """Raise ConversionError for a file that is certainly no ONNX model, with what it seems to be."""
    check_is_file(path)
    what = _kind_of(path)
    if what:
        raise ConversionError(
            f"{path}: is {what}, not an ONNX model, a checkpoint or a model file ({', '.join(EXTENSIONS)}); "
            "export the trained model to ONNX, or save its weights in one of these formats"
        )


def _kind_of(path: Path) -> str:
    try:
        return seems_to_be(path) if path.is_file() else ""
    except OSError:
        return ""


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

"""Imports mutants, as a process of its own: numbers on standard input, one line of what became of each on standard output.

"imported" also means that a stream of the model took steps, or refused them by an error of ours.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from streamrnn import ConversionError, Model, Stream, StreamRNNError, run_offline
from streamrnn_converters import from_file, from_onnx
from tests.fuzz.mutants import mutant

_MOST_MEMORY = 6 << 30  # bytes of addresses; a mutant that wants more shall fail here, not bring the machine down
_MOST_VALUES = 1 << 20  # of a model that is tried: packing large ones is slow, and proves no more


def outcome(extension: str, data: bytes) -> str:
    """ "refused", "imported", or what should not have been."""
    try:
        model = _imported(data) if extension == ".onnx" else _read(extension, data)
    except StreamRNNError as error:
        return "refused" if len(str(error)) < 4000 else f"failed: an error of {len(str(error))} characters"
    except MemoryError:
        return "failed: MemoryError"
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:500]
    try:
        return _tried(model)
    except Exception as error:
        return f"failed: imported, but {type(error).__name__}: {error}"[:500]


def _imported(data: bytes) -> Model:
    """What the bytes are to a stream, or else to a recording."""
    try:
        return from_onnx(data)
    except ConversionError:
        return from_onnx(data, offline=True)


def _read(extension: str, data: bytes) -> Model:
    """The model in a file of another format."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mutant{extension}"
        path.write_bytes(data)
        return from_file(path)


def _tried(model: Model) -> str:
    if model.n_parameters > _MOST_VALUES or model.stride * model.input_size > _MOST_VALUES:
        return "imported"
    x = np.zeros((2 * model.stride, model.input_size), model.dtype)
    try:
        y = Stream(model).process(x) if model.streamable else run_offline(model, x)
    except StreamRNNError:
        return "imported"
    return "imported" if y.shape == (2, model.output_size) else f"failed: a step gives {y.shape}"


def main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        told = " ".join(outcome(*mutant(int(line))).split())
        print(told.encode("ascii", "backslashreplace").decode(), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""The package as a whole: what it promises by name, and what it must not load. Holds for a source tree and for a wheel."""

import builtins
import importlib.metadata
import inspect
import re
import subprocess
import sys
from typing import Any

import pytest

import streamrnn
from streamrnn import errors

PUBLIC = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Affine",
    "ArchiveError",
    "Arithmetic",
    "Bank",
    "Concat",
    "Conv1d",
    "ConversionError",
    "Delay",
    "Dense",
    "Depthwise",
    "DeviceError",
    "Embedding",
    "Frame",
    "InputError",
    "Layer",
    "LayerNorm",
    "MissingExtraError",
    "Model",
    "ModelError",
    "NonFiniteInputError",
    "NonFiniteStateError",
    "PRelu",
    "Pointwise",
    "Reduce",
    "Reverse",
    "Rows",
    "Scan",
    "Select",
    "SnapshotError",
    "Softmax",
    "StateOutput",
    "StateStore",
    "StoreError",
    "Stream",
    "StreamBusyError",
    "StreamPool",
    "StreamRNNError",
    "Trace",
    "VerificationError",
    "Where",
    "__version__",
    "audio",
    "cell",
    "compiled",
    "export_c",
    "functions",
    "gate_blocks",
    "load",
    "quantize",
    "record_gates",
    "run_equations",
    "run_offline",
    "warm_up",
]
ERRORS = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
NOT_AT_ONCE = ["numba", "numba_cuda", "onnx", "onnxruntime", "rich", "sqlite3", "streamrnn_converters", "torch", "typer"]


def test_public_names_are_these() -> None:
    assert streamrnn.__all__ == PUBLIC


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "__version__"])
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(streamrnn, name).__doc__


def test_nothing_public_is_left_out_of_all() -> None:
    assert {name for name in ERRORS if not name.startswith("_")} <= set(streamrnn.__all__)


@pytest.mark.parametrize("name", NOT_AT_ONCE)
def test_import_loads_neither_compiler_nor_other_frameworks(name: str, loaded_by_import: set[str]) -> None:
    assert name not in loaded_by_import


def test_import_is_seen_by_the_check_above(loaded_by_import: set[str]) -> None:
    assert {"streamrnn", "numpy"} <= loaded_by_import


def functions_of(name: str) -> list[Any]:
    value = getattr(streamrnn, name)
    return (
        [getattr(value, method) for method in dir(value) if not method.startswith("_")] if inspect.isclass(value) else [value]
    )


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ("__version__", "audio", "functions")])
def test_help_shows_the_names_of_types_not_what_they_stand_for(name: str) -> None:
    for function in filter(inspect.isfunction, functions_of(name)):
        assert "_typing" not in str(inspect.signature(function)), function


def test_help_for_a_step_is_short() -> None:
    assert str(inspect.signature(streamrnn.Stream.step)) == "(self, x: 'ArrayLike', out: 'Array | None' = None) -> 'Array'"


def test_import_alone_loads_next_to_nothing_and_the_names_are_there_all_the_same() -> None:
    code = (
        "import sys, streamrnn; print('numpy' in sys.modules, 'Stream' in dir(streamrnn)); "
        "print(streamrnn.functions.__name__, streamrnn.errors.__name__, streamrnn.Stream.__name__); "
        "print(hasattr(streamrnn, 'no_name'))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False True\nstreamrnn.functions streamrnn.errors Stream\nFalse\n"


@pytest.fixture(scope="module")
def loaded_by_import() -> set[str]:
    """The top-level packages that are loaded after `from streamrnn import *` in a new process."""
    code = "from streamrnn import *; import sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {module.partition(".")[0] for module in result.stdout.split()}


def test_version_is_the_one_of_the_metadata() -> None:
    assert streamrnn.__version__ == importlib.metadata.version("streamrnn")


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_a_streamrnn_error(name: str) -> None:
    assert issubclass(ERRORS[name], streamrnn.StreamRNNError)


def test_the_drawn_tree_is_the_tree_of_the_errors() -> None:
    """A line of the tree: an indent, the name, what it says, and the builtin that the class derives from too."""
    ancestors = ["Exception"]
    drawn = {}
    for line in inspect.getdoc(errors).splitlines():
        match = re.fullmatch(r"((?:[│├└─ ]{4})*)(\w+Error)(?: .*?)?(?:\(also an? (\w+)\))?", line)
        if match:
            indent, name, also = match.groups()
            depth = len(indent) // 4 + 1
            drawn[name] = (ancestors[depth - 1], *([also] if also else []))
            ancestors[depth:] = [name]
    assert drawn == {name: tuple(base.__name__ for base in error.__bases__) for name, error in ERRORS.items()}
    assert all(hasattr(builtins, also) for _, *bases in drawn.values() for also in bases)

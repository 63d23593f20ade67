"""A checkpoint gives the same model as the module itself, in the type that is asked for; what does not fit is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamrnn import ConversionError, Stream
from streamrnn.command.source_file import CHECKPOINTS
from streamrnn_converters import from_checkpoint, from_torch
from streamrnn_converters.checkpoints import EXTENSIONS, read_checkpoint
from tests.converters.checkpoints.state_dicts import LAYERS, NETWORK, written
from tests.models import one_width  # noqa: F401  (a fixture)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_checkpoint_gives_the_model_that_its_state_dict_gives(extension: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"net{extension}", NETWORK)
    model = from_checkpoint(path, LAYERS)
    assert model.fingerprint == from_torch(NETWORK, LAYERS).fingerprint
    assert model.notes["source"]["layers"] == ["lstm:rnn", "dense:head"]
    assert str(tmp_path) not in str(model.notes)


def test_the_command_knows_the_same_extensions() -> None:
    assert CHECKPOINTS == EXTENSIONS


def test_a_stream_of_a_checkpoint_gives_what_torch_gives(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        rnn, head = torch.nn.GRU(3, 6, num_layers=2), torch.nn.Linear(6, 2)
        x = torch.randn(50, 3)
        expected = head(rnn(x)[0]).numpy()
    network = torch.nn.ModuleDict({"rnn": rnn, "head": head})
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, tmp_path / "net.ckpt")
    assert np.abs(Stream(from_checkpoint(tmp_path / "net.ckpt")).process(x.numpy()) - expected).max() <= 5e-6


@pytest.mark.parametrize("extension", [".safetensors", ".pt", ".npz"])
@pytest.mark.parametrize(
    ("stored", "dtype", "remark"),
    [
        ("float16", None, "float16 weights converted to float32, without loss"),
        ("float16", "float64", "float16 weights converted to float64, without loss"),
        ("float32", None, None),
        ("float32", "float64", "float32 weights converted to float64, without loss"),
        ("float64", None, "float64 weights rounded to float32; --dtype float64 keeps them"),
        ("float64", "float64", "float64 weights kept: the compute precision is float64"),
    ],
)
def test_types_are_converted_or_kept_and_said(
    extension: str, stored: str, dtype: str | None, remark: str | None, tmp_path: Path
) -> None:
    state = {name: (value.astype(np.float64) / 3).astype(stored) for name, value in NETWORK.items()}
    found = read_checkpoint(written(tmp_path / f"net{extension}", state), LAYERS, dtype)
    assert found.model.dtype == (dtype or "float32")
    assert found.remarks == (() if remark is None else (remark,))
    np.testing.assert_array_equal(found.model.layers[1].tensors()["weights"], state["head.weight"].astype(dtype or np.float32))


@pytest.mark.parametrize(
    ("name", "make"), [("net.pt", None), ("net.safetensors", Path.mkdir), ("net.h5", Path.touch), ("a\0b.pt", None)]
)
def test_what_cannot_be_read_is_refused_by_its_name(name: str, make: Callable[[Path], None] | None, tmp_path: Path) -> None:
    if make is not None:
        make(tmp_path / name)
    with pytest.raises(ConversionError, match=r"net\.|a\\x00b"):
        from_checkpoint(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe with a name")
def test_a_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.npz")
    with pytest.raises(ConversionError, match=r"net\.npz: cannot be read \(it is not a regular file\)"):
        from_checkpoint(tmp_path / "net.npz")


@pytest.mark.parametrize(
    ("layers", "dtype", "where"),
    [
        ("conv:rnn", None, r"net\.npz"),
        (LAYERS, "float16", "dtype: 'float16' is not one of"),
        ("", None, r"net\.npz"),
        ("gru:rnn, dense:head", None, r"net\.npz"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(layers: str, dtype: str | None, where: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.npz", NETWORK)
    with pytest.raises(ConversionError, match=where):
        from_checkpoint(path, layers, dtype)


@pytest.mark.parametrize("extension", [".safetensors", ".npz", ".pt"])
def test_no_file_needs_torch_or_onnx(extension: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"net{extension}", NETWORK)
    code = (
        "import sys; sys.modules.update(torch=None, onnx=None, ml_dtypes=None)\n"
        "from streamrnn_converters import from_checkpoint; print(from_checkpoint(sys.argv[1]).output_size)"
    )
    command = [sys.executable, "-c", code, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "2\n"

"""Files of weights: every type is read bit by bit, a damaged file is an error, and nothing in a file is ever executed."""

import io
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError, Model, Stream, StreamRNNError
from streamrnn_converters import from_checkpoint
from streamrnn_converters.checkpoints import read_checkpoint
from tests.converters.checkpoints.state_dicts import NETWORK, written
from tests.models import dense, gru


@pytest.mark.parametrize("extension", [".safetensors", ".pt"])
def test_bfloat16_is_converted_bit_by_bit(extension: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="has bfloat16")
    safetensors = pytest.importorskip("safetensors.torch", reason="writes bfloat16")
    values = torch.arange(0, 2**15, 257, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    weight = values[torch.isfinite(values)][:120].reshape(10, 12).clone()
    path = tmp_path / f"net{extension}"
    (safetensors.save_file if extension == ".safetensors" else torch.save)({"weight": weight}, path)
    found = read_checkpoint(path, "dense:")
    np.testing.assert_array_equal(found.model.layers[0].tensors()["weights"], weight.float().numpy())
    assert found.remarks == ("bfloat16 weights converted to float32, without loss",)


class Unsafe:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["pickle", "torch", "torch before 1.6", "module", "script"])
def test_what_would_have_to_be_executed_is_refused_and_not_executed(how: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="reads and writes the files")
    path, trace = tmp_path / "net.pt", tmp_path / "trace"
    if how == "pickle":
        path.write_bytes(pickle.dumps({"weight": Unsafe(trace)}, 2))
    elif how == "script":
        script(torch, path)
    else:
        content = torch.nn.Linear(2, 3) if how == "module" else {"weight": torch.ones(2, 3), "other": Unsafe(trace)}
        torch.save(content, path, _use_new_zipfile_serialization=how != "torch before 1.6")
    with pytest.raises(ConversionError) as refused:
        from_checkpoint(path)
    assert not trace.exists()
    text = str(refused.value)
    assert str(path) in text
    assert "code" in text
    assert "torch.save(model.state_dict()" in text
    assert "weights_only" not in text


def script(torch: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)


def damaged_files(data: bytes) -> dict[str, bytes]:
    """Truncated, garbled, and of another format."""
    rng = np.random.default_rng(0)
    cut = {f"cut at {size}": data[:size] for size in [0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]}
    noise = {f"noise {n}": rng.bytes(int(rng.integers(1, 2000))) for n in range(10)}
    flipped = {}
    for n in range(60):
        altered = bytearray(data)
        altered[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        flipped[f"flipped {n}"] = bytes(altered)
    return cut | noise | flipped | {"zeros": bytes(1000), "text": b"weights\n" * 50, "pickle": pickle.dumps([{}], 2)}


@pytest.mark.parametrize("extension", [".safetensors", ".pt", ".npz"])
def test_a_damaged_file_is_an_error_that_names_it_or_a_model_and_never_anything_else(extension: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"net{extension}", NETWORK)
    whole = from_checkpoint(path).fingerprint
    complaints = []
    for what, data in damaged_files(path.read_bytes()).items():
        path.write_bytes(data)
        try:
            model = from_checkpoint(path)
        except StreamRNNError as error:
            complaints.append(str(error))
        else:
            assert isinstance(model, Model)
            if extension != ".safetensors":  # which has no checksums
                assert model.fingerprint == whole, what
    assert len(complaints) >= 21
    assert all(str(path) in complaint for complaint in complaints)


def test_a_tensor_that_claims_more_numbers_than_there_are_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="writes such a file")
    torch.save({"weight": torch.zeros(1).expand(10**7, 10**7)}, tmp_path / "net.pt")
    with pytest.raises(ConversionError, match=r"'weight': claims more numbers"):
        from_checkpoint(tmp_path / "net.pt")
    header = b'{"weight":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}}'
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ConversionError, match="not a whole safetensors file"):
        from_checkpoint(tmp_path / "net.safetensors")


def test_a_file_that_unpacks_to_more_than_its_size_is_refused_unread(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/0", bytes(1 << 25))
    with pytest.raises(ConversionError, match="claims to unpack to 33554432 bytes, far more than its own size"):
        from_checkpoint(tmp_path / "net.pt")


def test_an_archive_of_ours_is_said_to_be_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Model([gru(rng, 2, 3), dense(rng, 3, 1)]).save(tmp_path / "net.safetensors")
    with pytest.raises(ConversionError, match="archive of streamrnn already"):
        from_checkpoint(tmp_path / "net.safetensors")


def test_an_npz_of_objects_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, weight=np.array([Unsafe(tmp_path / "trace")], object))
    (tmp_path / "net.npz").write_bytes(file.getvalue())
    with pytest.raises(ConversionError, match=r"'weight': not a plain array \(it holds object values\)"):
        from_checkpoint(tmp_path / "net.npz")
    assert not (tmp_path / "trace").exists()


def test_a_torchscript_program_is_called_one(tmp_path: Path) -> None:
    """As torch.jit.save writes it: its code is compressed, which torch.save never does."""
    with zipfile.ZipFile(tmp_path / "net.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("net/data.pkl", b"\x80\x02}.")
        file.writestr("net/code/__torch__.py", "class Net(Module):\n" * 1000)
        file.writestr("net/constants.pkl", b"\x80\x02).")
    with pytest.raises(
        ConversionError, match=r"net\.pt: is a TorchScript program, .* save its weights alone.* export it to ONNX"
    ):
        from_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize("how", ["script", "trace"])
def test_both_ways_that_are_told_of_a_torchscript_program_lead_to_its_model(how: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="writes and reads TorchScript")
    pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
    from streamrnn_converters import from_onnx

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = torch.nn.LSTM(3, 5, batch_first=True), torch.nn.Linear(5, 2)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(1, 12, 3)
    right = net(x)[0].detach().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(net) if how == "script" else torch.jit.trace(net, x), tmp_path / "net.pt")
        with pytest.raises(ConversionError, match=r"torch\.jit\.load\(path\).*dynamo=False"):
            from_checkpoint(tmp_path / "net.pt")
        loaded = torch.jit.load(tmp_path / "net.pt")
        torch.save(loaded.state_dict(), tmp_path / "weights.pt")
        torch.onnx.export(loaded, (x,), tmp_path / "model.onnx", dynamo=False)
    for model in (from_checkpoint(tmp_path / "weights.pt"), from_onnx(tmp_path / "model.onnx")):
        assert np.abs(Stream(model).process(x[0].numpy()) - right).max() <= 1e-6

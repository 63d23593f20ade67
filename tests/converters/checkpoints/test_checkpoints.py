"""Checkpoints: the same model as from the module itself, a guess only where one answer fits, and nothing is ever executed."""

import io
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from streamrnn import ConversionError, MissingExtraError, Model, Stream, StreamRNNError
from streamrnn.command.proving.checkpoint import EXTENSIONS as EXTENSIONS_OF_THE_COMMAND
from streamrnn_converters import from_checkpoint, from_torch
from streamrnn_converters.checkpoints import EXTENSIONS, read_checkpoint
from tests.models import dense, gru, one_width  # noqa: F401  (one_width is a fixture)

State = dict[str, Any]
LAYERS = "lstm:rnn, dense:head"


def recurrent(kind: str, inputs: int, hidden: int, prefix: str = "", suffix: str = "_l0", seed: int = 0) -> State:
    rows = {"lstm": 4, "gru": 3, "rnn": 1}[kind] * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    rng = np.random.default_rng(seed)
    return {f"{prefix}{name}{suffix}": rng.normal(size=shape).astype(np.float32) / 2 for name, shape in shapes.items()}


def linear(inputs: int, outputs: int, prefix: str = "") -> State:
    rng = np.random.default_rng(1)
    shapes = {"weight": (outputs, inputs), "bias": (outputs,)}
    return {f"{prefix}{name}": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


NETWORK = linear(4, 2, "head.") | recurrent("lstm", 3, 4, "rnn.")


def written(path: Path, state: Any) -> Path:
    """In the format of the path's extension; .pt takes any checkpoint."""
    if path.suffix == ".npz":
        np.savez(path, **state)
    elif path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch = pytest.importorskip("torch", reason="writes the checkpoint, and reads it")
        torch.save(with_tensors(state), path)
    return path


def with_tensors(value: Any) -> Any:
    torch = pytest.importorskip("torch", reason="makes tensors")
    if isinstance(value, dict):
        return {name: with_tensors(item) for name, item in value.items()}
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_checkpoint_gives_the_model_that_its_state_dict_gives(extension: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"net{extension}", NETWORK)
    model = from_checkpoint(path, LAYERS)
    assert model.fingerprint == from_torch(NETWORK, LAYERS).fingerprint
    assert model.notes["source"]["layers"] == ["lstm:rnn", "dense:head"]
    assert str(tmp_path) not in str(model.notes)


def test_the_command_knows_the_same_extensions() -> None:
    assert EXTENSIONS_OF_THE_COMMAND == EXTENSIONS


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


@pytest.mark.parametrize(
    ("state", "layers"),
    [
        (NETWORK, "lstm:rnn, dense:head"),
        (recurrent("gru", 3, 4), "gru:"),
        (recurrent("lstm", 3, 4, "cell.", ""), "lstm:cell"),
        (linear(3, 4, "only."), "dense:only"),
        (linear(3, 5, "z.") | recurrent("gru", 5, 4, "a.") | recurrent("lstm", 4, 6, "m.") | linear(6, 1, "b."),
         "dense:z, gru:a, lstm:m, dense:b"),
        (recurrent("gru", 3, 4, "r.") | recurrent("gru", 4, 4, "r.", "_l1"), "gru:r"),
    ],
)  # fmt: skip
def test_layers_are_guessed_where_sizes_leave_one_order_and_the_guess_is_said(
    state: State, layers: str, tmp_path: Path
) -> None:
    found = read_checkpoint(written(tmp_path / "net.safetensors", state))
    assert found.model.fingerprint == from_torch(state, layers).fingerprint
    assert f'guessed: {layers}; say --layers "…" to overrule' in found.remarks
    assert any("functions after its Linear" in remark for remark in found.remarks) == ("dense" in layers)
    described = read_checkpoint(tmp_path / "net.safetensors", layers)
    assert described.remarks == ()
    assert described.model.fingerprint == found.model.fingerprint


UNTOLD: dict[str, tuple[State, list[str]]] = {
    "two orders": (recurrent("lstm", 4, 4, "a.") | linear(4, 4, "b."), ['"lstm:a, dense:b"', '"dense:b, lstm:a"']),
    "a circle": (recurrent("lstm", 3, 8, "a.") | recurrent("gru", 8, 3, "b."), ["more than one order", '"lstm:a, gru:b"']),
    "no order": (recurrent("lstm", 3, 4, "a.") | linear(5, 2, "b."), ["lstm 'a': 3 to 4", "dense 'b': 5 to 2", "--layers"]),
    "tanh or relu": (recurrent("rnn", 3, 4, "a.") | linear(4, 2, "b."), ['"rnn:a, dense:b" for tanh', '"rnn:a:relu, dense:b"']),
    "between two linears": (NETWORK | linear(2, 7, "out."), ["dense 'head' and dense 'out'", "dense:head:relu, dense:out"]),
    "an embedding": (recurrent("gru", 3, 4) | {"embed.weight": np.ones((9, 3), np.float32)}, ["'embed.weight'", "embedding"]),
    "too many": ({k: v for n in range(9) for k, v in linear(n + 1, n + 2, f"{n}.").items()}, ["9 modules", "--layers"]),
    "something else beside": (NETWORK | {"norm.weight": np.ones(4, np.float32)}, ["not used", "'norm.weight'"]),
    "bidirectional": (recurrent("gru", 3, 4) | recurrent("gru", 3, 4, suffix="_l0_reverse"), ["bidirectional=False"]),
    "rows of no kind": ({"weight_ih_l0": np.ones((10, 3)), "weight_hh_l0": np.ones((10, 5))}, ["(10, 3)", "LSTM, GRU nor RNN"]),
    "no input weights": ({"weight_hh_l0": np.ones((8, 2))}, ["'weight_ih_l0'", "()"]),
    "no weights": ({"running_mean": np.ones(3)}, ["no weights", "'running_mean'"]),
    "NaN": (NETWORK | {"head.bias": np.float32([1, np.nan])}, ["'head.bias'", "NaN"]),
    "integers": ({"weight": np.ones((2, 3), np.int8)}, ["'weight'", "I8"]),
}  # fmt: skip


@pytest.mark.parametrize("what", UNTOLD)
def test_what_names_and_shapes_do_not_tell_is_asked_for(what: str, tmp_path: Path) -> None:
    state, words = UNTOLD[what]
    path = written(tmp_path / "net.safetensors", state)
    with pytest.raises(ConversionError) as refused:
        read_checkpoint(path)
    assert all(word in str(refused.value) for word in [str(path), *words]), refused.value


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module.model."])
def test_a_prefix_of_all_names_is_left_out_and_said(prefix: str, tmp_path: Path) -> None:
    state = {prefix + name: value for name, value in NETWORK.items()}
    path = written(tmp_path / "net.npz", state)
    for layers in (LAYERS, None):
        found = read_checkpoint(path, layers)
        assert found.model.fingerprint == from_torch(NETWORK, LAYERS).fingerprint
        assert f"all names begin with {prefix!r}, which is left out" in found.remarks
    whole = read_checkpoint(path, f"lstm:{prefix}rnn, dense:{prefix}head")
    assert (whole.model.fingerprint, whole.remarks) == (found.model.fingerprint, ())


@pytest.mark.parametrize("keys", [["state_dict"], ["model"], ["ema", "shadow"], ["a", "b", "c", "d"]])
def test_a_nested_checkpoint_is_looked_into_where_one_place_holds_weights(keys: list[str], tmp_path: Path) -> None:
    checkpoint: Any = NETWORK
    for key in reversed(keys):
        checkpoint = {key: checkpoint, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}, "param_groups": []}}
    found = read_checkpoint(written(tmp_path / "net.pt", checkpoint))
    assert found.model.fingerprint == from_torch(NETWORK, LAYERS).fingerprint
    where = "checkpoint" + "".join(f"[{key!r}]" for key in keys)
    assert f"weights taken from {where}; not used: 'epoch', 'optimizer'" in found.remarks


NESTED: dict[str, tuple[Any, list[str]]] = {
    "two places": ({"model": NETWORK, "ema": NETWORK}, ["2 entries", "checkpoint['model']", "checkpoint['ema']"]),
    "no place": ({"epoch": 3, "optimizer": {}}, ["'epoch', 'optimizer'", "state_dict()"]),
    "a list": ([1, 2], ["list", "state_dict()"]),
    "a number": (3, ["int"]),
    "nothing": ({}, ["nothing"]),
    "a name that is none": ({"weight": np.ones((2, 2)), 3: np.ones(2)}, ["3"]),
    "something that is no tensor": (linear(2, 2) | {"epoch": 3}, ["'epoch'"]),
}


@pytest.mark.parametrize("what", NESTED)
def test_a_checkpoint_of_several_or_no_weights_is_refused(what: str, tmp_path: Path) -> None:
    checkpoint, words = NESTED[what]
    path = written(tmp_path / "net.pt", checkpoint)
    with pytest.raises(ConversionError) as refused:
        read_checkpoint(path)
    assert all(word in str(refused.value) for word in [str(path), *words]), refused.value


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
    """What runs a command where it is unpickled."""

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
    cut = {f"cut at {place}": data[:place] for place in [0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]}
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
    pytest.importorskip("torch", reason="would read such a file")
    with zipfile.ZipFile(tmp_path / "net.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/0", bytes(10**7))
    with pytest.raises(ConversionError, match="more than its own size"):
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
    with pytest.raises(ConversionError, match=r"\.npz of plain arrays"):
        from_checkpoint(tmp_path / "net.npz")
    assert not (tmp_path / "trace").exists()


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
    ("layers", "dtype"), [("conv:rnn", None), (LAYERS, "float16"), ("", None), ("gru:rnn, dense:head", None)]
)
def test_a_description_that_does_not_fit_is_refused(layers: str, dtype: str | None, tmp_path: Path) -> None:
    path = written(tmp_path / "net.npz", NETWORK)
    with pytest.raises(ConversionError, match=r"net\.npz"):
        from_checkpoint(path, layers, dtype)


def test_without_torch_its_files_name_the_extra_and_others_need_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.pt").write_bytes(b"")
    (tmp_path / "net.safetensors").write_bytes(save(NETWORK))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streamrnn\[torch\]'"):
        from_checkpoint(tmp_path / "net.pt")
    code = (
        "import sys; sys.modules.update(torch=None, onnx=None, ml_dtypes=None)\n"
        "from streamrnn_converters import from_checkpoint; print(from_checkpoint(sys.argv[1]).output_size)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "net.safetensors")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "2\n"

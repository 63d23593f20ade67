"""Archives: a whole and unaltered file gives the same model; any other is refused, naming the tensor if it is one."""

import hashlib
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ArchiveError, Dense, Model, load
from streamrnn.archive import replace_file
from tests.models import ALL, VARIANTS, mixed, model

HASH = re.compile(rb'\\"content_sha256\\": \\"([0-9a-f]{64})\\"')
DTYPES = {"float32": "F32", "float64": "F64", "float16": "F16", "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL"}

Header = dict[str, Any]


def parts(data: bytes) -> tuple[Header, Header, bytes]:
    """The header without its metadata, our description, and the bytes of the tensors, of a safetensors file."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    return header, json.loads(header.pop("__metadata__")["streamrnn"]), data[8 + size :]


def signed(header: Header, description: Header | str, body: bytes, metadata: Header | None = None) -> bytes:
    """A file of these parts whose SHA-256 is right: only its content can be refused."""
    if not isinstance(description, str):
        description = json.dumps(description | {"content_sha256": "0" * 64})
    text = json.dumps({"__metadata__": {"streamrnn": description} | (metadata or {})} | header).encode()
    text += b" " * (-len(text) % 8)
    blank = struct.pack("<Q", len(text)) + text + body
    place = HASH.search(blank)
    assert place is not None
    blank = blank[: place.start(1)] + b"0" * 64 + blank[place.end(1) :]
    return blank[: place.start(1)] + hashlib.sha256(blank).hexdigest().encode() + blank[place.end(1) :]


def with_tensors(tensors: dict[str, Any], description: Header) -> bytes:
    """A signed file of any tensors."""
    header, body = {}, b""
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": DTYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + tensor.nbytes],
        }
        body += tensor.tobytes()
    return signed(header, description, body)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The archive of a tiny model, options and notes included."""
    path = tmp_path / "small.safetensors"
    model("rnn-with-everything", inputs=1, hidden=1).with_notes({"source": "a test"}).save(path)
    return path


@pytest.fixture
def lstm(tmp_path: Path) -> Path:
    path = tmp_path / "lstm.safetensors"
    model("lstm-with-everything", hidden=4).save(path)
    return path


def read_tensors(path: Path) -> dict[str, Any]:
    header, _, body = parts(path.read_bytes())
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
    }


@pytest.mark.parametrize("variant", ALL)
@pytest.mark.parametrize("hidden", [1, 9])
def test_a_round_trip_keeps_the_model(variant: str, hidden: int, tmp_path: Path) -> None:
    whole = model(variant, hidden=hidden).with_notes({"proof": [1.5, "é", None]})
    whole.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.fingerprint == whole.fingerprint
    assert again.notes == whole.notes
    for mine, its in zip(whole.layers, again.layers, strict=True):
        assert mine.options() == its.options()
        for name, tensor in mine.tensors().items():
            np.testing.assert_array_equal(its.tensors()[name], tensor)


def test_a_round_trip_keeps_a_deep_model_of_mixed_kinds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    deep = Model([*mixed().layers, *(VARIANTS[name](rng, 4, 4, 1.0) for name in ["gru-reset-after", "rnn-tanh"] * 6)])
    deep.save(str(tmp_path / "deep"))
    assert load(str(tmp_path / "deep")).fingerprint == deep.fingerprint


def test_saving_the_same_model_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        mixed().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_helper_that_signs_reproduces_a_readable_archive(small: Path) -> None:
    expected = load(small).fingerprint
    small.write_bytes(signed(*parts(small.read_bytes())))
    assert load(small).fingerprint == expected


def test_any_flipped_bit_is_refused(small: Path) -> None:
    whole = small.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            altered = bytearray(whole)
            altered[place] ^= 1 << bit
            small.write_bytes(altered)
            with pytest.raises(ArchiveError):
                load(small)


def test_any_truncation_and_any_tail_is_refused(small: Path) -> None:
    whole = small.read_bytes()
    for altered in [*(whole[:size] for size in range(len(whole))), whole + b"\0", whole + whole]:
        small.write_bytes(altered)
        with pytest.raises(ArchiveError, match="small"):
            load(small)


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_refused(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "garbage"
    size = int(rng.integers(0, 2000))
    path.write_bytes(struct.pack("<Q", int(rng.integers(0, 3000))) * (seed % 2) + rng.bytes(size))
    with pytest.raises(ArchiveError, match="garbage"):
        load(path)


def test_a_file_that_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    for path in tmp_path / "missing", tmp_path, tmp_path / "missing" / "model":
        with pytest.raises(ArchiveError, match=re.escape(str(path))):
            load(path)


@pytest.mark.parametrize("path", ["a\0b", "", None, 3.5, ["model"]], ids=repr)
def test_what_is_not_a_path_is_refused(path: object) -> None:
    with pytest.raises(ArchiveError):
        load(path)  # type: ignore[arg-type]
    with pytest.raises(ArchiveError):
        model("lstm").save(path)  # type: ignore[arg-type]


def test_a_safetensors_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ArchiveError, match="not a streamrnn archive"):
        load(path)


# --- rightly signed, but hostile -------------------------------------------------------------------------------------


TENSORS = ["input_weights", "recurrent_weights", "bias", "peepholes", "projection", "initial_hidden", "initial_cell"]
SPOILERS: dict[str, Callable[[Any], Any]] = {
    "one axis more": lambda tensor: tensor[None],
    "one axis less": lambda tensor: tensor.ravel() if tensor.ndim > 1 else tensor.sum(keepdims=True)[0],
    "one value more": lambda tensor: np.concatenate([tensor, tensor[:1]]),
    "empty": lambda tensor: tensor[:0],
    "NaN": lambda tensor: np.where(np.arange(tensor.size).reshape(tensor.shape) == tensor.size - 1, np.nan, tensor),
    "infinity": lambda tensor: np.where(np.arange(tensor.size).reshape(tensor.shape) == 0, -np.inf, tensor),
}


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("name", TENSORS)
def test_a_spoiled_tensor_is_refused_by_name(name: str, spoil: str, lstm: Path) -> None:
    _, description, _ = parts(lstm.read_bytes())
    tensors = read_tensors(lstm)
    tensors[f"0.{name}"] = SPOILERS[spoil](tensors[f"0.{name}"]).astype(np.float32)
    lstm.write_bytes(with_tensors(tensors, description))
    # projection and recurrent_weights share the size P: either may be the one that does not fit
    named = "(projection|recurrent_weights)" if name in ("projection", "recurrent_weights") else name
    with pytest.raises(ArchiveError, match=f"layer 0: lstm layer, {named}"):
        load(lstm)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "int64", "uint8", "bool"])
def test_a_tensor_of_another_type_than_float32_is_refused_by_name(dtype: str, lstm: Path) -> None:
    _, description, _ = parts(lstm.read_bytes())
    tensors = read_tensors(lstm)
    tensors["0.bias"] = tensors["0.bias"].astype(dtype)
    lstm.write_bytes(with_tensors(tensors, description))
    with pytest.raises(ArchiveError, match="bias"):
        load(lstm)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "U16", "X9"])
def test_a_tensor_of_a_type_that_numpy_does_not_have_is_refused(dtype: str, lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    begin, end = header["0.bias"]["data_offsets"]
    size = 1 if dtype.startswith("F8") else 2
    header["0.bias"] = {"dtype": dtype, "shape": [(end - begin) // size], "data_offsets": [begin, end]}
    lstm.write_bytes(signed(header, description, body))
    with pytest.raises(ArchiveError, match="lstm"):
        load(lstm)


@pytest.mark.parametrize("name", ["input_weights", "recurrent_weights"])
def test_a_missing_tensor_is_refused_by_name(name: str, lstm: Path) -> None:
    _, description, _ = parts(lstm.read_bytes())
    tensors = read_tensors(lstm)
    del tensors[f"0.{name}"]
    lstm.write_bytes(with_tensors(tensors, description))
    with pytest.raises(ArchiveError, match=name):
        load(lstm)


@pytest.mark.parametrize(
    "name",
    ["0.gamma", "1.bias", "-1.bias", "00.bias", " 0.bias", "0_0.bias", "٠.bias", "bias", "", ".bias", "0.", "0", "0.bias.x",
     "0.clip", "0.form", "0.kind", "0.coupled", "0.activations", "0.pack", "0.__class__"],
)  # fmt: skip
def test_a_tensor_that_no_layer_has_is_refused_by_name(name: str, lstm: Path) -> None:
    _, description, _ = parts(lstm.read_bytes())
    tensors = read_tensors(lstm) | {name: np.ones((4, 4), np.float32)}
    lstm.write_bytes(with_tensors(tensors, description))
    with pytest.raises(ArchiveError, match=re.escape(repr(name))):
        load(lstm)


def deep(levels: int) -> Any:
    return json.loads("[" * levels + "]" * levels)


WRONG_OPTIONS: dict[str, Any] = {
    "clip is text": {"clip": "1"},
    "clip is negative": {"clip": -1.0},
    "clip is a list": {"clip": [1.0]},
    "coupled is a number": {"coupled": 1},
    "activations are one name": {"activations": "tanh"},
    "activations are too few": {"activations": [{"name": "tanh"}]},
    "an activation is unknown": {"activations": [{"name": "swish"}] * 3},
    "an activation is a number": {"activations": [1, 2, 3]},
    "an activation has no name": {"activations": [{"alpha": 1.0}] * 3},
    "an activation has more": {"activations": [{"name": "tanh", "gamma": 1}] * 3},
    "an activation's parameter is text": {"activations": [{"name": "elu", "alpha": "1"}] * 3},
    "an activation's name is a list": {"activations": [{"name": ["tanh"]}] * 3},
    "an option is unknown": {"gamma": 1},
    "an option is deep": {"clip": deep(500)},
    "a weight is an option": {"bias": [[1.0] * 4] * 4},
}


@pytest.mark.parametrize("options", WRONG_OPTIONS)
def test_a_wrong_option_is_refused(options: str, lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    description["layers"][0]["options"] |= WRONG_OPTIONS[options]
    lstm.write_bytes(signed(header, description, body))
    with pytest.raises(ArchiveError, match="layer 0"):
        load(lstm)


WRONG_DESCRIPTIONS: dict[str, Any] = {
    "format 99": {"format": 99},
    "format 0": {"format": 0},
    "format is text": {"format": "1"},
    "format is missing": {"format": ...},
    "layers are missing": {"layers": ...},
    "layers are none": {"layers": []},
    "layers are an object": {"layers": {"kind": "lstm"}},
    "layers are a number": {"layers": 3},
    "layers are text": {"layers": "lstm"},
    "layers are null": {"layers": [None]},
    "a layer is a list": {"layers": [["lstm"]]},
    "a layer has no kind": {"layers": [{"options": {}}]},
    "a layer has no options": {"layers": [{"kind": "lstm"}]},
    "a kind is unknown": {"layers": [{"kind": "transformer", "options": {}}]},
    "a kind is a list": {"layers": [{"kind": ["lstm"], "options": {}}]},
    "options are a list": {"layers": [{"kind": "lstm", "options": []}]},
    "one layer too many": {"layers": [{"kind": "lstm", "options": {}}] * 2},
    "notes are missing": {"notes": ...},
    "notes are a number": {"notes": 3},
    "notes are text": {"notes": "proven"},
    "a member is unknown": {"cuts": [1]},
}


@pytest.mark.parametrize("where", ["layer 0", "its metadata", "its description"])
def test_what_is_not_understood_is_refused_by_name(where: str, lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    metadata: Header = {}
    {"layer 0": description["layers"][0], "its metadata": metadata, "its description": description}[where]["cut"] = "1"
    lstm.write_bytes(signed(header, description, body, metadata))
    with pytest.raises(ArchiveError, match=f"{where} has 'cut', which is not understood; upgrade streamrnn"):
        load(lstm)


def test_what_is_not_understood_of_a_layer_within_a_layer_is_refused_by_name(tmp_path: Path) -> None:
    model("rows-dense").save(tmp_path / "model")
    header, description, body = parts((tmp_path / "model").read_bytes())
    for layer, where in (description["layers"][0], "layer 0"), (description["layers"][0]["layer"], "layer 0, its layer"):
        layer["cut"] = "1"
        (tmp_path / "model").write_bytes(signed(header, description, body))
        with pytest.raises(ArchiveError, match=f"{where} has 'cut', which is not understood"):
            load(tmp_path / "model")
        del layer["cut"]


def test_a_name_that_is_there_twice_is_refused(lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    text = json.dumps(description).replace('"format": 1', '"format": 1, "format": 1')
    lstm.write_bytes(signed(header, text, body))
    with pytest.raises(ArchiveError, match="the name 'format' twice"):
        load(lstm)


@pytest.mark.parametrize("changes", WRONG_DESCRIPTIONS)
def test_a_wrong_description_is_refused(changes: str, lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    description |= WRONG_DESCRIPTIONS[changes]
    lstm.write_bytes(signed(header, {key: value for key, value in description.items() if value is not ...}, body))
    with pytest.raises(ArchiveError, match="lstm"):
        load(lstm)


def test_a_later_format_says_that_the_package_is_too_old(lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    lstm.write_bytes(signed(header, description | {"format": 3}, body))
    with pytest.raises(ArchiveError, match=r"format 3.*upgrade"):
        load(lstm)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "3", '"x"', "{", "{}", "[" * 100_000, '{"layers": ' * 5_000], ids=lambda t: t[:9]
)
def test_a_description_that_is_not_one_is_refused(text: str, lstm: Path) -> None:
    header, _, body = parts(lstm.read_bytes())
    marker = '{"content_sha256": "' + "0" * 64 + '"}'
    lstm.write_bytes(signed(header, f"{text} {marker}", body))
    with pytest.raises(ArchiveError, match="lstm"):
        load(lstm)


@pytest.mark.parametrize("levels", [100, 500, 900, 5_000])
def test_deep_notes_are_read_or_refused_but_never_crash(levels: int, lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    text = json.dumps(description).replace('"notes": {}', '"notes": {"deep": ' + "[" * levels + "]" * levels + "}")
    lstm.write_bytes(signed(header, text, body))
    try:
        load(lstm).with_notes({})
    except ArchiveError as error:
        assert "lstm" in str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    "offsets",
    [[0, 4], [-4, 4], [4, 0], [0, 2**63], [0, 2**70], ["0", "4"], [], [0]],
    ids=repr,
)
def test_tensors_that_overlap_or_lie_outside_are_refused(offsets: list[Any], lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    header["0.initial_cell"]["data_offsets"] = offsets
    lstm.write_bytes(signed(header, description, body))
    with pytest.raises(ArchiveError, match="lstm"):
        load(lstm)


@pytest.mark.parametrize("shape", [[2**62, 4], [-4], [2**70], [4.0], "4", [], [0, 2**40]], ids=repr)
def test_a_shape_that_cannot_be_is_refused(shape: Any, lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    header["0.initial_cell"]["shape"] = shape
    lstm.write_bytes(signed(header, description, body))
    with pytest.raises(ArchiveError, match="lstm"):
        load(lstm)


def test_two_places_of_a_hash_are_refused(lstm: Path) -> None:
    header, description, body = parts(lstm.read_bytes())
    lstm.write_bytes(signed(header, description | {"notes": {"content_sha256": "1" * 64}}, body))
    with pytest.raises(ArchiveError, match="not a streamrnn archive"):
        load(lstm)


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for path in tmp_path, tmp_path / "missing" / "model", tmp_path / ("x" * 300):
        with pytest.raises(ArchiveError, match="cannot be written"):
            model("lstm").save(path)
    assert list(tmp_path.iterdir()) == []


def test_notes_that_cannot_be_written_leave_the_old_file(small: Path) -> None:
    before = small.read_bytes()
    with pytest.raises(ValueError, match=r"notes|JSON"):
        model("lstm").with_notes({"error": float("nan")}).save(small)
    assert small.read_bytes() == before
    assert list(small.parent.iterdir()) == [small]


def test_a_failed_move_leaves_the_old_file_and_nothing_else(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for failing in "fsync", "replace":
        with monkeypatch.context() as patch:
            patch.setattr(f"os.{failing}", full_disk)
            with pytest.raises(ArchiveError, match="No space left"):
                model("lstm").save(small)
        assert small.read_bytes() == before
        assert list(small.parent.iterdir()) == [small]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_the_umask_and_a_replaced_one_keeps_its_own(umask: int, tmp_path: Path) -> None:
    new, private = tmp_path / "new", tmp_path / "private"
    private.touch()
    before = os.umask(umask)
    try:
        for mode in 0o600, 0o640, 0o444:
            private.chmod(mode)
            replace_file(private, b"data")
            assert private.stat().st_mode & 0o7777 == mode
        replace_file(new, b"data")
    finally:
        os.umask(before)
    assert new.stat().st_mode & 0o7777 == 0o666 & ~umask
    assert sorted(tmp_path.iterdir()) == [new, private]


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_symbolic_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir(), elsewhere.mkdir()
    for name in "there", "not yet":
        if name == "there":
            (elsewhere / name).write_bytes(b"old")
        (folder / name).symlink_to(Path("..") / "elsewhere" / name)
        replace_file(folder / name, b"new")
        assert (folder / name).is_symlink()
        assert (elsewhere / name).read_bytes() == b"new"
    assert len(list(folder.iterdir())) == len(list(elsewhere.iterdir())) == 2
    (folder / "circle").symlink_to("circle")
    with pytest.raises(ArchiveError, match="cannot be written"):
        replace_file(folder / "circle", b"new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_not_a_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="not a regular file"):
        model("lstm").save(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("sync", [True, False])
def test_the_data_is_on_the_disk_before_the_move_and_the_folder_after_it(sync: bool, tmp_path: Path) -> None:
    code = f"from streamrnn.archive import replace_file; replace_file({str(tmp_path / 'file')!r}, b'data', sync={sync})"
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2"
    command = ["strace", "-f", "-y", "-e", calls, "-o", str(trace), sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("processes cannot be traced here")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"(fsync|rename\w*)\((.*)\) = 0", trace.read_text())
    names = [name[:6] for name, arguments in found if str(tmp_path) in arguments]
    assert names == (["fsync", "rename", "fsync"] if sync else ["rename"])
    if sync:
        assert f"{tmp_path}>" in found[-1][1]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "model"
    candidates = [Dense(np.full((60, 60), value)) for value in (1, 2)]
    models = [Model([candidate]) for candidate in candidates]
    models[0].save(path)
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            models[turn % 2].save(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(load(path).fingerprint)
    writer.join()
    assert seen <= {each.fingerprint for each in models}
    assert list(tmp_path.iterdir()) == [path]

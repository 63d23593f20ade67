"""Files gone wrong, by chance or by intent, are a ConversionError that names them: never a crash, a hang or another error."""

import copy
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError
from streamrnn_converters import from_file
from streamrnn_converters.formats.keras.h5_file import read_h5
from tests.converters.formats.files import FIXTURES, description, written

JSON = ["aidax_lstm.json", "guitarml_lstm_skip.json", "two_layers.nam", "rtneural_state_dict.json", "rtneural/gru.json"]
ODD = [None, True, -1, 0, 2, 1.5, 1e300, 10**30, float("nan"), "", "lstm", [], [[]], [1.0], [[1], [2, 3]], {}, {"a": 1}, [None]]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every entry of nested JSON; of a list the first three."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(min(len(value), 3)) if isinstance(value, list) else ():
        yield from paths(value[key], (*path, key))


def is_refused(path: Path) -> bool:
    """Whether a file is refused by an error that names it. Any other error is one of the test."""
    complaint = ""
    try:
        from_file(path)
    except ConversionError as error:
        complaint = str(error)
    assert not complaint or str(path) in complaint
    return bool(complaint)


@pytest.mark.parametrize("name", JSON)
def test_an_entry_that_is_something_else_is_an_error_or_a_model(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = description(name)
    ways = list(paths(whole))
    refused = 0
    for _ in range(150):
        changed = copy.deepcopy(whole)
        *way, last = ways[rng.integers(len(ways))]
        place = changed
        for key in way:
            place = place[key]
        if rng.random() < 0.25:
            place.pop(last)
        else:
            place[last] = ODD[rng.integers(len(ODD))]
        path = written(tmp_path / Path(name).name, changed)
        refused += is_refused(path)
    assert refused > 75


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe{}",
        b'{"a": 1, "a": 2}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"null",
    ],
    ids=["empty", "cut", "list", "encoding", "twice", "digits", "deep lists", "deep objects", "null"],
)
def test_bytes_that_are_no_json_object_are_an_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_bytes(data)
    with pytest.raises(ConversionError, match=r"net\.json"):
        from_file(path)


def test_more_json_or_layers_than_a_model_needs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [{"type": "activation", "activation": "tanh", "shape": [None, 1], "weights": []}] * 5000
    path = written(tmp_path / "net.json", {"in_shape": [None, 1], "layers": layers})
    with pytest.raises(ConversionError, match="more than 4096 layers"):
        from_file(path)
    monkeypatch.setattr("streamrnn_converters.reading.json_object._MOST_BYTES", 1000)
    with pytest.raises(ConversionError, match="more than 1000"):
        from_file(path)


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    for extension in (".json", ".nam", ".keras", ".h5"):
        path = tmp_path / f"net{extension}"
        path.mkdir()
        with pytest.raises(ConversionError, match="cannot be read"):
            from_file(path)


@pytest.mark.parametrize("extension", ["keras", "h5"])
def test_a_damaged_keras_file_is_an_error_or_a_model(extension: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs the extra 'keras'")
    monkeypatch.setattr("streamrnn_converters.formats.keras.saved_model.read_h5", lambda data: read_h5(data, 4.0))
    rng = np.random.default_rng(0)
    data = (FIXTURES / f"last_step.{extension}").read_bytes()
    damaged = [b"", data[:100], data[: len(data) // 2], data[:-1], bytes(1000), data[:8] + rng.bytes(500)]
    for _ in range(10):
        altered = bytearray(data)
        at = int(rng.integers(len(data) - 8))
        altered[at : at + 8] = rng.bytes(8)
        damaged.append(bytes(altered))
    path = tmp_path / f"net.{extension}"
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        refused += is_refused(path)
    assert refused >= 5


def h5_bytes(write: Any) -> bytes:
    h5py = pytest.importorskip("h5py", reason="reading Keras files needs the extra 'keras'")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(h5py, file)
    return buffer.getvalue()


def test_nothing_outside_the_file_is_read_and_nothing_is_unpacked(tmp_path: Path) -> None:
    """Links to other files, arrays in other files, compressed and huge arrays: each is known as refused, none is read."""
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(4, np.float32).tobytes())

    def write(h5py: Any, file: Any) -> None:
        file["external link"] = h5py.ExternalLink(str(secret), "/x")
        file["soft link"] = h5py.SoftLink("/plain")
        file.create_dataset("external array", (4,), "f4", external=[(str(secret), 0, 16)])
        file.create_dataset("packed", data=np.zeros(100_000, np.float32), compression="gzip")
        file.create_dataset("huge", (1 << 40,), "f4", chunks=(1024,))
        file.create_dataset("huge in one", (1 << 30,), "f4")
        file.create_dataset("whole numbers", data=np.arange(3))
        file.create_dataset("plain", data=np.float32([1, 2]))

    found = read_h5(h5_bytes(write))
    assert list(found.arrays) == ["plain"]
    assert set(found.refused) == {
        "external link",
        "soft link",
        "external array",
        "packed",
        "huge",
        "huge in one",
        "whole numbers",
    }
    with pytest.raises(ConversionError, match="lies in another file"):
        found.array("external array")


def test_a_file_that_the_library_never_ends_with_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs the extra 'keras'")
    endless = tmp_path / "endless.py"
    endless.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr("streamrnn_converters.formats.keras.h5_file._SCRIPT", endless)
    with pytest.raises(ConversionError, match=r"more than 0\.5 s"):
        read_h5(b"", 0.5)
    endless.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.raises(ConversionError, match="exit code -11"):
        read_h5(b"", 10.0)


def test_a_file_that_takes_the_cpu_for_too_long_is_given_up() -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs the extra 'keras'")
    code = "from streamrnn_converters.formats.keras import h5_script as s; s._SECONDS = 0.2; s._limit(0)\nwhile True: pass"
    ended = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert ended.returncode == -signal.SIGPROF

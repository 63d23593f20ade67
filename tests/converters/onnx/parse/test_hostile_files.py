"""A file that wants to do harm is refused by one error, in little time and within four times its size and 64 MiB.

Little time is what a plain loop of 40 million turns takes in the same process: two seconds where a turn takes 50 ns.
One attempt in six that takes no longer is enough, as other work on the machine only adds.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError, VerificationError

onnx = pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")
resource = pytest.importorskip("resource", reason="this system does not tell how much memory a process has taken")

from streamrnn_converters import from_onnx, verify  # noqa: E402
from streamrnn_converters.onnx.parse.wire import check_wire  # noqa: E402
from streamrnn_converters.reading import read_file  # noqa: E402
from tests.converters.onnx.hostile import HOSTILE, LONG, good  # noqa: E402

TURNS, MEBIBYTES, SECONDS = 40_000_000, 64, 600

#: Imports each file in a fork of its own. What importing a good model takes is not counted: libraries are loaded once, before.
PROBE = """
import json, os, resource, signal, sys, time
from streamrnn_converters import from_onnx

GOOD, TURNS, SECONDS = sys.argv[1], *map(int, sys.argv[2:])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

def turn(turns=1_000_000):
    clock = time.process_time()
    sum(i * i for i in range(turns))
    return (time.process_time() - clock) / turns

def attempt(path):
    clock, error, message = time.process_time(), "", ""
    try:
        from_onnx(path)
    except Exception as caught:
        error, message = type(caught).__name__, str(caught)
    seconds = time.process_time() - clock
    return seconds / turn(), error, message

def probe(path):
    from_onnx(GOOD)
    memory = peak()
    for _ in range(6):
        turns, error, message = attempt(path)
        if turns < TURNS:
            break
    return {"error": error, "message": message, "turns": turns, "bytes": peak() - memory}

from_onnx(GOOD)
for line in sys.stdin:
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        print(json.dumps(probe(line[:-1])), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        print(json.dumps({"exit code": os.waitstatus_to_exitcode(status)}), flush=True)
"""

Probe = Callable[[bytes], dict[str, Any]]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """What becomes of a file, and what it costs."""
    folder = tmp_path_factory.mktemp("probed")
    (folder / "good.onnx").write_bytes(good().SerializeToString())
    path = folder / "hostile.onnx"
    command = [sys.executable, "-c", PROBE, str(folder / "good.onnx"), str(TURNS), str(SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def probe(data: bytes) -> dict[str, Any]:
            path.write_bytes(data)
            print(path, file=process.stdin, flush=True)
            found: dict[str, Any] = json.loads(process.stdout.readline())
            assert "exit code" not in found, found
            assert found["turns"] < TURNS
            assert found["bytes"] < 4 * len(data) + (MEBIBYTES << 20)
            return found

        yield probe


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_by_one_error_in_little_time_and_memory(name: str, probed: Probe) -> None:
    build, message = HOSTILE[name]
    found = probed(build())
    assert found["error"] == "ConversionError", found
    assert message in found["message"]
    assert len(found["message"]) < 1000


@pytest.mark.few(6)
@pytest.mark.parametrize("name", LONG)
def test_a_graph_that_is_only_large_takes_little_too(name: str, probed: Probe) -> None:
    assert probed(LONG[name]())["error"] in ("", "ConversionError")


def test_no_good_model_comes_near_the_bounds() -> None:
    for path in (Path(__file__).parents[2] / "fixtures" / "exports").glob("*.onnx"):
        check_wire(path.read_bytes())
    check_wire(good(hidden=700).SerializeToString())


# Places that are no files.


def test_what_would_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.onnx")
    for path, reason in ((tmp_path / "fifo.onnx", "is not a regular file"), ("/dev/zero", "is not a regular file")):
        with pytest.raises(ConversionError, match=reason):
            from_onnx(path)
    with pytest.raises(ConversionError, match="is a directory"):
        from_onnx(tmp_path)
    with pytest.raises(ConversionError, match="null byte"):
        from_onnx("a\0b.onnx")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConversionError, match="has 1099511627776 bytes; more than 1073741824 are not read"):
        from_onnx(tmp_path / "large.onnx")
    (tmp_path / "small").write_bytes(b"1234")
    assert read_file(tmp_path / "small", 4) == b"1234"
    with pytest.raises(ConversionError, match="has 4 bytes; more than 3"):
        read_file(tmp_path / "small", 3)


# Data outside the file.


def split(folder: Path, location: str = "weights.bin", **entries: str) -> Path:
    """A good model whose recurrent weights lie in a file beside it."""
    folder.mkdir(exist_ok=True)
    model = good()
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == "R")
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    onnx.save(model, path)
    if not (folder / "weights.bin").exists():
        (folder / "weights.bin").write_bytes(b"...." + data + b"....")
    return path


def test_external_data_is_refused_unless_it_is_allowed_and_then_the_model_is_the_same(tmp_path: Path) -> None:
    path = split(tmp_path / "model", offset="4", length="300")
    with pytest.raises(ConversionError, match=r"initializer 'R': its data lies in another file; .*allow_external_data=True"):
        from_onnx(path)
    whole = from_onnx(good().SerializeToString())
    assert verify(whole, path, allow_external_data=True).proven
    with pytest.raises(VerificationError, match="allow_external_data=True"):
        verify(whole, path)
    assert from_onnx(path, allow_external_data=True).fingerprint == whole.fingerprint
    with pytest.raises(ConversionError, match="its data lies in another file"):
        from_onnx(path.read_bytes(), allow_external_data=True)
    digest = hashlib.sha1((path.parent / "weights.bin").read_bytes()).hexdigest()
    with_checksum = split(tmp_path / "model", offset="4", checksum=digest.upper())
    assert from_onnx(with_checksum, allow_external_data=True).fingerprint == whole.fingerprint
    (path.parent / "inside").mkdir()
    (path.parent / "weights.bin").rename(path.parent / "inside" / "weights.bin")
    (path.parent / "link.bin").symlink_to("inside/weights.bin")
    for location in ("inside/weights.bin", "./inside/weights.bin", "link.bin"):
        path = split(tmp_path / "model", location, offset="4")
        assert from_onnx(path, allow_external_data=True).fingerprint == whole.fingerprint


def test_a_model_that_is_reached_through_a_link_finds_its_data_in_the_folder_it_is_named_in(tmp_path: Path) -> None:
    path = split(tmp_path / "model", offset="4")
    (tmp_path / "other").symlink_to(path.parent)
    from_onnx(tmp_path / "other" / "model.onnx", allow_external_data=True)


def escapes(folder: Path) -> dict[str, tuple[Path, str]]:
    """Models whose data lies where it must not."""
    secret = folder / "secret.bin"
    secret.write_bytes(bytes(400))
    paths = {
        "above": (split(folder / "above", "../secret.bin"), "outside the folder"),
        "absolute": (split(folder / "absolute", str(secret)), "outside the folder"),
        "null": (split(folder / "null", "a\0b"), "outside the folder"),
        "folder": (split(folder / "folder", "."), "outside the folder"),
        "up-and-down": (split(folder / "up-and-down", "x/../../up-and-down/weights.bin"), "outside the folder"),
        "symlink": (split(folder / "symlink", "link"), "outside the folder"),
        "link-to-folder": (split(folder / "link-to-folder", "up/secret.bin"), "outside the folder"),
        "hardlink": (split(folder / "hardlink", "hard"), "has 2 names"),
        "fifo": (split(folder / "fifo", "fifo"), "is not a regular file"),
        "directory": (split(folder / "directory", "within"), "is not a regular file"),
        "missing": (split(folder / "missing", "nowhere"), "cannot be opened"),
        "short": (split(folder / "short", offset="100"), "its data would end at 400"),
        "far": (split(folder / "far", offset="9" * 18), "its data would end at"),
        "offset": (split(folder / "offset", offset="-4"), "which is not a number of bytes"),
        "long-offset": (split(folder / "long-offset", offset="9" * 5000), "which is not a number of bytes"),
        "length": (split(folder / "length", length="299"), "its length in 'weights.bin' is 299 bytes, but its shape takes 300"),
        "other-key": (
            split(folder / "other-key", url="http://example.org"),
            "its external data has 'url', which is not understood",
        ),
        "basepath": (
            split(folder / "basepath", basepath=str(folder)),
            "its external data has 'basepath', which is not understood",
        ),
        "checksum": (split(folder / "checksum", checksum="0" * 40), "is altered: its SHA-1 is not that in the model"),
        "no-location": (split(folder / "no-location", ""), "is not understood"),
    }
    (folder / "symlink" / "link").symlink_to(secret)
    (folder / "link-to-folder" / "up").symlink_to(folder)
    (folder / "hardlink" / "hard").hardlink_to(secret)
    os.mkfifo(folder / "fifo" / "fifo")
    (folder / "directory" / "within").mkdir()
    return paths


def test_external_data_does_not_escape_from_the_folder_of_the_model(tmp_path: Path) -> None:
    for name, (path, message) in escapes(tmp_path).items():
        with pytest.raises(ConversionError) as raised:
            from_onnx(path, allow_external_data=True)
        assert str(raised.value).startswith("initializer 'R': "), name
        assert message in str(raised.value), name
        assert len(str(raised.value)) < 500, name


def test_tensors_do_not_share_one_file_until_it_is_large(tmp_path: Path) -> None:
    path = split(tmp_path / "model")
    model = onnx.load(path, load_external_data=False)
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == "R")
    for k in range(50):
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = f"R{k}"
        model.graph.initializer.append(copy)
    onnx.save(model, path)
    with pytest.raises(ConversionError, match=r"the tensors share their data in 'weights\.bin'"):
        from_onnx(path, allow_external_data=True)


def test_external_tensors_of_nodes_are_read_too(tmp_path: Path) -> None:
    path = split(tmp_path / "model", offset="4")
    model = onnx.load(path, load_external_data=False)
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == "R")
    constant = onnx.helper.make_node("Constant", [], ["R"], "constant")
    constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
    model.graph.initializer.remove(tensor)
    model.graph.node.insert(0, constant)
    onnx.save(model, path)
    assert from_onnx(path, allow_external_data=True).fingerprint == from_onnx(good().SerializeToString()).fingerprint
    with pytest.raises(ConversionError, match=r"node 'constant' \(Constant\), attribute 'value': its data lies in another"):
        from_onnx(path)


def test_a_weight_that_is_not_a_number_is_refused_wherever_it_lies(tmp_path: Path) -> None:
    path = split(tmp_path / "model", "nan.bin")
    (path.parent / "nan.bin").write_bytes(np.full(75, np.nan, np.float32).tobytes())
    with pytest.raises(ConversionError, match=r"node 'my_gru' \(GRU\): its input R has values that are not finite"):
        from_onnx(path, allow_external_data=True)

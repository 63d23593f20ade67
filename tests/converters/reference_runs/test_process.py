"""A server that is late, crashes or fails is one error, and leaves nothing behind."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from streamrnn import StreamRNNError, VerificationError

pytest.importorskip("onnx", reason="makes graphs with onnx, which is not installed")
pytest.importorskip("onnxruntime", reason="runs onnxruntime, which is not installed")

from streamrnn_converters.reference_runs import process
from streamrnn_converters.reference_runs.once import run_reference
from tests.converters.onnx.sketch import INPUTS, good_file

ZEROS = np.zeros((5, 2, INPUTS), np.float32)


def server(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Replace the program that runs onnxruntime."""
    file = folder / "server.py"
    file.write_text(code)
    monkeypatch.setattr(process, "_SERVER", file)


def test_a_frozen_application_does_not_start_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(StreamRNNError, match="import and prove the model where Python is installed"):
        run_reference(good_file(), [{"x": ZEROS}])


@pytest.mark.parametrize("shape", [(0, 2, INPUTS), (5, 0, INPUTS)], ids=["no-steps", "no-signals"])
def test_an_abort_of_onnxruntime_is_an_error_here(shape: tuple[int, ...]) -> None:
    """It aborts on these; a later version may give empty outputs."""
    said = ""
    try:
        ((answer,), _) = run_reference(good_file(), [{"x": np.zeros(shape, np.float32)}])
        assert next(iter(answer.values())).shape[:2] == shape[:2]
    except VerificationError as error:
        said = str(error)
    assert said in ("", "onnxruntime crashed (SIGABRT) while it ran the model; it cannot serve as the reference")


@pytest.mark.parametrize("data", [b"", b"garbage"])
def test_a_model_that_onnxruntime_cannot_read_is_an_error(data: bytes) -> None:
    with pytest.raises(VerificationError, match="onnxruntime cannot run the model: ") as error:
        run_reference(data, [{"x": ZEROS}])
    assert "\n" not in str(error.value)


def test_an_input_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(VerificationError, match="onnxruntime cannot run the model: "):
        run_reference(good_file(), [{"x": ZEROS[0]}])
    with pytest.raises(VerificationError, match="onnxruntime cannot run the model: "):
        run_reference(good_file(), [{"y": ZEROS}])


def test_a_server_that_is_late_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server(tmp_path, monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(VerificationError, match=r"did not answer within 0\.2 s; try fewer steps"):
        run_reference(good_file(), [{"x": ZEROS}], timeout=0.2)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", r"crashed \(SIGABRT\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"crashed \(SIGKILL\)"),
        pytest.param(
            "import os; os.kill(os.getpid(), 40)",
            r"crashed \(signal 40\)",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="real-time signals are numbered so on Linux only"),
        ),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; sys.stderr.buffer.write(b'first\\n\\xff last\\n'); sys.exit(1)", "cannot run the model: \ufffd last$"),
        ("1/0", "ZeroDivisionError"),
    ],
    ids=["abort", "killed", "a-signal-without-name", "silent", "no-text", "traceback"],
)
def test_a_server_that_fails_is_an_error(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server(tmp_path, monkeypatch, code)
    with pytest.raises(VerificationError, match=message):
        run_reference(good_file(), [{"x": ZEROS}])


def test_files_beside_the_server_are_not_found_as_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beside it could be called `onnx` or `torch`, which onnxruntime may import."""
    server(tmp_path, monkeypatch, f"import sys, json; open({str(tmp_path / 'path')!r}, 'w').write(json.dumps(sys.path)); 1/0")
    with pytest.raises(VerificationError):
        run_reference(good_file(), [{"x": ZEROS}])
    assert str(tmp_path) not in json.loads((tmp_path / "path").read_text())


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_reference(good_file(), [{"x": ZEROS}])
    with pytest.raises(VerificationError):
        run_reference(b"garbage", [{"x": ZEROS}])
    assert not list(tmp_path.iterdir())


def test_the_timeout_is_for_all_runs_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes in time, all of them do not."""
    code = """
import struct, sys, time
from safetensors.numpy import save
import numpy as np
while True:
    blob = save({"version": np.zeros(1, np.uint8)})
    sys.stdout.buffer.write(struct.pack("<Q", len(blob)) + blob)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read(*struct.unpack("<Q", sys.stdin.buffer.read(8)))
    time.sleep(0.3)
"""
    server(tmp_path, monkeypatch, code)
    with pytest.raises(VerificationError, match=r"did not answer within 3 s"):
        run_reference(good_file(), [{"x": ZEROS}] * 20, timeout=3)

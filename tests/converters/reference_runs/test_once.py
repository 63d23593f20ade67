"""onnxruntime in a process of its own: what it answers, and what becomes of it when it does not."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Stream, VerificationError

pytest.importorskip("onnx", reason="makes graphs with onnx, which is not installed")
pytest.importorskip("onnxruntime", reason="runs onnxruntime, which is not installed")

import onnxruntime

from streamrnn_converters import from_onnx
from streamrnn_converters.reference_runs import once
from streamrnn_converters.reference_runs.once import run_reference
from streamrnn_converters.reference_runs.session import calls_of
from tests.converters.onnx.sketch import INPUTS, Sketch, good_file
from tests.converters.onnx.test_from_onnx_steps import states_as_they_are
from tests.models import one_width  # noqa: F401  (a fixture)

ZEROS = np.zeros((5, 2, INPUTS), np.float32)


def worker(place: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Another program in place of the one that runs onnxruntime."""
    file = place / "worker.py"
    file.write_text(code)
    monkeypatch.setattr(once, "_WORKER", file)


def test_every_run_is_answered_by_the_names_of_the_outputs() -> None:
    g = Sketch(open_axes="TB")
    data = g.bytes(g.add("Add", "x", np.float32(1)), g.add("Transpose", "x"))
    feeds = [{"x": np.full((n_steps, 2, INPUTS), n_steps, np.float32)} for n_steps in range(1, 13)]
    answers, version = run_reference(data, feeds)
    assert version == onnxruntime.__version__
    assert len(answers) == len(feeds)
    for feed, answer in zip(feeds, answers, strict=True):
        assert set(answer) == {"my_Add.0", "my_Transpose.0"}
        assert np.array_equal(answer["my_Add.0"], feed["x"] + 1)
        assert np.array_equal(answer["my_Transpose.0"], feed["x"].T)


def test_names_may_have_slashes_and_arrays_strides() -> None:
    g = Sketch("BF")
    y = g.add("Identity", "x", name="/head/Tanh")
    x = np.arange(2 * INPUTS, dtype=np.float32).reshape(INPUTS, 2).T
    ((answer,), _) = run_reference(g.bytes(y), [{"x": x}])
    assert np.array_equal(answer["/head/Tanh.0"], x)


def test_the_graph_is_run_as_it_stands_and_not_as_it_declares_itself() -> None:
    """The optimizer would take the declared shape of the output for a fact, and make the reshape one to four rows."""
    g = Sketch("TF")
    y = g.add("Reshape", "x", g.add("Concat", g.add("Shape", "x", start=0, end=1), [INPUTS], axis=0))
    g.outputs = [y]
    model = g.model()
    model.graph.output[0].CopyFrom(g.info(y, [4, INPUTS]))
    ((answer,), _) = run_reference(model.SerializeToString(), [{"x": ZEROS[:, 0]}])
    assert answer[y].shape == (5, INPUTS)


@pytest.mark.parametrize("shape", [(0, 2, INPUTS), (5, 0, INPUTS)], ids=["no-steps", "no-signals"])
def test_an_abort_of_onnxruntime_is_an_error_here(shape: tuple[int, ...]) -> None:
    """It aborts on these; one that has learned not to gives what is as empty."""
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


def test_a_worker_that_is_late_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(tmp_path, monkeypatch, "import time; time.sleep(60)")
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
def test_a_worker_that_fails_is_an_error(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(tmp_path, monkeypatch, code)
    with pytest.raises(VerificationError, match=message):
        run_reference(good_file(), [{"x": ZEROS}])


def test_what_lies_beside_the_worker_is_no_package_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside ours lie `onnx` and `torch`, which are not those that onnxruntime may ask for."""
    worker(tmp_path, monkeypatch, f"import sys, json; open({str(tmp_path / 'path')!r}, 'w').write(json.dumps(sys.path)); 1/0")
    with pytest.raises(VerificationError):
        run_reference(good_file(), [{"x": ZEROS}])
    assert str(tmp_path) not in json.loads((tmp_path / "path").read_text())


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_reference(good_file(), [{"x": ZEROS}])
    with pytest.raises(VerificationError):
        run_reference(b"garbage", [{"x": ZEROS}])
    assert not list(tmp_path.iterdir())


def test_what_a_run_lacks_is_taken_from_the_run_before() -> None:
    g = Sketch("BF")
    g.inputs.append(g.info("total", ["B", INPUTS]))
    total = g.add("Add", "x", "total")
    rows = np.arange(5 * 2 * INPUTS, dtype=np.float32).reshape(5, 2, INPUTS)
    feeds = [{"x": row} for row in rows]
    for begun in (0, 3):  # a run that brings its own begins anew
        feeds[begun]["total"] = np.full((2, INPUTS), begun, np.float32)
    answers, _ = run_reference(g.bytes(total), feeds, carried={"total": total})
    expected = np.concatenate([np.cumsum(rows[:3], 0), 3 + np.cumsum(rows[3:], 0)])
    assert np.array_equal([answer[total] for answer in answers], expected)


def test_a_session_that_is_called_step_by_step_carries_its_states() -> None:
    """Whoever measures it measures what its user has to do."""
    data, _, _ = states_as_they_are()
    calls = calls_of(data, INPUTS)
    x = np.random.default_rng(0).normal(size=(20, INPUTS)).astype(np.float32)
    ours = Stream(from_onnx(data)).process(x)
    answers = [calls.run(calls.feed(row[None]))[0].ravel() for row in x]
    assert np.abs(ours - answers).max() <= 5e-6
    assert not any("begins every call anew" in remark for remark in calls.remarks)

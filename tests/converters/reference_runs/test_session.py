"""How onnxruntime is called for single steps: on graphs of every layout it takes the input that the graph declares."""

from typing import Any

import numpy as np
import pytest

from streamrnn import MissingExtraError, Stream, VerificationError

onnx = pytest.importorskip("onnx", reason="needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="needs the extra 'convert'")

from streamrnn_converters import from_onnx  # noqa: E402
from streamrnn_converters.reference_runs.session import calls_of, session_of  # noqa: E402
from tests.converters.onnx.sketch import INPUTS  # noqa: E402
from tests.converters.onnx.test_from_onnx_steps import states_as_they_are  # noqa: E402
from tests.models import one_width  # noqa: E402, F401  (a fixture)

HIDDEN = 3


def graph(n_steps: Any = "n_steps", batch: Any = 1, layout: int = 0) -> bytes:
    """A GRU of 2 inputs."""
    rng = np.random.default_rng(0)
    shapes = {"W": (1, 3 * HIDDEN, 2), "R": (1, 3 * HIDDEN, HIDDEN)}
    tensors = [onnx.numpy_helper.from_array(rng.normal(size=s).astype(np.float32), name) for name, s in shapes.items()]
    node = onnx.helper.make_node(
        "GRU", ["X", *shapes], ["Y"], "rnn", hidden_size=HIDDEN, linear_before_reset=1, **({"layout": 1} if layout else {})
    )
    sizes = [batch, n_steps, 2] if layout else [n_steps, batch, 2]
    x = onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, sizes)
    y = onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None)
    made = onnx.helper.make_graph([node], "g", [x], [y], tensors)
    return bytes(
        onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8).SerializeToString()
    )


@pytest.mark.parametrize(
    ("options", "n_steps", "n_signals", "n_remarks"),
    [
        ({}, 1, 1, 1),
        ({"batch": "batch"}, 1, 1, 1),
        ({"n_steps": 5}, 5, 1, 1),
        ({"batch": 3}, 1, 3, 2),
        ({"layout": 1}, 1, 1, 2),
        ({"layout": 1, "n_steps": 4, "batch": 2}, 4, 2, 3),
    ],
)
def test_a_call_takes_what_the_graph_declares_and_gives_what_the_model_gives(
    options: dict[str, Any], n_steps: int, n_signals: int, n_remarks: int
) -> None:
    source = graph(**options)
    calls = calls_of(source, 2)
    assert (calls.n_steps, calls.any_length, len(calls.remarks)) == (n_steps, "n_steps" not in options, n_remarks)
    x = np.random.default_rng(1).normal(size=(n_steps, 2)).astype(np.float32)
    (y,) = calls.run(calls.feed(x))
    expected = Stream(from_onnx(source)).process(x)
    assert y.size == n_steps * n_signals * HIDDEN
    shape = (n_signals, n_steps, HIDDEN) if "layout" in options else (n_steps, n_signals, HIDDEN)
    signals = np.moveaxis(y.reshape(shape), 1, 0) if "layout" in options else y.reshape(shape)
    for signal in range(n_signals):
        np.testing.assert_allclose(signals[:, signal], expected, atol=1e-6)


def test_a_graph_of_another_size_is_refused() -> None:
    with pytest.raises(VerificationError, match="takes 4 values, but the graph 2"):
        calls_of(graph(), 4)


def test_what_onnxruntime_refuses_is_an_error_of_one_line() -> None:
    with pytest.raises(VerificationError, match="onnxruntime cannot run the model") as error:
        session_of(b"no model")
    assert "\n" not in str(error.value)


def test_a_missing_onnxruntime_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streamrnn\[convert\]'"):
        session_of(b"")


def test_a_session_that_is_called_step_by_step_carries_its_states() -> None:
    """So its times include what a user has to do."""
    data, _, _ = states_as_they_are()
    calls = calls_of(data, INPUTS)
    x = np.random.default_rng(0).normal(size=(20, INPUTS)).astype(np.float32)
    ours = Stream(from_onnx(data)).process(x)
    answers = [calls.run(calls.feed(row[None]))[0].ravel() for row in x]
    assert np.abs(ours - answers).max() <= 5e-6
    assert not any("begins every call with its initial states" in remark for remark in calls.remarks)

"""ONNX's own tests of LSTM, GRU and RNN nodes, all of them: as streams, the rest as whole recordings.

Their weights are graph inputs; they are made initializers here. Most have one step or weights that are all the same, so that
they say less than tests/converters/onnx/operators/test_recurrent.py.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import ConversionError, Stream, run_offline
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")

from onnx.backend.test.case import node as cases_of_nodes  # noqa: E402
from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: E402, F401 - they fill the list of cases

from streamrnn_converters.onnx import read_onnx  # noqa: E402

CASES = {
    case.name.removeprefix("test_"): case
    for case in cases_of_nodes._NodeTestCases
    if case.model.graph.node[0].op_type in ("LSTM", "GRU", "RNN")
}
STREAMED = {
    "lstm_defaults",
    "lstm_with_initial_bias",
    "lstm_batchwise",
    "gru_defaults",
    "gru_with_initial_bias",
    "gru_seq_length",
    "gru_batchwise",
    "simple_rnn_defaults",
    "simple_rnn_with_initial_bias",
    "rnn_seq_length",
    "simple_rnn_batchwise",
}
BACKWARD = {
    f"{op}_{direction}": f"direction='{direction}' cannot be streamed"
    for op in ("lstm", "gru", "simple_rnn")
    for direction in ("reverse", "bidirectional")
}
REFUSED = BACKWARD | {"lstm_with_peepholes": "sequence_lens is given"}


def with_weights_inside(case: Any) -> tuple[Any, NDArray[Any], dict[str, NDArray[Any]]]:
    """The model of a case with all inputs but X made initializers; X; and the expected outputs by name."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    ((given, expected),) = case.data_sets
    inputs = dict(zip([entry.name for entry in graph.input], given, strict=True))
    X = inputs.pop("X")
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in inputs.items())
    for entry in [entry for entry in graph.input if entry.name != "X"]:
        graph.input.remove(entry)
    return model, X, dict(zip([entry.name for entry in graph.output], expected, strict=True))


def streamed(model: Any, X: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The graph outputs, each put together from the streams of all signals as the import says that its axes are."""
    imported = read_onnx(model.SerializeToString())
    order = [imported.input.axes.index(axis) for axis in ("batch", "time", "feature")]
    signals = [(Stream(imported.model), signal) for signal in X.transpose(order)]
    ys = np.array([stream.process(signal) for stream, signal in signals])
    results = {}
    for output in imported.outputs:
        axes = ["batch", "time", "feature"]
        values = ys
        if output.states:
            ((layer, state),) = output.states
            axes = ["batch", "feature"]
            values = np.array([stream.states[layer][state] for stream, _ in signals])
        elif "time" not in output.axes:  # the graph takes one step: the last state is that of the step
            axes, values = ["batch", "feature"], ys[:, -1]
        ones = [axis for axis in output.axes if axis not in axes]
        values = values[(..., *[None] * len(ones))]
        results[output.name] = values.transpose([[*axes, *ones].index(axis) for axis in output.axes])
    return results


def test_every_case_that_onnx_has_is_streamed_or_refused() -> None:
    assert not STREAMED & REFUSED.keys()
    assert set(CASES) <= STREAMED | REFUSED.keys()
    assert (STREAMED | REFUSED.keys()) - set(CASES) <= BACKWARD.keys()  # older releases of onnx do not have those


@pytest.mark.parametrize("name", sorted(STREAMED))
def test_a_case_that_can_be_streamed_gives_the_outputs_that_onnx_ships(name: str) -> None:
    model, X, expected = with_weights_inside(CASES[name])
    results = streamed(model, X)
    assert results.keys() == expected.keys()
    for output, values in expected.items():
        np.testing.assert_allclose(results[output], values, rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", sorted(REFUSED.keys() & CASES.keys()))
def test_a_case_that_cannot_be_streamed_answers_whole_recordings_as_onnx_ships_them(name: str) -> None:
    model, X, expected = with_weights_inside(CASES[name])
    imported = read_onnx(model.SerializeToString(), offline=True)
    answers = [run_offline(imported.model, signal, states=True) for signal in X.swapaxes(0, 1)]
    for output in imported.outputs:
        values = expected[output.name]
        for k, (y, states) in enumerate(answers):
            ends = [states[layer][state] for layer, state in output.states]
            ours = np.concatenate(ends)[list(output.places)] if ends else y
            theirs = values[..., k, :]
            np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", sorted(REFUSED.keys() & CASES.keys()))
def test_a_case_that_cannot_be_streamed_is_refused_with_the_reason(name: str) -> None:
    model, _, _ = with_weights_inside(CASES[name])
    with pytest.raises(ConversionError) as raised:
        read_onnx(model.SerializeToString())
    assert str(raised.value).startswith(f"node '#0' ({model.graph.node[0].op_type}): {REFUSED[name]}")


def test_the_case_with_peepholes_is_streamed_without_its_sequence_lens_which_only_repeats_the_length() -> None:
    model, X, expected = with_weights_inside(CASES["lstm_with_peepholes"])
    assert model.graph.node[0].input[4] == "sequence_lens"
    (lengths,) = (tensor for tensor in model.graph.initializer if tensor.name == "sequence_lens")
    assert set(onnx.numpy_helper.to_array(lengths)) == {len(X)}
    model.graph.node[0].input[4] = ""
    np.testing.assert_allclose(streamed(model, X)["Y_h"], expected["Y_h"], rtol=0, atol=5e-6)

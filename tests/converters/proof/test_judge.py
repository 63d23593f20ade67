"""How far rounding moves what a graph gives: each value of an output by itself, those of a state vector together."""

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.judge import Judge
from streamrnn_converters.proof.output_pair import OutputPair, pair_answers
from streamrnn_converters.proof.trials import Case
from streamrnn_converters.proof.view import View, answered
from streamrnn_converters.reference_runs.reference import Reference
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch


def packed() -> bytes:
    """One step of an LSTM whose h and c, (2, 1, HIDDEN), are carried in one tensor."""
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, 1, INPUTS]), g.info("state", [2, 1, HIDDEN])]
    h, c = (g.add("Slice", "state", *(np.array([n]) for n in (k, k + 1, 0))) for k in (0, 1))
    y, h, c = g.rnn("x", "LSTM", h=h, c=c)
    return g.bytes(y, g.add("Concat", h, c, axis=0))


def test_rounding_of_h_is_not_that_of_c_and_of_an_output_not_that_of_another_value() -> None:
    data = packed()
    imported = read_onnx(data)
    view = View(imported, data, (Case("loud", 10.0, 20),))
    with Reference(data, 60.0) as reference:
        found = answered(imported.model, view, reference, 0, 1)
    trial, ours, runs = found.trials[0], found.ours[0], list(found.runs[0])
    judge = Judge(view, trial, ours, runs, 1e-5, 0, 60.0)

    def rounding(index: int) -> np.ndarray:
        output = imported.outputs[index]
        exact = pair_answers(output, trial, ours, [run[output.name] for run in judge._exact])
        assert isinstance(exact, OutputPair)
        return judge._rounding(exact, exact)

    of_output, of_state = rounding(0), rounding(1)
    assert of_state.shape == (20, 2, 1, HIDDEN)
    assert np.ptp(of_output.reshape(-1, HIDDEN)[-1]) > 0
    h, c = of_state[:, 0, 0], of_state[:, 1, 0]
    assert not np.ptp(h, axis=1).any()
    assert not np.ptp(c, axis=1).any()
    assert (h[-1] != c[-1]).all()
    assert (np.diff(of_state, axis=0) >= 0).all()
    assert np.allclose(h[-1, 0], of_output.reshape(-1, HIDDEN)[-1].max(), rtol=0.5)

"""Inputs that reset or hold a state are found, and proven with numbers from 0 to 1; those that are computed with are not."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.trials import Case
from streamrnn_converters.reference_runs.graph_arrays import random_signal
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch


def resettable(op: str) -> bytes:
    """One step of a recurrent node whose states another input switches off, where `done` is 1 or holds is 0."""
    g = Sketch("TBF", "")
    states = ["h", "c"][: 1 + (op == "LSTM")]
    g.inputs = [g.info("x", [1, 1, INPUTS]), g.info("done", [1, 1]), *(g.info(name, [1, 1, HIDDEN]) for name in states)]
    kept = g.add("Unsqueeze", g.add("Sub", np.float32(1), "done"), [0])
    before = {name: g.add("Mul", name, kept) for name in states}
    return g.bytes(*g.rnn("x", op, **before))


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_an_input_that_resets_a_state_is_found_and_proven_under_loud_signals(op: str) -> None:
    data = resettable(op)
    imported = read_onnx(data)
    assert {entry.name: entry.switches for entry in imported.inputs} == {"x": False, "done": True}
    report = verify(imported.model, data, cases=(Case("loud", 10.0, 150), Case("saturating", 100.0, 60)))
    assert report.proven, str(report)


def test_a_switch_is_both_on_and_off_for_several_steps_and_never_beyond() -> None:
    imported = read_onnx(resettable("GRU"))
    x = random_signal(np.random.default_rng(0), imported.inputs, 100.0, 400, 1)
    signal, switch = x[..., :INPUTS], x[..., INPUTS:]
    assert np.abs(signal).max() > 100
    assert (switch.min(), switch.max()) == (0, 1)
    assert 0.3 < switch.mean() < 0.7
    assert np.mean(switch[1:] == switch[:-1]) > 0.5
    assert ((switch > 0) & (switch < 1)).any()


def test_a_gate_that_is_computed_from_the_signal_is_no_switch() -> None:
    g = Sketch("BF", "")
    g.inputs = [g.info("x", [1, INPUTS]), g.info("h", [1, HIDDEN])]
    z = g.add("Sigmoid", g.add("MatMul", "x", g.draw(INPUTS, HIDDEN)))
    h = g.add("Add", g.add("Mul", z, "h"), g.add("MatMul", "x", g.draw(INPUTS, HIDDEN)))
    imported = read_onnx(g.bytes(g.add("MatMul", h, g.draw(HIDDEN, 2)), h))
    assert [(entry.name, entry.switches) for entry in imported.inputs] == [("x", False)]

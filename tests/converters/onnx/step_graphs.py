"""Graphs of one step that take states and give them back, and their comparison with onnxruntime."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streamrnn import Model, Stream
from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.verification import Case
from tests.converters.onnx.sketch import INPUTS, TOLERANCE, Sketch

BRIEF = (Case("normal", 1.0, 24), Case("loud", 10.0, 24))


def taking(g: Sketch, **states: list[Any]) -> None:
    """Let the graph take x, one step of one signal, and states."""
    g.inputs = [g.info("x", [1, 1, INPUTS]), *(g.info(name, sizes) for name, sizes in states.items())]


def carried(data: bytes, x: NDArray[Any], pairs: dict[str, str], output: str) -> NDArray[Any]:
    """What onnxruntime gives, step by step, each pair of an input and an output carried, zeros at first."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_outputs()]
    states = {entry.name: np.zeros(entry.shape, np.float32) for entry in session.get_inputs() if entry.name in pairs}
    shape = next(entry.shape for entry in session.get_inputs() if entry.name not in pairs)
    rows = []
    for row in x:
        feed = {"x": row.reshape(shape)} | states
        results = dict(zip(names, session.run(names, feed), strict=True))
        states = {name: results[source] for name, source in pairs.items()}
        rows.append(results[output].ravel())
    return np.array(rows)


def assert_streams(data: bytes, pairs: dict[str, str], output: str, said: dict[str, str] | None = None) -> Model:
    """The states are paired so, and a stream gives at every step what onnxruntime gives with them carried.

    said  the pairs, for the import
    """
    imported = read_onnx(data, states=said)
    assert {state.name: state.source for state in imported.states} == pairs
    x = np.random.default_rng(2).normal(size=(40, INPUTS)).astype(np.float32)
    stream = Stream(imported.model)
    ours = np.concatenate([[stream.step(row) for row in x[:20]], stream.process(x[20:])])
    assert np.abs(ours - carried(data, x, pairs, output)).max() <= TOLERANCE
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)
    assert len(report.comparisons) == len(BRIEF) * len(imported.outputs)
    for name, source in pairs.items():
        assert any(f"{name!r} and output {source!r}" in remark for remark in imported.remarks)
    return imported.model

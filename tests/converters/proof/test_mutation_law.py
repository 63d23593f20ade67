"""Every weight of an import matters to its proof, for each shape of graph: the mutation law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from tests.converters.onnx.loop_graphs import scanned  # noqa: E402
from tests.converters.onnx.onnx_graphs import random_node, recurrent_model  # noqa: E402
from tests.converters.onnx.sketch import HIDDEN, INPUTS, N_SIGNALS, Sketch  # noqa: E402
from tests.converters.onnx.test_from_onnx_exports import path  # noqa: E402
from tests.converters.onnx.test_offline_graphs import states_of_both_ways  # noqa: E402
from tests.converters.proof.mutation_law import survivors  # noqa: E402


def nodes(n_steps: int | str, *outputs: str, lengths: bool = False, zeros: bool = False, **attributes: Any) -> bytes:
    """An LSTM without peepholes that gives these outputs."""
    node = random_node(np.random.default_rng(0), "LSTM", INPUTS, HIDDEN, batch=N_SIGNALS, **attributes).but("P")
    if zeros:
        node = node.but("initial_h", "initial_c")
    if lengths:
        node = node.but(sequence_lens=np.array([2, 4], np.int32))
    model = recurrent_model(node, batch=N_SIGNALS, n_steps=n_steps)
    kept = [info for info in model.graph.output if info.name in outputs]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model.SerializeToString()  # type: ignore[no-any-return]


def last_of_two_layers() -> bytes:
    g = Sketch(open_axes="B")
    y = g.squeezed(g.rnn("x", "GRU")[0], 1)
    last = g.squeezed(g.rnn(y, "RNN", inputs=HIDDEN)[1], 0)
    return g.bytes(g.add("Add", g.add("MatMul", last, g.draw(HIDDEN, 2)), g.draw(2)))


#: Shape -> the graph, and what is said of its states.
SHAPES: dict[str, tuple[Callable[[], bytes], Any]] = {
    "one step from zeros": (lambda: nodes(1, "Y", zeros=True), None),
    "one step from other states": (lambda: nodes(1, "Y"), None),
    "one step, carried": (lambda: nodes(1, "Y", zeros=True), "carry"),
    "one step, states out": (lambda: nodes(1, "Y", "Y_h", "Y_c"), None),
    "a few steps": (lambda: nodes(4, "Y"), None),
    "any number of steps": (lambda: nodes("T", "Y"), None),
    "the last step of two layers": (last_of_two_layers, None),
    "two layers whose caller carries the states": (lambda: path("lstm-2-layers-step.script").read_bytes(), None),
    "both directions": (lambda: nodes("T", "Y", direction="bidirectional"), None),
    "both directions, lengths": (lambda: nodes(4, "Y", direction="bidirectional", lengths=True), None),
    "both directions, states": (lambda: states_of_both_ways(Sketch(open_axes="T")), None),
    "a scan": (scanned, None),
    "a cell unrolled": (lambda: path("gru-cells-unrolled.script").read_bytes(), None),
    "a convolution before": (lambda: path("gru-convolution.script").read_bytes(), None),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("shape", SHAPES)
def test_noise_in_the_place_of_a_weight_is_found_or_the_weight_is_named(shape: str) -> None:
    draw, states = SHAPES[shape]
    outcomes = dict(survivors(draw(), states=states))
    assert "SURVIVES" not in outcomes.values(), outcomes
    assert "found" in outcomes.values()
    named = {name for name, outcome in outcomes.items() if outcome == "named"}
    assert named == ({"'R' of the graph"} if shape == "one step from zeros" else set()), named

"""`horizon` compares over any number of steps, however many the graph takes at once, and finds errors that grow."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Dense, Model, VerificationError
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="comparing needs the extra 'convert'")

import onnx

from streamrnn_converters import from_onnx
from streamrnn_converters.proof.horizon import horizon
from streamrnn_converters.reference_runs import long_signal, process
from tests.converters.onnx.onnx_graphs import RecurrentNode, random_node, recurrent_model
from tests.converters.onnx.operators.test_heads import HEADS

INPUTS, HIDDEN, STEPS = 3, 4, 2500


def graph(*ops: str, batch: int | str = 1, n_steps: int | str = "T", **attributes: Any) -> bytes:
    rng = np.random.default_rng(1)
    given = 1 if batch == "B" else int(batch)
    nodes = [
        replace(random_node(rng, op, HIDDEN if index else INPUTS, HIDDEN, batch=given, **attributes), name=f"node {index}")
        for index, op in enumerate(ops)
    ]
    return recurrent_model(nodes, batch=batch, n_steps=n_steps).SerializeToString()  # type: ignore[no-any-return]


def integrator(drift: float = 0.0) -> bytes:
    """h' = h + x / 100 + drift, in one unit: an error once made stays."""
    one = np.ones((1, 1, 1), np.float32)
    tensors = {"W": one / 100, "R": one, "B": np.array([[drift, 0]], np.float32)}
    node = RecurrentNode("RNN", tensors, {"hidden_size": 1, "activations": ["Affine"], "activation_alpha": [1.0]}, "sum")
    return recurrent_model(node.but(activation_beta=[0.0])).SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("n_steps", [1, 9, "T"])
@pytest.mark.parametrize("batch", [1, 2, "B"])
def test_a_right_model_holds_whatever_axes_are_open(batch: int | str, n_steps: int | str, layout: int) -> None:
    data = graph("LSTM", "GRU", batch=batch, n_steps=n_steps, layout=layout)
    found = horizon(from_onnx(data), data, n_steps=500)
    assert found.agrees, str(found)
    assert 0 < found.largest_error < 5e-6
    assert found.n_steps == found.steps[-1] == 500
    assert list(found.steps) == sorted(set(found.steps))


@pytest.mark.parametrize("ops", [("LSTM",), ("GRU", "RNN")])
def test_a_signal_in_parts_gets_the_same_answers_as_the_whole(ops: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    data = graph(*ops)
    model = from_onnx(data)
    whole = horizon(model, data, n_steps=STEPS)
    monkeypatch.setattr(long_signal, "_MOST_BYTES", 0)
    parts = horizon(model, data, n_steps=STEPS)
    assert not whole.remarks
    assert parts.remarks == ("onnxruntime got the signal in parts of 1000 steps, its states carried between them",)
    assert replace(parts, remarks=()) == whole


def test_a_graph_that_gives_the_last_step_only_is_asked_for_each() -> None:
    data = HEADS["gather-of-the-last-step"]()[0]
    found = horizon(from_onnx(data), data, n_steps=60)
    assert found.agrees, str(found)
    assert found.steps[:4] == (1, 2, 3, 4)
    assert "parts of 1 step," in found.remarks[-1]


def test_a_graph_that_carries_its_states_gets_its_own_back_and_is_left_as_it_is() -> None:
    source = Path(__file__).parents[1] / "fixtures" / "exports" / "lstm-packed-step.dynamo.onnx"
    found = horizon(from_onnx(source), source, n_steps=200)
    assert found.agrees, str(found)
    assert (found.n_steps, found.remarks) == (200, ())


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("gru-convolution", "its conv1d layer keeps"),
        ("gru-cells-unrolled", "its recurrent layers keep, which have no nodes of their own in the graph,"),
    ],
)
def test_what_a_graph_can_neither_take_whole_nor_carry_over_is_said(name: str, lost: str) -> None:
    source = Path(__file__).parents[1] / "fixtures" / "exports" / f"{name}.dynamo.onnx"
    with pytest.raises(VerificationError, match=f"answers 4 steps at a time, and what {lost} cannot be carried"):
        horizon(from_onnx(source), source, n_steps=5)
    assert horizon(from_onnx(source), source, n_steps=4).agrees


def test_an_error_is_found_at_the_step_where_it_begins_in_whichever_part() -> None:
    """A drift of 1e-8 a step passes 1e-5 after a thousand of them."""
    found = horizon(from_onnx(integrator(1e-8)), integrator(), n_steps=STEPS)
    assert not found.agrees
    assert found.first_disagreement is not None
    assert 500 < found.first_disagreement < 2000
    assert f"differs from step {found.first_disagreement} on" in str(found)
    bin_of_it = next(index for index, step in enumerate(found.steps) if step > found.first_disagreement)
    assert max(found.largest[:bin_of_it]) <= found.tolerance < found.largest[bin_of_it]


def test_an_error_that_grows_is_said_to_and_one_that_does_not_is_not() -> None:
    grown = horizon(from_onnx(integrator(1e-7)), integrator(), n_steps=STEPS)
    assert grown.grows
    assert "the error grows like steps^" in str(grown)
    data = graph("GRU")
    steady = horizon(from_onnx(data), data, n_steps=STEPS)
    assert not steady.grows
    assert "the error does not grow" in str(steady)


def test_a_model_that_amplifies_rounding_is_told_from_one_that_is_wrong() -> None:
    rng = np.random.default_rng(0)
    wild = recurrent_model(random_node(rng, "RNN", INPUTS, 16, gain=8)).SerializeToString()
    found = horizon(from_onnx(wild), wild, n_steps=1000)
    assert not found.agrees
    assert any(remark.startswith("the model amplifies rounding: from step ") for remark in found.remarks)
    calm = graph("GRU")
    wrong = from_onnx(calm)
    wrong = Model([rebuilt(wrong.layers[0], bias=wrong.layers[0].bias + 0.01)])  # type: ignore[attr-defined]
    found = horizon(wrong, calm, n_steps=100)
    assert (found.agrees, found.first_disagreement, found.remarks) == (False, 0, ())


def test_a_model_that_overflows_is_compared_up_to_there() -> None:
    node = random_node(np.random.default_rng(0), "RNN", INPUTS, HIDDEN, activations=["Relu"])
    node = node.but(R=1000 * np.eye(HIDDEN, dtype=np.float32)[None], initial_h=np.full((1, 1, HIDDEN), 2, np.float32))
    data = recurrent_model(node).SerializeToString()
    found = horizon(from_onnx(data), data, n_steps=100)
    assert found.steps[-1] < 20
    assert any("the model overflows float32 at step " in remark for remark in found.remarks)


def test_one_seed_gives_one_horizon_and_all_of_it_is_json() -> None:
    data = graph("GRU")
    model = from_onnx(data)
    one, again, other = (horizon(model, data, n_steps=50, seed=seed) for seed in (3, 3, 4))
    assert one == again
    assert one.largest != other.largest
    found = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert (found["agrees"], found["grows"], found["n_steps"], found["seed"]) == (True, one.grows, 50, 3)
    assert found["model_fingerprint"] == model.fingerprint


@pytest.mark.parametrize("most", [0, 1 << 40])
def test_progress_goes_up_to_the_number_of_steps(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_signal, "_MOST_BYTES", most)
    data, calls = graph("GRU"), []
    horizon(from_onnx(data), data, n_steps=STEPS, progress=lambda *counts: calls.append(counts))
    assert calls == sorted(calls)
    assert calls[-1] == (STEPS, STEPS)


def test_one_step_is_a_horizon_and_none_is_not() -> None:
    data = graph("GRU")
    assert horizon(from_onnx(data), data, n_steps=1).steps == (1,)
    with pytest.raises(VerificationError, match="a horizon of 0 steps"):
        horizon(from_onnx(data), data, n_steps=0)


def test_a_model_of_other_sizes_is_not_compared() -> None:
    data = graph("GRU")
    other = Model([*from_onnx(data).layers, Dense(np.ones((2, HIDDEN)))])
    with pytest.raises(VerificationError, match="gives 2, but the graph takes 3 and gives 4; name the file"):
        horizon(other, data)


SERVERS = {
    "import os; os.abort()": r"onnxruntime crashed \(SIGABRT\)",
    "import sys; sys.exit('RuntimeError: no such thing')": "cannot run the model: RuntimeError: no such thing",
    "import time; time.sleep(60)": r"did not answer within 0\.2 s",
}


@pytest.mark.parametrize("script", SERVERS)
def test_an_onnxruntime_that_does_not_answer_is_one_error(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "server.py"
    server.write_text(script)
    monkeypatch.setattr(process, "_SERVER", server)
    data = graph("GRU")
    with pytest.raises(VerificationError, match=SERVERS[script]):
        horizon(from_onnx(data), data, n_steps=5, timeout=0.2 if "sleep" in script else 60)


def test_a_graph_of_one_step_is_asked_as_its_model_streams() -> None:
    model = onnx.load_model_from_string(graph("LSTM", n_steps=1))
    del model.graph.output[1:]
    data = model.SerializeToString()
    for states in (None, "carry"):
        found = horizon(from_onnx(data, states=states), data, n_steps=50)  # type: ignore[arg-type]
        assert found.agrees, str(found)
        assert any("its states carried between them" in remark for remark in found.remarks) == (states == "carry")

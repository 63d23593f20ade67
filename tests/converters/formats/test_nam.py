"""NAM's LSTM gives what torch answers from the learned states, and its example what NAM's own equations give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError
from streamrnn_converters import from_nam
from streamrnn_converters.formats import read_model_file
from tests import reference
from tests.converters.formats.files import FIXTURES, answers, description, largest_error, written

EXAMPLE = "nam/lstm.nam"


def test_two_layers_give_what_torch_answers_from_their_learned_states() -> None:
    assert largest_error(from_nam(FIXTURES / "two_layers.nam", dtype="float64"), *answers("two_layers")) < 1e-12


def test_the_example_of_nam_gives_what_its_source_computes() -> None:
    """The loop is that of NAM/lstm.cpp: W, b, h and c in this order, i f g o, then the head."""
    flat, hidden = np.array(description(EXAMPLE)["weights"]), 3
    w, rest = flat[: 4 * hidden * (1 + hidden)].reshape(4 * hidden, 1 + hidden), flat[4 * hidden * (1 + hidden) :]
    b, h, c, head = rest[:12], rest[12:15], rest[15:18], rest[18:]
    x = np.random.default_rng(0).normal(size=200)
    y = []
    for sample in x:
        i, f, g, o = (w @ np.concatenate([[sample], h]) + b).reshape(4, hidden)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        y.append(head[:3] @ h + head[3])
    model = from_nam(FIXTURES / EXAMPLE, dtype="float64")
    assert largest_error(model, x[:, None], np.array(y)[:, None]) < 1e-12
    assert model.notes["source"]["sample_rate"] == 48000


def test_the_example_of_nam_gives_what_its_trainer_answers() -> None:
    """`make_nam_vector.py` had NAM itself read the weights."""
    found = read_model_file(FIXTURES / EXAMPLE)
    assert found.vector is not None
    assert len(found.vector.input) == 1000
    assert largest_error(found.model, found.vector.input, found.vector.output) < 1e-6


def test_the_head_of_several_outputs_is_read_row_by_row(tmp_path: Path) -> None:
    described = description(EXAMPLE)
    weights = described["weights"]
    described["config"]["out_channels"] = 2
    described["weights"] = [*weights[:-4], 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    model = from_nam(written(tmp_path / "amp.nam", described), dtype="float64")
    one = from_nam(FIXTURES / EXAMPLE, dtype="float64")
    x = np.ones((5, 1))
    h, _ = reference.run_layer(one.layers[0], x)
    np.testing.assert_allclose(reference.run(model, x)[0], h @ np.array([[1, 2, 3], [4, 5, 6.0]]).T + [7, 8], rtol=1e-12)


@pytest.mark.parametrize("change", ["fewer", "more", "WaveNet", "config", "member", "stereo", "layers", "text", "nested"])
def test_what_is_not_such_an_lstm_is_refused(change: str, tmp_path: Path) -> None:
    described: dict[str, Any] = description(EXAMPLE)
    weights, config = described["weights"], described["config"]
    changed, why = {
        "fewer": ({"weights": weights[:-1]}, "asks for 70"),
        "more": ({"weights": [*weights, 0.0]}, "asks for 70"),
        "WaveNet": ({"architecture": "WaveNet"}, "'WaveNet' is not recurrent"),
        "config": ({"config": config | {"bidirectional": True}}, "'bidirectional'"),
        "member": ({"gain": 2.0}, "the model: 'gain' is not understood"),
        "stereo": ({"config": config | {"in_channels": 2}}, "in_channels"),
        "layers": ({"config": config | {"num_layers": 10**30}}, "num_layers"),
        "text": ({"weights": ["1"] * 70}, "real numbers"),
        "nested": ({"weights": [weights]}, "shape"),
    }[change]
    with pytest.raises(ConversionError, match=why) as error:
        from_nam(written(tmp_path / "amp.nam", described | changed))
    assert "amp.nam" in str(error.value)

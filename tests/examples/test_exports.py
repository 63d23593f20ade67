import warnings

import numpy as np
import pytest

from streamrnn import GRU, LSTM, Dense, Stream
from streamrnn_converters import from_onnx, verify


@pytest.mark.parametrize(("name", "layer"), [("gru", GRU), ("lstm", LSTM)])
def test_the_committed_model_is_small_and_proven(host_load, name, layer):
    path = host_load / f"{name}.onnx"
    model = from_onnx(path)
    assert path.stat().st_size < 60_000
    assert [type(each) for each in model.layers] == [layer, Dense]
    assert (model.input_size, model.output_size) == (12, 1)
    assert verify(model, path).proven


def test_both_cells_have_the_same_hidden_size(host_load):
    sizes = {from_onnx(host_load / f"{name}.onnx").layers[0].output_size for name in ("gru", "lstm")}
    assert len(sizes) == 1


@pytest.fixture
def train(example):
    pytest.importorskip("torch", reason="the example is trained with torch")
    return example("train")


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_an_export_streams_what_torch_computes(train, tmp_path, cell):
    torch = train.torch
    torch.manual_seed(0)
    network = train.Network(getattr(torch.nn, cell))
    torch.nn.init.normal_(network.head.weight)
    train.export(network, tmp_path / "model.onnx")
    x = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)[:, None])[:, 0].numpy()
    np.testing.assert_allclose(Stream(from_onnx(tmp_path / "model.onnx")).process(x), expected, atol=1e-5)


def test_folded_weights_take_raw_features(train):
    torch = train.torch
    torch.manual_seed(0)
    rnn = torch.nn.GRU(12, 24)
    mean, deviation = np.linspace(-1, 1, 12, dtype=np.float32), np.linspace(0.1, 2, 12, dtype=np.float32)
    raw = torch.randn(50, 1, 12)
    with torch.no_grad():
        expected = rnn((raw - torch.from_numpy(mean)) / torch.from_numpy(deviation))[0]
        train.fold(rnn, mean, deviation)
        np.testing.assert_allclose(rnn(raw)[0], expected, atol=1e-5)


def test_training_beats_persistence_on_a_load_that_can_be_forecast(train, example, monkeypatch):
    monkeypatch.setattr(train, "EPOCHS", 60)
    swing = (0.5 + 0.5 * np.sin(np.arange(2001) / 4)).astype(np.float32)
    x = np.zeros((2000, 12), np.float32)
    x[:, 0] = swing[:-1]
    data = example("dataset").Dataset(x, swing[:-1], swing[1:], np.ones(2000, bool))
    validation = data.split()[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, error = train.train(train.nn.LSTM, data, seed=0)
    assert error < 0.5 * train.rmse(validation, np.zeros_like(validation.load))

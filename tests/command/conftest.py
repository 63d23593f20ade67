"""Archives, signals and the right outputs, for the tests of the command."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import GRU, LSTM, Dense, Model, Reverse, Stream
from tests.command.process import Command, called
from tests.command.recordings import record
from tests.models import dense, gru, lstm, signal


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, called in this process."""
    return lambda *arguments: called(capfd, monkeypatch, *arguments)


@pytest.fixture(scope="session")
def gated() -> Model:
    """Two values in, two out, with a state in between."""
    rng = np.random.default_rng(5)
    return Model([gru(rng, 2, 8), dense(rng, 8, 2)])


@pytest.fixture(scope="session")
def archive(gated: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "gated.safetensors"
    gated.with_notes({"source": {"file": "gated.onnx"}}).save(path)
    return path


@pytest.fixture(scope="session")
def overflowing() -> Model:
    """One value in, one out: h' = h / 2 + tanh(10 x) / 2 in eight units; their sum times 1e38 soon overflows float32."""
    weights = np.zeros((3, 8, 1))
    weights[2] = 10
    return Model([GRU(weights, np.zeros((3, 8, 8))), Dense(np.full((1, 8), 1e38))])


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    return signal(400, 2, seed=11)


@pytest.fixture(scope="session")
def y(gated: Model, x: np.ndarray) -> np.ndarray:
    return Stream(gated).process(x)


@pytest.fixture(scope="session")
def lines(x: np.ndarray) -> list[bytes]:
    """The signal as csv."""
    return csv(x)


@pytest.fixture(scope="session")
def answers(y: np.ndarray) -> list[bytes]:
    """The output lines."""
    return csv(y)


def csv(rows: np.ndarray) -> list[bytes]:
    return [(",".join(str(value) for value in row) + "\n").encode() for row in rows]


@pytest.fixture(scope="session")
def backward() -> Model:
    """Reads its input backwards: it answers whole recordings only."""
    return Model([Reverse(2), gru(np.random.default_rng(3), 2, 4), Reverse(4)])


@pytest.fixture(scope="session")
def backward_archive(backward: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "backward.safetensors"
    backward.save(path)
    return path


@pytest.fixture
def layer() -> LSTM:
    """A layer that starts from zeros."""
    from tests.converters.doctor.test_doctor import from_zero

    return from_zero(lstm(np.random.default_rng(0), 3, 4))


@pytest.fixture
def recording(tmp_path: Path, layer: LSTM) -> Path:
    """Input and output of the layer."""
    return record(tmp_path / "io.npz", layer)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An ONNX file of one GRU."""
    from tests.command.graphs import gru_file

    return gru_file(tmp_path / "gru.onnx")


@pytest.fixture
def pair(source: Path) -> list[str | Path]:
    """An archive and the graph that it was made from, as arguments of `verify`."""
    pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")
    from streamrnn_converters import from_onnx

    archive = source.with_suffix(".safetensors")
    from_onnx(source).save(archive)
    return [archive, "--against", source]

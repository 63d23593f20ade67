"""`streamrnn run` of a model whose steps give several rows of a signal."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Affine, Model, Stream, audio
from tests.command.process import Command
from tests.models import one_width, signal  # noqa: F401  (a fixture)

soundfile = pytest.importorskip("soundfile", reason="wav is read with soundfile, the extra `audio`")
RATE, W, HOP = 16_000, 16, 4


@pytest.fixture
def quieter() -> Model:
    """Spectra, half of them, and the signal again."""
    window = np.hanning(W + 2)[1:-1]
    half = Model([Affine(np.full(W + 2, 0.5), np.zeros(W + 2))])
    return audio.in_a_row(audio.stft(window, HOP), half, audio.istft(window, HOP))


def test_a_wav_gives_a_wav_and_what_is_late_or_unfinished_is_said(command: Command, quieter: Model, tmp_path: Path) -> None:
    quieter.save(tmp_path / "m")
    x = 0.1 * signal(5 * RATE // 100 + 3, 1)
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    ended = command("run", tmp_path / "m", tmp_path / "in.wav", "-o", tmp_path / "out.wav")
    assert ended.code == 0
    assert "12 rows later than the input" in ended.err
    assert "frame 801 to frame 803: not answered, as a step takes 4 rows and the last one has only 3" in ended.err
    y, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert (rate, y.shape) == (RATE, (800, 1))
    assert y.tobytes() == Stream(quieter).process(x[:800]).tobytes()
    np.testing.assert_allclose(y[W - HOP :], 0.5 * x[: 800 - W + HOP], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.f32"])
def test_each_row_of_the_signal_is_a_row_of_the_output(command: Command, quieter: Model, tmp_path: Path, name: str) -> None:
    quieter.save(tmp_path / "m")
    x = signal(40, 1)
    (tmp_path / "in.csv").write_text("".join(f"{float(value)!r}\n" for value in x[:, 0]))
    assert command("run", tmp_path / "m", tmp_path / "in.csv", "-o", tmp_path / name).code == 0
    data = (tmp_path / name).read_bytes()
    found = (
        np.frombuffer(data, "<f4") if name.endswith("f32") else [json.loads(line.strip(b"[]")) for line in data.splitlines()]
    )
    assert np.array(found, np.float32).tobytes() == Stream(quieter).process(x).tobytes()


def test_many_signals_are_refused_and_inspect_tells_of_the_output(command: Command, quieter: Model, tmp_path: Path) -> None:
    quieter.save(tmp_path / "m")
    ended = command("run", tmp_path / "m", "--key", "1", "--store", tmp_path / "states")
    assert ended.code == 2
    assert "takes 4 and gives 4" in " ".join(ended.err.split())
    assert json.loads(command("inspect", "--json", tmp_path / "m").out)["notes"]["output"] == {"rows": 4, "delay": 12}

"""The amplifier: wav in, wav out, and a network that is what it says."""

import re
import subprocess
import sys

import numpy as np
import pytest

from streamrnn import LSTM, Stream
from streamrnn_converters import from_onnx

soundfile = pytest.importorskip("soundfile", reason="wav is read with soundfile, the extra `audio`")
RATE = 48_000


@pytest.fixture(scope="module")
def run(examples, tmp_path_factory):
    """amplify.py with arguments, from another folder."""
    cwd = tmp_path_factory.mktemp("elsewhere")
    script = examples / "amplifier" / "amplify.py"
    return lambda *arguments: subprocess.run(
        [sys.executable, script, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300
    )


def test_it_is_proven_and_near_the_circuit_on_a_phrase_that_it_has_not_heard(run):
    done = run()
    assert done.returncode == 0, done.stderr
    assert "proved amplifier.onnx against onnxruntime" in done.stderr
    assert re.search(
        r"^3000 buffers of 64 samples: p50 \d+\.\d µs, .*; a buffer plays 1333 µs at 48 kHz", done.stdout, re.MULTILINE
    )
    assert float(re.search(r"learned: (\d+\.\d)% of", done.stdout)[1]) < 5


def test_a_wav_gives_the_wav_that_a_stream_gives_in_one_chunk(run, examples, tmp_path):
    x = (0.3 * np.random.default_rng(0).normal(size=(1000, 1))).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    done = run(tmp_path / "in.wav", tmp_path / "out.wav")
    assert done.returncode == 0, done.stderr
    y, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    model = from_onnx(examples / "amplifier" / "amplifier.onnx")
    assert [type(layer) for layer in model.layers if isinstance(layer, LSTM)] == [LSTM]
    assert model.layers[0].output_size == 40
    assert rate == RATE
    assert y.tobytes() == Stream(model).process(x).tobytes()


def test_a_wav_of_another_rate_is_refused(run, tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(10), 44_100)
    done = run(tmp_path / "in.wav", tmp_path / "out.wav")
    assert done.returncode == 1
    assert "convert it to one channel of 48000 Hz" in done.stderr
    assert not (tmp_path / "out.wav").exists()

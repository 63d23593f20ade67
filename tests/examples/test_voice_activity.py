"""Silero VAD: speech in a wav, and in a pipe as it arrives."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from streamrnn import LSTM, Model
from streamrnn_converters import from_onnx, verify
from streamrnn_converters.proof.trials import Case

soundfile = pytest.importorskip("soundfile", reason="wav is read with soundfile, the extra `audio`")


@pytest.fixture(scope="module")
def folder(examples):
    return examples / "voice_activity"


@pytest.mark.parametrize("wrong", [0.0, 1e-4])
def test_the_network_is_proven_and_weights_that_are_off_by_little_are_not(folder, wrong):
    path = folder / "silero_vad_16k_op15.onnx"
    model = from_onnx(path, {"sr": 16_000, "batch": 1, "sequence": 576})
    (index,) = (index for index, layer in enumerate(model.layers) if isinstance(layer, LSTM))
    lstm, layers = model.layers[index], list(model.layers)
    off = 1 + wrong * np.random.default_rng(0).normal(size=lstm.recurrent_weights.shape)
    layers[index] = replace(lstm, recurrent_weights=(lstm.recurrent_weights * off).astype(np.float32))
    report = verify(Model(layers, model.notes, model.sources), path, cases=(Case("normal", 1.0, 66),))
    assert report.proven == (not wrong), report


def listen(folder, *arguments, **options):
    command = [sys.executable, folder / "listen.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300, check=False, **options)


def test_three_sentences_are_three_segments_in_a_wav_and_in_a_pipe(folder):
    done = listen(folder)
    assert done.returncode == 0, done.stderr
    assert re.search(rb"compared with onnxruntime over 1\d\d hops: largest error \d\.\de-\d\d", done.stderr)
    times = [float(found) for found in re.findall(r"(\d+\.\d\d) s  speech (?:begins|ends)", done.stdout.decode())]
    assert times == sorted(times)
    assert len(times) == 6
    sound, _ = soundfile.read(folder / "speech.wav", dtype="int16")
    piped = listen(folder, "-", input=sound.tobytes() + b"\0" * 10)
    assert piped.returncode == 0, piped.stderr
    assert b"the last 5 samples are no whole hop of 512" in piped.stderr
    assert [line for line in piped.stdout.splitlines() if b"speech" in line] == [
        line for line in done.stdout.splitlines() if b"speech" in line
    ]


def test_the_recording_is_small_and_a_wav_of_another_rate_is_refused(folder, tmp_path):
    assert (folder / "speech.wav").stat().st_size < 200_000
    soundfile.write(tmp_path / "in.wav", np.zeros(1000), 8_000)
    done = listen(folder, tmp_path / "in.wav")
    assert done.returncode == 1
    assert b"convert it to one channel of 16000 Hz" in done.stderr

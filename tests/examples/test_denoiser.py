"""The denoiser: wav in, wav out, with less noise, by its own script and by the command."""

import re
import subprocess
import sys

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile", reason="wav is read with soundfile, the extra `audio`")


@pytest.fixture(scope="module")
def noisy(examples):
    speech, rate = soundfile.read(examples / "voice_activity" / "speech.wav", dtype="float32")
    assert rate == 16_000
    return speech[:32_000] + np.random.default_rng(1).normal(0, 0.03, 32_000).astype(np.float32)


def test_noise_goes_and_the_command_writes_the_same_signal(examples, noisy, tmp_path):
    soundfile.write(tmp_path / "in.wav", noisy, 16_000, subtype="FLOAT")
    script = examples / "denoiser" / "denoise.py"
    arguments = [tmp_path / "in.wav", tmp_path / "out.wav", "--save", tmp_path / "m"]
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert re.search(r"compared with onnxruntime over 370 spectra: largest error \d\.\de-\d\d", done.stderr)
    assert re.search(r"^126 hops of 16 ms: p50 \d+ µs, p99 \d+ µs; real-time factor \d\.\d{4} ", done.stdout, re.MULTILINE)
    output, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    speech = soundfile.read(examples / "voice_activity" / "speech.wav", dtype="float32")[0][:32_000]
    assert output.shape == noisy.shape
    assert np.sum((output - speech) ** 2) < 0.2 * np.sum((noisy - speech) ** 2)
    command = [sys.executable, "-m", "streamrnn", "run", tmp_path / "m", tmp_path / "in.wav", "-o", tmp_path / "run.wav"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr
    assert "256 rows later than the input" in ran.stderr
    late, _ = soundfile.read(tmp_path / "run.wav", dtype="float32")
    assert late[256:].tobytes() == output[:-256].tobytes()

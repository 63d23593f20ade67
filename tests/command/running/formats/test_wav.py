"""wav: frames are rows, and what is written is a wav that others read."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, Stream, load
from streamrnn.command.running.formats import wav
from tests.command.process import Command, finished

RATE = 16_000


def parsed(data: bytes) -> tuple[int, int, np.ndarray]:
    """Rate, channels and float32 samples, by the chunks of the RIFF format."""
    assert data[:4] == b"RIFF"
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert data[8:12] == b"WAVE"
    at, chunks = 12, {}
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size
    kind, channels, rate, per_second, frame, bits, extra = struct.unpack("<HHIIHHH", chunks[b"fmt "])
    assert (kind, per_second, frame, bits, extra) == (3, rate * frame, 4 * channels, 32, 0)
    samples = np.frombuffer(chunks[b"data"], "<f4").reshape(-1, channels)
    assert int.from_bytes(chunks[b"fact"], "little") == len(samples)
    return rate, channels, samples


def test_outputs_are_the_frames_of_a_wav(
    command: Command, archive: Path, lines: list[bytes], y: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_bytes(b"".join(lines))
    assert command("run", archive, tmp_path / "in.csv", "-o", tmp_path / "out.wav", "--rate", str(RATE)).code == 0
    rate, channels, samples = parsed((tmp_path / "out.wav").read_bytes())
    assert (rate, channels, samples.tobytes()) == (RATE, 2, y.astype("<f4").tobytes())


@pytest.mark.parametrize("ended", ["empty", "bad line"])
def test_the_header_of_a_run_that_ends_early_is_complete(
    command: Command, archive: Path, lines: list[bytes], y: np.ndarray, tmp_path: Path, ended: str
) -> None:
    text = b"" if ended == "empty" else b"".join(lines[:7]) + b"oops\n"
    (tmp_path / "in.csv").write_bytes(text)
    code = command("run", archive, tmp_path / "in.csv", "-o", tmp_path / "out.wav", "--rate", str(RATE)).code
    assert code == (ended == "bad line")
    assert parsed((tmp_path / "out.wav").read_bytes())[2].tobytes() == y[: 7 * code].astype("<f4").tobytes()


def test_a_wav_in_a_pipe_has_a_header_of_unknown_length(archive: Path, lines: list[bytes], y: np.ndarray) -> None:
    result = finished("run", archive, "--output-format", "wav", "--rate", "8000", stdin=b"".join(lines))
    assert result.stdout == wav.header(8000, 2) + y.astype("<f4").tobytes()


def test_a_length_that_a_wav_cannot_have_is_said_to_be_unknown() -> None:
    assert wav.header(RATE, 2, 1 << 32) == wav.header(RATE, 2)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
def test_the_frames_of_a_wav_are_answered(
    command: Command, gated: Model, archive: Path, x: np.ndarray, tmp_path: Path, subtype: str
) -> None:
    soundfile = pytest.importorskip("soundfile", reason="reads wav: pip install 'streamrnn[audio]'")
    soundfile.write(tmp_path / "in.wav", np.clip(x, -0.9, 0.9), RATE, subtype=subtype)
    played, _ = soundfile.read(tmp_path / "in.wav", dtype="float32")
    assert command("run", archive, tmp_path / "in.wav", "-o", tmp_path / "out.wav") == (0, "", "")
    heard, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (rate, heard.tobytes()) == (RATE, Stream(gated).process(played).tobytes())
    assert command("run", archive, tmp_path / "in.wav", "-o", tmp_path / "out.f32").code == 0
    assert command("run", archive, tmp_path / "in.wav", "--output-format", "csv").out.count("\n") == len(x)


def test_another_sample_rate_than_that_of_the_model_is_said(command: Command, archive: Path, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="reads wav: pip install 'streamrnn[audio]'")
    soundfile.write(tmp_path / "in.wav", np.zeros((10, 2)), RATE)
    whole = load(archive)
    for rate, said in ((RATE, 0), (48000.0, 1), ("fast", 0)):
        Model(whole.layers, {"source": {"sample_rate": rate}}, whole.sources).save(tmp_path / "rated.safetensors")
        ended = command("run", tmp_path / "rated.safetensors", tmp_path / "in.wav", "-o", tmp_path / "out.wav")
        assert ended.code == 0
        assert ended.err.count(f"the wav has {RATE} samples per second, the model was made for 48000") == said


def test_what_is_no_audio_and_other_channels_are_errors(command: Command, archive: Path, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="reads wav: pip install 'streamrnn[audio]'")
    soundfile.write(tmp_path / "mono.wav", np.zeros(10), RATE)
    (tmp_path / "text.wav").write_text("1,2\n")
    for name, error in (("mono.wav", "has 1 channel, but the model takes 2 values"), ("text.wav", "cannot be read as audio")):
        ended = command("run", archive, tmp_path / name, "-o", tmp_path / "out.csv")
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert error in ended.err


def test_without_soundfile_the_extra_is_named(
    command: Command, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "in.wav").write_bytes(wav.header(RATE, 2, 0))
    ended = command("run", archive, tmp_path / "in.wav", "-o", tmp_path / "out.csv")
    assert (ended.code, "pip install 'streamrnn[audio]'" in ended.err) == (1, True)


def test_a_wav_in_a_pipe_is_refused(archive: Path) -> None:
    result = finished("run", archive, "--format", "wav", "--output-format", "csv", stdin=wav.header(RATE, 2, 0))
    assert (result.returncode, b"from a file only" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "options", [["-o", "out.wav"], ["--rate", "8000"], ["--key", "1", "--store", "s", "-o", "out.wav", "--rate", "8000"]]
)
def test_options_that_do_not_go_together_are_wrong_usage(command: Command, archive: Path, options: list[str]) -> None:
    assert command("run", archive, *options).code == 2

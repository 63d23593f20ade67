"""Make `speech.wav` with espeak-ng: three sentences with pauses, in a faint noise. `python record.py [FILE.wav]`."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SPEECH = Path(__file__).parent / "speech.wav"
RATE = 16_000
SENTENCES = ("One input vector arrives.", "One output vector leaves.", "The state stays.")
PAUSE = 0.45  # seconds before, between and after them
NOISE = 0.002


def spoken(sentence: str) -> NDArray[np.float64]:
    """A sentence at 16 kHz, (n,). Raises FileNotFoundError without espeak-ng."""
    wav = subprocess.run(
        ["espeak-ng", "--stdout", "-v", "en-us", "-s", "165", sentence], capture_output=True, check=True
    ).stdout
    sound, rate = soundfile.read(io.BytesIO(wav))
    sound = np.trim_zeros(sound)
    n = round(len(sound) * RATE / rate)
    return np.fft.irfft(np.fft.rfft(sound)[: n // 2 + 1], n) * n / len(sound)  # resampled: the lower part of its spectrum


def main() -> None:
    """The command line."""
    pause = np.zeros(round(PAUSE * RATE))
    try:
        parts = [part for sentence in SENTENCES for part in (pause, 0.5 * spoken(sentence))]
    except FileNotFoundError:
        sys.exit("record.py: espeak-ng is not installed; install it with: apt install espeak-ng")
    sound = np.concatenate([*parts, pause])
    sound = sound[: len(sound) // 512 * 512]  # whole hops
    sound += NOISE * np.random.default_rng(0).normal(size=sound.size)
    soundfile.write(sys.argv[1] if len(sys.argv) > 1 else SPEECH, sound, RATE, subtype="PCM_16")


if __name__ == "__main__":
    main()

"""Noise out of speech: the first half of DTLN between a Fourier transform and an overlap-add. Wav in, wav out.

`python denoise.py [IN.wav OUT.wav]` needs `pip install 'streamrnn[convert,audio]'`. Without files it adds noise to speech of
its own and says how much of it went. The exit code is 1 if it fails.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from streamrnn import Arithmetic, Model, Select, Stream, StreamRNNError, audio
from streamrnn_converters import from_onnx, verify

HERE = Path(__file__).parent
NETWORK = HERE / "dtln_1.onnx"
SPEECH = HERE.parent / "voice_activity" / "speech.wav"
RATE, BLOCK, HOP = 16_000, 512, 128
BINS = BLOCK // 2 + 1
NOISE = 0.03  # root mean square of the noise that is added

Samples = NDArray[np.float32]


def mask() -> Model:
    """The network: magnitudes (257,) -> (257,), what is to stay of each bin. Raises SystemExit if it is not proven."""
    network = from_onnx(NETWORK)
    report = verify(network, NETWORK)
    if not report.proven:
        sys.exit(f"denoise.py: {NETWORK.name} does not do what onnxruntime does\n{report}")
    print(f"proved {NETWORK.name} against onnxruntime: largest error {report.largest_error:.1e}", file=sys.stderr, flush=True)
    return network


def denoiser(network: Model) -> Model:
    """128 new samples, (128, 1), to 128 samples, (128,), 384 samples late: each spectrum times the mask of its magnitude."""
    from_spectrum = audio.in_a_row(audio.magnitude(BINS), network)
    n = len(from_spectrum.layers)
    each_part = Select(BINS, tuple(np.arange(BINS).repeat(2).tolist()))  # real and imaginary part of a bin get the same
    layers = [*from_spectrum.layers, each_part, Arithmetic(2 * BINS, "multiply")]
    masked = Model(layers, from_spectrum.notes, [*from_spectrum.sources, (n - 1,), (-1, n)])
    block = np.ones(BLOCK)  # DTLN was trained with blocks as they are
    return audio.in_a_row(audio.stft(block, HOP), masked, audio.istft(block, HOP))


def denoised(model: Model, signal: Samples) -> tuple[Samples, NDArray[np.float64]]:
    """(n,) -> (n,), without the delay, and the time that each hop took, in µs."""
    delay = audio.OutputRows.of(model).delay
    n_hops = -(-(len(signal) + delay) // HOP)
    padded = np.zeros((n_hops * HOP, 1), np.float32)
    padded[: len(signal), 0] = signal
    stream, output, latency = Stream(model), np.empty((n_hops, HOP), np.float32), np.empty(n_hops)
    for index, hop in enumerate(padded.reshape(n_hops, HOP, 1)):
        begin = time.perf_counter_ns()
        output[index] = stream.step(hop)
        latency[index] = (time.perf_counter_ns() - begin) / 1000
    return output.reshape(-1)[delay : delay + len(signal)], latency


def speed_line(latency: NDArray[np.float64]) -> str:
    """How long hops took, and the real-time factor: the time that it takes as a share of the time that the sound takes."""
    p50, p99 = np.percentile(latency, (50, 99))
    hop = HOP / RATE * 1e6
    times = f"p50 {p50:.0f} µs, p99 {p99:.0f} µs"
    return f"{len(latency)} hops of {hop / 1000:.0f} ms: {times}; real-time factor {p50 / hop:.4f} (p50)"


def signal_to_noise(speech: Samples, signal: Samples) -> float:
    """In dB: the energy of the speech, at the level that it has in the signal, to that of all else (Le Roux et al. 2019)."""
    kept = speech * (np.dot(signal, speech) / np.dot(speech, speech))
    return float(10 * np.log10(np.sum(kept**2) / np.sum((signal - kept) ** 2)))


def read(path: str | Path) -> Samples:
    """A wav with one channel. Raises SystemExit if it is something else."""
    signal, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if signal.shape[1] != 1 or rate != RATE or not len(signal):
        found = f"channels: {signal.shape[1]}, rate: {rate} Hz, samples: {len(signal)}"
        sys.exit(f"denoise.py: {path}: {found}; convert it to one channel of {RATE} Hz")
    return np.ascontiguousarray(signal[:, 0])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN.wav", nargs="?", help=f"one channel of {RATE} Hz")
    parser.add_argument("target", metavar="OUT.wav", nargs="?")
    parser.add_argument("--save", metavar="MODEL", help="write the whole model too, for `streamrnn run`")
    args = parser.parse_args()
    if args.source and not args.target:
        parser.error("the output has no name; give IN.wav OUT.wav")
    try:
        speech = read(args.source or SPEECH)
        noise = np.random.default_rng(0).normal(0, NOISE, len(speech)).astype(np.float32)
        noisy = speech if args.source else speech + noise
        model = denoiser(mask())
        if args.save:
            model.save(args.save)
        output, latency = denoised(model, noisy)
        if args.target:
            soundfile.write(args.target, output, RATE, subtype="FLOAT")
    except (StreamRNNError, OSError, RuntimeError) as error:
        sys.exit(f"denoise.py: {error}")
    print(f"Speech without noise, by the first half of DTLN, {len(noisy) / RATE:.1f} seconds\n")
    print(speed_line(latency))
    if not args.source:
        before, after = signal_to_noise(speech, noisy), signal_to_noise(speech, output)
        print(f"signal to noise: {before:.1f} dB before, {after:.1f} dB after")


if __name__ == "__main__":
    main()

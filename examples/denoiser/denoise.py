"""Noise out of speech: GTCRN between a Fourier transform and an overlap-add. Wav in, wav out.

`python denoise.py [IN.wav OUT.wav]` needs `pip install 'streamrnn[convert,audio]'`. Without files it adds noise to speech of
its own and says how much of it went. The exit code is 1 if it fails.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from numpy.typing import NDArray

from streamrnn import Model, Stream, StreamRNNError, audio
from streamrnn_converters import from_onnx

HERE = Path(__file__).parent
NETWORK = HERE / "gtcrn_simple.onnx"
SPEECH = HERE.parent / "voice_activity" / "speech.wav"
RATE, HOP = 16_000, 256
WINDOW = np.sqrt(np.hanning(513)[:-1])  # with which GTCRN was trained
NOISE = 0.03  # root mean square of the noise that is added
TOLERANCE = 1e-5

Samples = NDArray[np.float32]


def denoiser() -> Model:
    """256 new samples, (256, 1), to 256 samples, (256,), 256 samples late.

    Raises SystemExit if the network within is not what onnxruntime computes of the spectra of `speech.wav`.
    """
    stft, network, istft = audio.stft(WINDOW, HOP), from_onnx(NETWORK), audio.istft(WINDOW, HOP)
    signal = read(SPEECH)
    spectra = Stream(stft).process(signal[: len(signal) // HOP * HOP, None])
    found, expected = Stream(network).process(spectra), by_onnxruntime(spectra)
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not error <= TOLERANCE:
        sys.exit(f"denoise.py: {NETWORK.name}: differs from onnxruntime by {error:.1e} of the largest value")
    print(f"compared with onnxruntime over {len(spectra)} spectra: largest error {error:.1e}", file=sys.stderr, flush=True)
    return audio.in_a_row(stft, network, istft)


def by_onnxruntime(spectra: Samples) -> Samples:
    """The spectra, (n, 514), without noise, by onnxruntime, which is given back the three caches of the network."""
    session = onnxruntime.InferenceSession(NETWORK, providers=["CPUExecutionProvider"])
    signal, *caches = session.get_inputs()
    states, output = [np.zeros(cache.shape, np.float32) for cache in caches], np.empty_like(spectra)
    for index, spectrum in enumerate(spectra):
        fed = dict(zip([cache.name for cache in caches], states, strict=True))
        enhanced, *states = session.run(None, {signal.name: spectrum.reshape(signal.shape), **fed})
        output[index] = enhanced.ravel()
    return output


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
        model = denoiser()
        if args.save:
            model.save(args.save)
        output, latency = denoised(model, noisy)
        if args.target:
            soundfile.write(args.target, output, RATE, subtype="FLOAT")
    except (StreamRNNError, OSError, RuntimeError) as error:
        sys.exit(f"denoise.py: {error}")
    print(f"Speech without noise, by GTCRN, {len(noisy) / RATE:.1f} seconds\n")
    print(speed_line(latency))
    if not args.source:
        before, after = signal_to_noise(speech, noisy), signal_to_noise(speech, output)
        print(f"signal to noise: {before:.1f} dB before, {after:.1f} dB after")


if __name__ == "__main__":
    main()

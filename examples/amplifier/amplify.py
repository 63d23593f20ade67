"""An amplifier as an LSTM: wav in, wav out, 64 samples at a time, as a sound card asks for them.

`python amplify.py [IN.wav OUT.wav]` needs `pip install 'streamrnn[convert,audio]'`. Without files it takes a phrase of its own,
and says how far the network is from the circuit that it learned. The exit code is 1 if it fails.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from circuit import amplify
from guitar import RATE, phrase
from numpy.typing import NDArray

from streamrnn import Model, Stream, StreamRNNError
from streamrnn_converters import from_onnx, verify

MODEL = Path(__file__).parent / "amplifier.onnx"
BUFFER = 64  # samples that a sound card asks for at once
SECONDS, SEED = 4, 3  # of the phrase, which the network has not been trained with

Samples = NDArray[np.float32]


def proven() -> Model:
    """The model, compared with onnxruntime. Raises SystemExit with the report if they differ."""
    model = from_onnx(MODEL)
    report = verify(model, MODEL)
    if not report.proven:
        sys.exit(f"amplify.py: {MODEL.name} does not do what onnxruntime does\n{report}")
    print(f"proved {MODEL.name} against onnxruntime: largest error {report.largest_error:.1e}", file=sys.stderr, flush=True)
    return model


def buffers(signal: Samples) -> Iterator[Samples]:
    """The signal in parts of 64 samples, each (64, 1); the last one may be shorter."""
    for begin in range(0, len(signal), BUFFER):
        yield signal[begin : begin + BUFFER, None]


def amplified(model: Model, signal: Samples) -> tuple[Samples, NDArray[np.float64]]:
    """(n,) -> (n,), and the time that each buffer took, in µs."""
    stream = Stream(model)
    output, latency = [], []
    for buffer in buffers(signal):
        begin = time.perf_counter_ns()
        output.append(stream.process(buffer))
        latency.append((time.perf_counter_ns() - begin) / 1000)
    return np.concatenate(output)[:, 0], np.array(latency)


def latency_line(latency: NDArray[np.float64]) -> str:
    """How long buffers took, and what share of the time that a buffer plays."""
    p50, p99, worst = np.percentile(latency, (50, 99, 100))
    plays = BUFFER / RATE * 1e6
    return (
        f"{len(latency)} buffers of {BUFFER} samples: p50 {p50:.1f} µs, p99 {p99:.1f} µs, max {worst:.1f} µs; a buffer plays "
        f"{plays:.0f} µs at {RATE // 1000} kHz, so the amplifier takes {p50 / plays:.1%} of one core"
    )


def error_to_signal(output: Samples, truth: Samples) -> float:
    """The energy of the error as a share of that of the signal."""
    return float(np.sum((output - truth) ** 2) / np.sum(truth**2))


def read(path: str) -> Samples:
    """A wav with one channel. Raises SystemExit if it is something else."""
    try:
        signal, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        sys.exit(f"amplify.py: {path}: {error}")
    if signal.shape[1] != 1 or rate != RATE or not len(signal):
        found = f"channels: {signal.shape[1]}, rate: {rate} Hz, samples: {len(signal)}"
        sys.exit(f"amplify.py: {path}: {found}; convert it to one channel of {RATE} Hz")
    return np.ascontiguousarray(signal[:, 0])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN.wav", nargs="?", help=f"one channel of {RATE} Hz")
    parser.add_argument("target", metavar="OUT.wav", nargs="?")
    args = parser.parse_args()
    if args.source and not args.target:
        parser.error("the output has no name; give IN.wav OUT.wav")
    try:
        model = proven()
        signal = read(args.source) if args.source else phrase(SECONDS, SEED)
        output, latency = amplified(model, signal)
        if args.target:
            soundfile.write(args.target, output, RATE, subtype="FLOAT")
    except (StreamRNNError, OSError, RuntimeError) as error:
        sys.exit(f"amplify.py: {error}")
    print(f"An LSTM of 40 units as a guitar amplifier, {len(signal) / RATE:.1f} seconds\n")
    print(latency_line(latency))
    if not args.source:
        print(f"error to the circuit that it learned: {error_to_signal(output, amplify(signal)):.1%} of the signal's energy")


if __name__ == "__main__":
    main()

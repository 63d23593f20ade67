"""Who speaks when? Silero VAD on a wav, or on a pipe from a microphone; each segment is printed as it begins and ends.

`python listen.py [FILE.wav | -]` needs `pip install 'streamrnn[convert,audio]'`. `-` is raw 16-bit samples of one channel and
16 kHz on standard input: `arecord -q -t raw -f S16_LE -r 16000 | python listen.py -`. The exit code is 1 if it fails.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from numpy.typing import NDArray
from segments import changes

from streamrnn import Frame, Model, Stream, StreamRNNError, audio
from streamrnn_converters import from_onnx

HERE = Path(__file__).parent
NETWORK, SPEECH = HERE / "silero_vad_16k_op15.onnx", HERE / "speech.wav"
RATE, HOP, CONTEXT = 16_000, 512, 64  # the network takes the last 64 samples of the hop before, too
TOLERANCE = 1e-5

Samples = NDArray[np.float32]


def detector() -> Model:
    """Silero VAD with its context: (512, 1) -> (1,), the probability of speech.

    Raises SystemExit if it is not what onnxruntime computes of the file as it is, over `speech.wav`.
    """
    network = from_onnx(NETWORK, {"sr": RATE, "batch": 1, "sequence": CONTEXT + HOP})
    model = audio.in_a_row(Model([Frame(1, HOP, CONTEXT + HOP)]), network)
    hops = list(hops_of_file(SPEECH))
    found = Stream(model).process(np.concatenate(hops))[:, 0]
    error = float(np.abs(found - list(by_onnxruntime(hops))).max())
    if not error <= TOLERANCE:
        sys.exit(f"listen.py: {NETWORK.name}: its probabilities differ from those of onnxruntime by {error:.1e}")
    print(f"compared with onnxruntime over {len(hops)} hops: largest error {error:.1e}", file=sys.stderr, flush=True)
    return model


def by_onnxruntime(hops: Iterable[Samples]) -> Iterator[float]:
    """The probability of speech in each hop, by onnxruntime, with the context and the state carried."""
    session = onnxruntime.InferenceSession(NETWORK, providers=["CPUExecutionProvider"])
    context, state = np.zeros(CONTEXT, np.float32), np.zeros((2, 1, 128), np.float32)
    for hop in hops:
        samples = np.concatenate([context, hop.ravel()])
        context = samples[-CONTEXT:]
        probability, state = session.run(None, {"input": samples[None], "state": state, "sr": np.array(RATE)})
        yield float(probability[0, 0])


def hops_of_file(path: str | Path) -> Iterator[Samples]:
    """The whole hops of a wav, each (512, 1). Raises SystemExit if it is not one channel of 16 kHz."""
    with soundfile.SoundFile(path) as file:
        if file.channels != 1 or file.samplerate != RATE:
            found = f"channels: {file.channels}, rate: {file.samplerate} Hz"
            sys.exit(f"listen.py: {path}: {found}; convert it to one channel of {RATE} Hz")
        while len(hop := file.read(HOP, dtype="float32", always_2d=True)) == HOP:
            yield hop
    say_left(len(hop))


def hops_of_pipe() -> Iterator[Samples]:
    """The whole hops of 16-bit samples on standard input, each (512, 1), as they arrive."""
    while len(data := sys.stdin.buffer.read(2 * HOP)) == 2 * HOP:
        yield (np.frombuffer(data, "<i2") / np.float32(32768))[:, None]
    say_left(len(data) // 2)


def say_left(n_samples: int) -> None:
    """Say that the end of the signal was no whole hop."""
    if n_samples:
        print(f"the last {n_samples} samples are no whole hop of {HOP} and were not heard", file=sys.stderr)


def probabilities(model: Model, hops: Iterator[Samples], latency: list[float]) -> Iterator[float]:
    """The probability of speech in each hop; the µs that each took are added to `latency`."""
    stream = Stream(model)
    for hop in hops:
        begin = time.perf_counter_ns()
        (probability,) = stream.step(hop)
        latency.append((time.perf_counter_ns() - begin) / 1000)
        yield float(probability)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="FILE.wav", nargs="?", default=SPEECH, help='"-": standard input')
    args = parser.parse_args()
    latency: list[float] = []
    try:
        model = detector()
        hops = hops_of_pipe() if args.source == "-" else hops_of_file(args.source)
        for change in changes(probabilities(model, hops, latency), HOP / RATE):
            print(f"{change.seconds:8.2f} s  speech {'begins' if change.begins else 'ends'}", flush=True)
    except KeyboardInterrupt:
        pass
    except (StreamRNNError, OSError, RuntimeError) as error:
        sys.exit(f"listen.py: {error}")
    if latency:
        p50, p99 = np.percentile(latency, (50, 99))
        print(f"{len(latency)} hops of {HOP / RATE * 1000:.0f} ms: p50 {p50:.0f} µs, p99 {p99:.0f} µs a hop")


if __name__ == "__main__":
    main()

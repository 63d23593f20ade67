"""python -m benchmarks.quantized: a step with weights in fewer bytes, beside the same step with float32 weights.

All take turns, and each figure is the smallest of many samples; so the ratios are those of minima in one run.
"""

import argparse
import time

import numpy as np

from streamrnn import GRU, LSTM, Layer, Model, Stream
from streamrnn.target.storage import STORED_TYPES

_KINDS: dict[str, tuple[type[Layer], int]] = {"lstm": (LSTM, 4), "gru": (GRU, 3)}
_SAMPLE_SECONDS = 2e-3


def main() -> None:
    """Print a table: time of a step in float32, and how many times as fast each stored type is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[128, 256, 512, 1024])
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(_KINDS))
    parser.add_argument("--rounds", type=int, default=200)
    chosen = parser.parse_args()
    print("| layer | float32 |", " | ".join(STORED_TYPES), "|")
    print("|---|---|" + "---|" * len(STORED_TYPES))
    for kind in chosen.kinds:
        for size in chosen.sizes:
            full, *others = _smallest(kind, size, chosen.rounds)
            print(
                f"| {kind} {size}x{size} | {full * 1e6:.2f} µs |",
                " | ".join(f"{full / t:.2f}" for t in others),
                "|",
                flush=True,
            )


def _smallest(kind: str, size: int, rounds: int) -> list[float]:
    """Seconds of a step: float32, then each stored type."""
    rng, (layer, n_gates) = np.random.default_rng(0), _KINDS[kind]
    bound = size**-0.5
    shapes = {"input_weights": (n_gates, size, size), "recurrent_weights": (n_gates, size, size), "bias": (n_gates, size)}
    full = layer(**{name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()})
    streams = [Stream(Model([one])) for one in (full, *(full.with_stored(stored) for stored in STORED_TYPES))]
    x = rng.standard_normal(size).astype(np.float32)
    for stream in streams:
        stream.step(x)
    n_steps = max(4, int(_SAMPLE_SECONDS / _seconds(streams[0], x, 4)))
    best = [float("inf")] * len(streams)
    for _ in range(rounds):
        for index, stream in enumerate(streams):
            best[index] = min(best[index], _seconds(stream, x, n_steps))
    return best


def _seconds(stream: Stream, x: "np.ndarray[tuple[int], np.dtype[np.float32]]", n_steps: int) -> float:
    begin = time.perf_counter()
    for _ in range(n_steps):
        stream.step(x)
    return (time.perf_counter() - begin) / n_steps


if __name__ == "__main__":
    main()

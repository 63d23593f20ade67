"""Which vector width suits which layer on this CPU: measured times for the rule in streamrnn/target/cpu.py.

    python benchmarks/tune.py [--kinds lstm,gru-after,gru-before,rnn,dense] [--sizes 8,16,…] [--rounds 15]

For each kind and size it times every width; the widths take turns. It prints the ns per step (minimum of the rounds), marks the
width that the rule chooses, and prints how far that one is from the best.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import streamrnn.plan
from streamrnn import GRU, LSTM, RNN, Dense, Layer, Model, Stream
from streamrnn.target.cpu import width_for
from streamrnn.target.packing import Width

RNG = np.random.default_rng(0)
WIDTHS = [Width(4, 1), Width(4, 2), *(Width(8, n) for n in range(1, 6)), *(Width(16, n) for n in range(1, 5))]


def _weights(*shape: int) -> np.ndarray:
    return RNG.uniform(-0.1, 0.1, shape).astype(np.float32)


KINDS: dict[str, Callable[[int], Layer]] = {
    "lstm": lambda h: LSTM(_weights(4, h, h), _weights(4, h, h)),
    "gru-after": lambda h: GRU(_weights(3, h, h), _weights(3, h, h)),
    "gru-before": lambda h: GRU(_weights(3, h, h), _weights(3, h, h), form="reset-before"),
    "rnn": lambda h: RNN(_weights(1, h, h), _weights(1, h, h)),
    "dense": lambda h: Dense(_weights(h, h)),
}


def stream_of(layer: Layer, width: Width) -> Stream:
    """A stream whose kernel has a given width."""
    streamrnn.plan.width_for = lambda units, rows, passes, dtype=np.float32: width  # type: ignore[assignment]
    return Stream(Model([layer]))


def times(layer: Layer, rounds: int) -> dict[Width, float]:
    """Nanoseconds per step for each width."""
    streams = {width: stream_of(layer, width) for width in WIDTHS}
    n_steps = max(20, int(2e5 / (layer.n_units * (layer.input_size + layer.output_size) / 30 + 30)))
    x = RNG.normal(size=(n_steps, layer.input_size)).astype(np.float32)
    best = dict.fromkeys(WIDTHS, float("inf"))
    for _ in range(rounds):
        for width, stream in streams.items():
            begin = time.perf_counter_ns()
            stream.process(x)
            best[width] = min(best[width], (time.perf_counter_ns() - begin) / n_steps)
    return best


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sizes", default="4,8,12,16,20,24,32,40,48,56,64,72,96,128,256")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    print("kind        size  rule/best  " + " ".join(f"{w.lanes:>4},{w.blocks}" for w in WIDTHS))
    for kind in args.kinds.split(","):
        for size in map(int, args.sizes.split(",")):
            layer = KINDS[kind](size)
            best = times(layer, args.rounds)
            chosen = width_for(layer.n_units, layer.input_size + layer.output_size, layer.passes)
            marks = [f"{best[w]:6.0f}" if w != chosen else f"[{best[w]:.0f}]".rjust(6) for w in WIDTHS]
            ratio = best[chosen] / min(best.values()) if chosen in best else float("nan")
            print(f"{kind:<11} {size:>4}  {ratio:9.2f}  " + " ".join(marks), flush=True)


if __name__ == "__main__":
    main()

"""python -m benchmarks.quiet: what a step costs at each amplitude of the input, beside that of loud noise.

On many CPUs a subnormal number costs a hundred times as much as another. So each kind of layer, with biases and without, takes
noise of many amplitudes in turn, in chunks. Each ratio is by minima.
"""

import argparse
from collections.abc import Sequence
from time import perf_counter_ns

import numpy as np

from benchmarks.tune import KINDS
from streamrnn import Layer, Model, Stream
from streamrnn.command.measuring.machine import cpu_name

AMPLITUDES = (1.0, 0.0, 1e-10, 1e-20, 1e-28, 1e-32, 1e-36, 1e-37, 1e-38, 1e-40, 1e-44)
N_STEPS = 500


def ratios(layer: Layer, rounds: int) -> list[float]:
    """The time of a step at each amplitude, as a multiple of that at the first."""
    stream, best = Stream(Model([layer])), dict.fromkeys(AMPLITUDES, float("inf"))
    noise = np.random.default_rng(0).normal(size=(N_STEPS, layer.input_size))
    blocks = {amplitude: (noise * amplitude).astype(np.float32) for amplitude in AMPLITUDES}
    for _ in range(rounds):
        for amplitude, block in blocks.items():
            stream.reset()
            begin = perf_counter_ns()
            stream.process(block)
            best[amplitude] = min(best[amplitude], perf_counter_ns() - begin)
    return [time / best[AMPLITUDES[0]] for time in best.values()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sizes", default="1x8,1x40,16x16,64x64")
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args(arguments)
    print(cpu_name())
    print(f"{'':26}" + " ".join(f"{amplitude:7.0e}" for amplitude in AMPLITUDES))
    for kind in given.kinds.split(","):
        for size in given.sizes.split(","):
            without = KINDS[kind](*map(int, size.split("x")))
            biased = without.with_tensor("bias", np.full_like(without.tensors()["bias"], 0.1))
            for name, layer in ("no bias", without), ("bias", biased):
                found = ratios(layer, given.rounds)
                print(f"{kind:<11}{size:>7} {name:<7}" + " ".join(f"{ratio:7.2f}" for ratio in found), flush=True)


if __name__ == "__main__":
    main()

"""Which vector width suits which layer on this CPU: measured times for the rule in streamrnn/target/cpu.py.

    python -m benchmarks.tune [--kinds lstm,gru-after,gru-before,rnn,dense] [--sizes 1x8,64x64,…] [--rounds 15]

For each kind and size it times every width, in single steps of a compiled loop and in a chunk; the widths take turns. It prints
the ns per step (minimum of the rounds), marks the width that the rule chooses, and prints how far that one is from the best. A
width is given as lanes,blocks; with a plus it fetches weights ahead. STREAMRNN_CPU=x86-64-v3 shows the same for code of AVX2.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np

import streamrnn.plan
from streamrnn import GRU, LSTM, RNN, Dense, Layer, Model, Stream
from streamrnn.command.measuring.loop import N_ROWS, steps_in_a_loop
from streamrnn.command.measuring.machine import cpu_name
from streamrnn.target import cpu
from streamrnn.target.caches import caches
from streamrnn.target.packing import Width

KINDS: dict[str, Callable[[int, int], Layer]] = {
    "lstm": lambda i, h: LSTM(_weights(4, h, i), _weights(4, h, h)),
    "gru-after": lambda i, h: GRU(_weights(3, h, i), _weights(3, h, h)),
    "gru-before": lambda i, h: GRU(_weights(3, h, i), _weights(3, h, h), form="reset-before"),
    "rnn": lambda i, h: RNN(_weights(1, h, i), _weights(1, h, h)),
    "dense": lambda i, h: Dense(_weights(h, i)),
}
SIZES = "1x8,1x12,1x16,1x20,1x24,1x32,1x40,1x48,1x64,16x48,64x64,96x96,128x128,200x200,256x256,512x512"
WAYS = ("step", "process")

#: The time of a sample, about, in nanoseconds; and a step's, for one weight and besides, to find how many steps that are.
_SAMPLE, _PER_WEIGHT, _PER_STEP = 3e5, 0.05, 50


def _weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).uniform(-0.1, 0.1, shape).astype(np.float32)


def tried(layer: Layer) -> list[Width]:
    """The widths that are timed: those whose sums fit into the registers; of a large layer also with weights fetched ahead."""
    gates = max(layer.passes)
    widths = [Width(lanes, blocks) for lanes in (4, 8, 16) for blocks in range(1, 9)]
    fit = [width for width in widths if gates * width.blocks <= cpu.n_registers(width) - 4]
    far = (
        [width._replace(ahead=2048) for width in fit if width.lanes > 4]
        if layer.n_parameters * 4 > caches().second // 2
        else []
    )
    return [*fit, *far]


@contextmanager
def every_width(width: Width) -> Iterator[None]:
    """Give every kernel this width, within a `with`, in place of the one that the rule chooses."""
    rule = streamrnn.plan.width_for
    streamrnn.plan.width_for = lambda *layer, **options: width
    try:
        yield
    finally:
        streamrnn.plan.width_for = rule


def stream_of(layer: Layer, width: Width) -> Stream:
    """A stream whose kernel has a given width."""
    with every_width(width):
        return Stream(Model([layer]))


def times(layer: Layer, widths: Sequence[Width], rounds: int) -> dict[tuple[str, Width], float]:
    """Nanoseconds per step for each way and width."""
    n_steps = max(24, int(_SAMPLE / (layer.n_parameters * _PER_WEIGHT + _PER_STEP)))
    x = np.random.default_rng(0).normal(size=(max(N_ROWS, n_steps), layer.input_size)).astype(np.float32)
    runs: dict[tuple[str, Width], Callable[[], Any]] = {}
    for width in widths:
        stream = stream_of(layer, width)
        runs["step", width] = steps_in_a_loop(stream, x[:N_ROWS], n_steps)
        runs["process", width] = lambda stream=stream: stream.process(x[:n_steps])
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    for _, key in product(range(rounds), runs):
        begin = time.perf_counter_ns()
        runs[key]()
        best[key] = min(best[key], (time.perf_counter_ns() - begin) / n_steps)
    return best


def choice(layer: Layer) -> Width:
    """The width that the rule chooses."""
    return cpu.width_for(layer.n_units, layer.input_size, layer.output_size if layer.states else 0, layer.passes)


def name_of(width: Width) -> str:
    """Lanes and blocks of a width; a plus: it fetches weights ahead."""
    return f"{width.lanes},{width.blocks}{'+' if width.ahead else ''}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args(arguments)
    first, second = caches()
    print(f"{cpu_name()}; first cache {first >> 10} KB, second {second >> 10} KB")
    for kind in given.kinds.split(","):
        lost: dict[str, list[float]] = {way: [] for way in WAYS}
        for size in given.sizes.split(","):
            layer = KINDS[kind](*map(int, size.split("x")))
            chosen = choice(layer)
            widths = list(dict.fromkeys([*tried(layer), chosen]))
            measured = times(layer, widths, given.rounds)
            for way in WAYS:
                of_way = {width: measured[way, width] for width in widths}
                ratio = of_way[chosen] / min(of_way.values())
                lost[way].append(ratio)
                shown = (f"{name_of(w)}={of_way[w]:.0f}" for w in sorted(widths, key=of_way.__getitem__)[:8])
                line = f"{kind:<11}{size:>8} {way:<8}{name_of(chosen):>6} {of_way[chosen]:8.0f} ns {ratio:6.3f}  "
                print(line + " ".join(shown), flush=True)
        for way, ratios in lost.items():
            print(
                f"{kind:<11}{way}: the choice takes {max(ratios):.3f} times the best at worst, {np.mean(ratios):.3f} on average"
            )


if __name__ == "__main__":
    main()

"""python -m benchmarks.race OTHER_TREE: this source tree against another one, taking turns on one core, kernel by kernel.

The cost of a change is seen only if both versions run at the same time: two runs on two days compare two days. Each tree has a
process of its own. The processes take turns, and the least CPU time of each counts, which other work on the machine hardly
changes. A third process runs the other tree again, so that the last column shows how much two runs of the same code differ.

    git worktree add /tmp/before HEAD~1 && python -m benchmarks.race /tmp/before --rounds 200
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from math import exp, log
from pathlib import Path

KINDS = ("lstm", "gru-after", "gru-before", "rnn")
SIZES = ("1x8", "1x20", "1x40", "64x64", "256x256", "512x512")
WAYS = ("step", "process", "pool")

#: The program of each process. It uses only what every version has: layers, Model, Stream, StreamPool.
_WORKER = '''
import sys, time
import numpy as np
import streamrnn as s

def model(kind, inputs, hidden):
    r = np.random.RandomState(0)
    a = lambda *shape: r.uniform(-1, 1, shape).astype(np.float32) / hidden**0.5
    if kind == "lstm":
        layer = s.LSTM(a(4, hidden, inputs), a(4, hidden, hidden), a(4, hidden))
    elif kind == "rnn":
        layer = s.RNN(a(1, hidden, inputs), a(1, hidden, hidden), a(1, hidden))
    else:
        layer = s.GRU(a(3, hidden, inputs), a(3, hidden, hidden), a(3, hidden), form="reset-" + kind[4:])
    return s.Model([layer])

def calls(kind, inputs, hidden, way):
    """A function that takes many steps, and how many."""
    m = model(kind, inputs, hidden)
    x = np.random.RandomState(1).uniform(-1, 1, (256, inputs)).astype(np.float32)
    if way == "pool":
        pool = s.StreamPool(m, 256)
        slots = np.array([pool.open() for _ in range(256)])
        out = np.empty((256, hidden), np.float32)
        return (lambda: pool.step(slots, x, out=out)), 256
    stream = s.Stream(m)
    if way == "process":
        return (lambda: stream.process(x)), 256
    step, row, n = stream.step, x[0], max(1, min(2000, int(2e7 / (hidden * (inputs + hidden) * 4) / 10)))
    def steps():
        for _ in range(n):
            step(row)
    return steps, n

known = {}
for line in sys.stdin:
    case = tuple(line.split())
    if case not in known:
        kind, inputs, hidden, way = case
        known[case] = calls(kind, int(inputs), int(hidden), way)
        known[case][0]()
    run, n = known[case]
    begin = time.process_time()
    run()
    print((time.process_time() - begin) / n * 1e9, flush=True)
'''


class Tree:
    """A process that measures the steps of a source tree."""

    def __init__(self, path: Path, core: int) -> None:
        environment = os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{path / 'converters'}"}
        command = [sys.executable, "-c", _WORKER]
        self._process = subprocess.Popen(
            command, env=environment, cwd=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {core})

    def time(self, *case: object) -> float:
        """Nanoseconds of CPU time for a step."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(*case, file=stdin, flush=True)
        return float(stdout.readline())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--this", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=KINDS)
    parser.add_argument("--sizes", type=lambda text: text.split(","), default=SIZES)
    parser.add_argument("--ways", type=lambda text: text.split(","), default=WAYS)
    given = parser.parse_args(arguments)
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    trees = [Tree(path.resolve(), core) for path in (given.this, given.other, given.other)]
    ratios = []
    print(f"{'kind':12}{'I,H':>10}{'way':>9}{'this, ns':>12}{'other, ns':>12}{'this/other':>12}{'other/other':>12}")
    for kind in given.kinds:
        for size in given.sizes:
            inputs, hidden = size.split("x")
            for way in given.ways:
                times = [min(row) for row in zip(*_rounds(trees, (kind, inputs, hidden, way), given.rounds), strict=True)]
                ratios.append(times[0] / min(times[1:]))
                same = times[1] / times[2]
                print(
                    f"{kind:12}{size:>10}{way:>9}{times[0]:12.1f}{min(times[1:]):12.1f}{ratios[-1]:12.3f}{same:12.3f}",
                    flush=True,
                )
    print(f"geometric mean of this/other: {exp(sum(map(log, ratios)) / len(ratios)):.3f}; the largest {max(ratios):.3f}")


def _rounds(trees: Sequence[Tree], case: tuple[str, ...], n: int) -> list[list[float]]:
    return [[tree.time(*case) for tree in trees] for _ in range(n)]


if __name__ == "__main__":
    main()

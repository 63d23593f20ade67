"""How many instructions a step takes on 64-bit ARM at each vector width: for the rule in streamrnn/target/cpu.py.

    python -m benchmarks.board [--kinds lstm,gru-after,gru-before,rnn,dense] [--sizes 1x8,64x64,…]

No board is needed: a model is exported for aarch64 at each width that the rule knows, and qemu runs it and writes down each
instruction. A time under emulation means nothing, a count is exact. It prints the instructions of a step, marks the width that
the rule chooses, and prints how far that one is from the fewest. Instructions are not time: one that waits for the one before
it, as those of a narrow panel do, counts as much as one that does not. So the rule may choose more of them, never many more.

It needs qemu-aarch64-static (Debian's qemu-user-static) and a linker (`pip install '.[export]'`).
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.tune import KINDS, choice, every_width, name_of
from streamrnn import Layer, Model, export_c
from streamrnn.target import cpu
from streamrnn.target.machine import MACHINES, aimed_at
from streamrnn.target.packing import Width

TARGET, EMULATOR = "aarch64", "qemu-aarch64-static"
SIZES = "1x8,1x16,1x32,1x64,16x48,64x64,128x128"
#: Steps of the two runs whose difference counts.
FEW, MANY = 2, 6

_PROGRAM = """
#include <stdlib.h>
#include "m.h"
static m_stream stream;
int main(int n, char **given) {
    static float x[M_INPUTS], y[M_OUTPUTS];
    m_reset(&stream);
    for (int i = 0; i < M_INPUTS; i++) x[i] = 0.5f;
    for (int step = atoi(given[n - 1]); step > 0; step--) m_step(&stream, x, y);
    return 0;
}
"""


def instructions(layer: Layer, width: Width) -> float:
    """The instructions of one step of a layer whose kernel has a width."""
    with TemporaryDirectory() as folder:
        with every_width(width):
            export_c(Model([layer]), folder, "m", TARGET)
        return _counted(Path(folder))


def _counted(folder: Path) -> float:
    (folder / "main.c").write_text(_PROGRAM)
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static", "-O1"]
    subprocess.run([*compiler, "main.c", "m.o", "-o", "program"], cwd=folder, check=True)
    few, many = (_lines_of(folder, n_steps) for n_steps in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _lines_of(folder: Path, n_steps: int) -> int:
    """The lines of qemu's log of a run: one for each instruction, as each is a block of its own."""
    command = [EMULATOR, "-singlestep", "-d", "exec,nochain", "-D", "log", "./program", str(n_steps)]
    subprocess.run(command, cwd=folder, check=True)
    with (folder / "log").open("rb") as log:
        return sum(block.count(b"\n") for block in iter(lambda: log.read(1 << 20), b""))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sizes", default=SIZES)
    given = parser.parse_args(arguments)
    if shutil.which(EMULATOR) is None:
        parser.error(f"{EMULATOR} is not installed; on Debian: apt-get install qemu-user-static")
    for kind in given.kinds.split(","):
        lost = []
        for size in given.sizes.split(","):
            layer = KINDS[kind](*map(int, size.split("x")))
            with aimed_at(MACHINES[TARGET]):
                chosen, widths = choice(layer), cpu.widths(layer.passes)
            found = {width: instructions(layer, width) for width in dict.fromkeys([*widths, chosen])}
            lost.append(found[chosen] / min(found.values()))
            shown = " ".join(f"{name_of(width)}={found[width]:.0f}" for width in sorted(found, key=found.__getitem__))
            print(
                f"{kind:<11}{size:>8} {name_of(chosen):>5} {found[chosen]:8.0f} instructions {lost[-1]:6.3f}  {shown}",
                flush=True,
            )
        print(f"{kind:<11}the choice takes {max(lost):.3f} times the fewest at worst, {np.mean(lost):.3f} on average")


if __name__ == "__main__":
    main()

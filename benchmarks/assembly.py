"""python -m benchmarks.assembly PATH LANES,BLOCKS: what a kernel is made of, counted: instructions, and what goes to the stack.

Times alone mislead about a change to a kernel. A constant that is no longer kept in a register, or a loop that LLVM unrolls for
layers with a single panel, shows here first.

    python -m benchmarks.assembly cells.gru.reset_before/stream 8,1
"""

import argparse
import re
from collections.abc import Sequence

from llvmlite import binding

from streamrnn.code_cache.loader import generator
from streamrnn.kernels.compile import compiled
from streamrnn.target.machine import machine
from streamrnn.target.packing import Width

#: What is counted -> how an instruction of it looks, on x86-64.
COUNTED = {
    "instructions": r".",
    "vectors to or from the stack": r".*\(%[re]sp.*%[yz]mm|.*%[yz]mm.*\(%[re]sp",
    "integers to or from the stack": r"mov[qlb].*\(%[re]sp",
    "multiplications of integers": r"imul",
    "divisions of vectors": r"vdiv",
    "fused multiply-adds": r"vfn?m(add|sub)",
    "broadcasts": r"v(p)?broadcast",
    "branches": r"j[a-z]+\b",
}


def assembly(path: str, width: Width) -> list[str]:
    """The instructions of a kernel for this CPU, one a line."""
    _, text = compiled(path, width)
    emitted = generator(machine(), in_process=True).emit_assembly(binding.parse_assembly(text))
    bodies = re.findall(r"(?ms)^[\w.$]+:\s*\n(.*?)^\.Lfunc_end", emitted)
    lines = max(bodies, key=len).splitlines()
    return [line.strip() for line in lines if line.startswith("\t") and not line.strip().startswith(".")]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("width", type=lambda text: Width(*map(int, text.split(","))))
    given = parser.parse_args(arguments)
    lines = assembly(given.path, given.width)
    for name, pattern in COUNTED.items():
        print(f"{sum(bool(re.match(pattern, line)) for line in lines):6}  {name}")


if __name__ == "__main__":
    main()

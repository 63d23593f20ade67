"""python -m tests.aarch64.emit: the kernels of the golden models for an ARM CPU, as one shared library with a manifest.

Numba compiles here, and LLVM emits for the other CPU. The manifest says which symbol is which function, and what the CPU is.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from streamrnn import code_cache
from streamrnn.code_cache import Function, code, loader
from streamrnn.code_cache.files import Code
from streamrnn.door.compiled import functions_of_stream
from streamrnn.plan import Plan, PoolPlan
from streamrnn.pool.compiled_door import functions_of_pool
from streamrnn.target import machine
from streamrnn.target.machine import Machine
from tests.golden.models import CASES, MODELS, golden_model

TRIPLE = "aarch64-unknown-linux-gnu"
_PER_PROCESS = 32  # functions; the compiler never frees its memory


def aim_at(name: str) -> list[Code]:
    """From here on, let this process choose widths and emit code for an ARM CPU. Returns a list of the code that it loads."""
    machine._aimed.set(Machine(TRIPLE, name, ""))
    loaded: list[Code] = []

    def load(one: Code) -> int:
        loaded.append(one)
        return len(loaded)  # instead of an address

    loader.load = load
    return loaded


def needed_by(model: str, lanes: str) -> list[Function]:
    """The functions that a stream and a pool of a golden model need, threads and both doors included."""
    os.environ["STREAMRNN_LANES"] = lanes
    found: list[Function] = []
    for dtype in (dtype for name, dtype in CASES if name == model):
        made = golden_model(model, dtype)
        found += functions_of_stream(Plan(made)) + functions_of_pool(PoolPlan(made), threads=2)
    return found


def kept(name: str, function: Function) -> None:
    """In a process of its own: put the code of a function into the code cache."""
    aim_at(name)
    code_cache.keep(function)


def write_library(folder: Path, loaded: list[Code], tools: str) -> dict[Function, str]:
    """Link objects to `kernels.so`. Returns the symbols of the functions. Objects have equal names: all but one are hidden."""
    symbols, objects = {}, []
    for function, index in code._addresses.items():
        path, symbols[function] = folder / f"{index}.o", f"streamrnn_{index}"
        path.write_bytes(loaded[index - 1].object)
        names = [f"--redefine-sym={loaded[index - 1].symbol}={symbols[function]}", f"--keep-global-symbol={symbols[function]}"]
        subprocess.run([f"{tools}objcopy", *names, path], check=True)
        objects.append(path)
    subprocess.run([f"{tools}ld", "-shared", "-o", folder / "kernels.so", *objects], check=True)
    for path in objects:
        path.unlink()
    return symbols


def _entries(symbols: dict[Function, str]) -> Iterator[dict[str, Any]]:
    for (path, width), symbol in symbols.items():
        fields = {name: np.dtype(value).name if isinstance(value, type) else value for name, value in width._asdict().items()}
        yield {"path": path, "width": fields, "symbol": symbol}


def main() -> None:
    """Write `kernels.so` and `kernels.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cpu", default="cortex-a72", help="its name in LLVM")
    parser.add_argument("--models", default=",".join(MODELS), help="names of golden models")
    parser.add_argument("--lanes", default=",", help="widths as STREAMRNN_GOLDEN has them")
    parser.add_argument("--tools", default="aarch64-linux-gnu-", help="what the names of binutils begin with")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    loaded, functions = aim_at(given.cpu), dict[Function, None]()
    for model in given.models.split(","):
        for lanes in given.lanes.split(","):
            functions |= dict.fromkeys(needed_by(model, lanes))
    missing = [function for function in functions if code_cache.size_kept(function) is None]
    n_workers = os.cpu_count() or 1
    for begin in range(0, len(missing), _PER_PROCESS * n_workers):
        batch = missing[begin : begin + _PER_PROCESS * n_workers]
        with ProcessPoolExecutor(min(n_workers, len(batch)), get_context("spawn")) as pool:
            list(pool.map(kept, [given.cpu] * len(batch), batch))
        print(f"compiled {begin + len(batch)} of {len(missing)}", file=sys.stderr)
    code_cache.load_all([*functions])
    symbols = write_library(given.folder, loaded, given.tools)
    manifest = {"triple": TRIPLE, "cpu": given.cpu, "functions": list(_entries(symbols))}
    (given.folder / "kernels.json").write_text(json.dumps(manifest, indent=1), "ascii")
    print(f"{len(symbols)} functions for {given.cpu}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Exports for other machines give the bits of Python there: run by qemu and by Node, where these and Zig's compiler are.

The environment variable STREAMRNN_QEMU names a folder of static emulators that are not on the path. `.ci/arm` sets it up.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from streamrnn import Dense, Model, export_c
from tests.exporting.test_export import fewer_bytes
from tests.models import dense, gru, lstm
from tests.models import model as layers_of

RUN_WASM = """
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';
const wasi = new WASI({ version: 'preview1' });
const { instance } = await WebAssembly.instantiate(await readFile(process.argv[1]), wasi.getImportObject());
process.exit(wasi.start(instance));
"""


class Board(NamedTuple):
    """How a program for a target is made and run."""

    target: str
    zig: str
    emulator: str
    same_bits: bool = False


BOARDS = {
    "aarch64": Board("aarch64", "aarch64-linux-musl", "qemu-aarch64-static"),
    "armv7-neon": Board("armv7-neon", "arm-linux-musleabihf", "qemu-arm-static"),
    "armv7-neon, the same bits": Board("armv7-neon", "arm-linux-musleabihf", "qemu-arm-static", same_bits=True),
    "wasm32": Board("wasm32", "wasm32-wasi", "node"),
}


def several_layers() -> Model:
    """One of the usual kinds each."""
    import numpy as np

    rng = np.random.default_rng(0)
    return Model([lstm(rng, 3, 17), gru(rng, 17, 9), gru(rng, 9, 5, form="reset-before"), dense(rng, 5, 2)])


MODELS = {
    "several layers": several_layers,
    "weights in fewer bytes": fewer_bytes,
    "float64": lambda: Model([*layers_of("lstm", inputs=2, hidden=5).layers, Dense([[1.0] * 5])]).astype("float64"),
}


def emulator(name: str) -> str:
    """The path of a program that runs code of another machine. Skips the test where there is none."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("STREAMRNN_QEMU", ""), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.few(3)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", BOARDS)
def test_the_test_program_passes_on(name: str, model: str, tmp_path: Path) -> None:
    board = BOARDS[name]
    runs = emulator(board.emulator)
    if find_spec("ziglang") is None:
        pytest.skip("Zig's compiler is not installed: pip install 'streamrnn[export]'")
    export_c(MODELS[model](), tmp_path, "vad", board.target, same_bits=board.same_bits)
    program = tmp_path / "program"
    static = [] if board.target == "wasm32" else ["-static"]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", board.zig, *static, "vad_test.c", "vad.o", "-o", str(program)]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    started = [runs, "--no-warnings", "--input-type=module", "-e", RUN_WASM] if board.emulator == "node" else [runs]
    ran = subprocess.run([*started, str(program)], capture_output=True, text=True, check=False)
    equal = "errors within 1e-5" if board.target == "wasm32" else "the same bits"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"vad: 50 steps, {equal}\n", "")


def test_a_module_for_javascript_is_linked(tmp_path: Path) -> None:
    if find_spec("ziglang") is None:
        pytest.skip("Zig's compiler is not installed: pip install 'streamrnn[export]'")
    node = emulator("node")
    export_c(layers_of("rnn-tanh", inputs=1, hidden=3), tmp_path, "vad", "wasm32", shared=True)
    script = """
    import { readFile } from 'node:fs/promises';
    const { instance } = await WebAssembly.instantiate(await readFile(process.argv[1]));
    const { memory, vad_reset, vad_step, __heap_base } = instance.exports;
    memory.grow(2);
    const stream = __heap_base.value, x = stream + 65536, y = x + 4;
    if (vad_step(stream, x, y) !== 4) process.exit(1);
    vad_reset(stream);
    new Float32Array(memory.buffer, x, 1)[0] = 0.5;
    if (vad_step(stream, x, y) !== 0) process.exit(2);
    console.log(new Float32Array(memory.buffer, y, 1)[0]);
    """
    command = [node, "--input-type=module", "-e", script, str(tmp_path / "vad.wasm")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    from streamrnn import Stream

    assert abs(float(ran.stdout) - Stream(layers_of("rnn-tanh", inputs=1, hidden=3)).step([0.5])[0]) < 1e-6

"""The amplifier as a C program, and in WebAssembly: what Python gives."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, Stream, export_c

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def amplifier() -> Model:
    converters = pytest.importorskip("streamrnn_converters", reason="importing it needs the extra 'convert'")
    made: Model = converters.from_onnx(EXAMPLE.parent / "amplifier" / "amplifier.onnx")
    return made


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Ten buffers and a part of one."""
    return np.random.default_rng(0).normal(scale=0.2, size=(650, 1)).astype(np.float32)


def test_a_c_program_gives_the_bits_of_python_for_any_length(amplifier: Model, samples: np.ndarray, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, cc")
    export_c(amplifier, tmp_path, "amp")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, *strict, f"-I{tmp_path}", EXAMPLE / "amplifier.c", tmp_path / "amp.o", "-o", tmp_path / "amplifier"]
    subprocess.run(command, check=True)
    ran = subprocess.run([tmp_path / "amplifier"], input=samples.tobytes(), capture_output=True, check=True)
    assert ran.stdout == Stream(amplifier).process(samples).tobytes()
    assert ran.stderr.startswith(b"11 buffers of 64 samples: mean ")


def test_javascript_differs_by_rounding(amplifier: Model, samples: np.ndarray, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or find_spec("ziglang") is None:
        pytest.skip("node, or the extra 'export', is not installed")
    export_c(amplifier, tmp_path, "amp", "wasm32", shared=True)
    command = [node, EXAMPLE / "amplifier.mjs", tmp_path / "amp.wasm"]
    ran = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=True)
    y = np.frombuffer(ran.stdout, np.float32)
    assert np.abs(y - Stream(amplifier).process(samples)[:, 0]).max() < 1e-5

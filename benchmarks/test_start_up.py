"""From a fresh process to the first step, with kernels in the code cache: streamrnn, onnxruntime, and Python alone."""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.case import Case
from benchmarks.contender import missing
from benchmarks.graph import onnx_bytes
from benchmarks.turns import PLAYBACK, Times
from streamrnn import Stream

CASE = Case("lstm", 1, 40)

PROGRAMS = {
    "Python alone": "pass",
    "streamrnn": """
import numpy, streamrnn
stream = streamrnn.Stream(streamrnn.load("model.safetensors"))
stream.step(numpy.ones(1, numpy.float32))
import sys
assert "numba" not in sys.modules, "numba was imported: the code cache was not warm"
""",
    "onnxruntime": """
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
state = numpy.zeros((1, 1, 40), numpy.float32)
session.run(None, {"X": numpy.ones((1, 1, 1), numpy.float32), "h": state, "c": state})
""",
}
END = '\nimport os; os.write(1, b"."); os._exit(0)\n'


def _time(program: str, folder: Path) -> float:
    """Seconds until the program has taken its step; the end of the process does not count."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    begin = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program + END], stdout=subprocess.PIPE, cwd=folder, env=environment
    ) as process:
        assert process.stdout is not None
        answer = process.stdout.read(1)
        passed = perf_counter() - begin
    assert answer == b".", "the program failed; standard error says why"
    return passed


@pytest.fixture(scope="module")
def times(n_rounds: int, tmp_path_factory: pytest.TempPathFactory) -> Times:
    folder = tmp_path_factory.mktemp("models")
    model = CASE.model()
    model.save(folder / "model.safetensors")
    Stream(model)  # fills the code cache
    programs = {name: program for name, program in PROGRAMS.items() if not missing(name)}
    if "onnxruntime" in programs:
        (folder / "model.onnx").write_bytes(onnx_bytes(CASE.model()))
    found: dict[str, list[float]] = {name: [] for name in programs}
    print(f"{CASE}: fresh processes", file=sys.stderr, flush=True)
    for _ in range(1 + n_rounds // 2):
        for name, program in programs.items():
            found[name].append(_time(program, folder))
    return {name: of_rounds[1:] or of_rounds for name, of_rounds in found.items()}  # the first reads the disk


@pytest.mark.benchmark(timer=PLAYBACK)
@pytest.mark.parametrize("contender", PROGRAMS)
def test_start_up(benchmark: BenchmarkFixture, contender: str, times: Times) -> None:
    if reason := missing(contender):
        pytest.skip(reason)
    benchmark.group = f"{CASE}, start-up"
    benchmark.extra_info.update(what="start-up", contender=contender, **CASE._asdict())
    PLAYBACK.report(benchmark, times[contender])

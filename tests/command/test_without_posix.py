"""Without what only POSIX systems have, the command and the library do the same, or say what is missing."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from streamrnn import Model, StateStore, Stream, StreamPool
from tests.command.process import PATIENCE, started
from tests.models import signal as noise

_PYTHON = [sys.executable, str(Path(__file__).with_name("without_posix.py"))]


@pytest.fixture(autouse=True)
def kernels(gated: Model) -> None:
    """All that the tests need, compiled before their processes start."""
    StreamPool(gated, 1, threads=2)
    Stream(gated)


def ran(module: str, *arguments: object, stdin: bytes = b"", code: int = 0) -> bytes:
    """What a module prints there."""
    command = [*_PYTHON, module, *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr.decode()) == (code, "")
    return done.stdout


def script_ran(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> bytes:
    """What a script prints there."""
    (folder / "script.py").write_text(dedent(text))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    return ran("script", *arguments)


def test_a_run_in_two_halves_gives_the_lines_of_one_run(
    archive: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    state, out = tmp_path / "state", tmp_path / "out.csv"
    assert ran("streamrnn", "run", archive, "--state", state, stdin=b"".join(lines[:150])) == b"".join(answers[:150])
    (tmp_path / "in.csv").write_bytes(b"".join(lines[150:]))
    assert ran("streamrnn", "run", archive, tmp_path / "in.csv", "-o", out, "--state", state, "--sync") == b""
    assert out.read_bytes() == b"".join(answers[150:])


def test_a_run_with_keys_and_a_store_can_be_resumed(
    archive: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    out, store = tmp_path / "out", tmp_path / "store.db"
    for n_lines in (100, 400):
        (tmp_path / "in").write_bytes(b"".join(b"k," + line for line in lines[:n_lines]))
        ran("streamrnn", "run", archive, tmp_path / "in", "--key", "1", "--store", store, "-o", out, "--resume")
        assert out.read_bytes() == b"".join(b"k," + line for line in answers[:n_lines])
    with StateStore(store) as states:
        assert set(states) == {"k"}


def test_ctrl_c_ends_a_wait_for_input_and_the_state_is_saved(
    archive: Path, gated: Model, x: np.ndarray, lines: list[bytes], tmp_path: Path
) -> None:
    with started("run", archive, "--state", tmp_path / "state", python=_PYTHON) as process:
        for line in lines[:3]:
            process.stdin.write(line)
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b""
    stream = Stream(gated)
    stream.process(x[:3])
    assert (tmp_path / "state").read_bytes() == stream.snapshot()


def test_a_reader_that_goes_away_ends_the_run(archive: Path, lines: list[bytes]) -> None:
    with started("run", archive, python=_PYTHON) as process:
        process.stdout.close()
        process.stdin.write(lines[0])
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_warmup_finds_the_kernels(archive: Path) -> None:
    assert b"0 kernels compiled" in ran("streamrnn", "warmup", "--pools", archive)


def test_the_processes_that_compile_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "empty"))
    script = """
        import numpy as np
        from streamrnn.code_cache import Function
        from streamrnn.command.compiling import compile_all
        from streamrnn.target.cpu import driver_width
        if __name__ == "__main__": print(len(compile_all([Function("kernels.concat.concat", driver_width(np.float32))])))
    """
    assert script_ran(script, tmp_path, monkeypatch) == b"1\n"


def test_pools_share_calls_among_threads(archive: Path, gated: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
        import sys, threading, numpy as np, streamrnn
        from streamrnn.pool import plain_door
        plain_door.SHARED_BYTES = 0
        pool = streamrnn.StreamPool(streamrnn.load(sys.argv[1]), 64, threads=2)
        slots, x = [pool.open() for _ in range(64)], np.load(sys.argv[2])
        sys.stdout.buffer.write(b"".join(pool.step(slots, row).tobytes() for row in x))
    """
    x = noise(64 * 20, 2).reshape(20, 64, 2)
    np.save(tmp_path / "x.npy", x)
    y = np.stack([Stream(gated).process(one) for one in x.swapaxes(0, 1)], axis=1)
    assert script_ran(script, tmp_path, monkeypatch, archive, tmp_path / "x.npy") == y.tobytes()


def test_an_onnx_file_with_data_beside_it_is_imported(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
    pytest.importorskip("onnxruntime", reason="importing needs the extra 'convert'")
    from tests.command.graphs import gru_file

    graph = onnx.load(gru_file(tmp_path / "gru.onnx"))
    onnx.save(graph, tmp_path / "gru.onnx", save_as_external_data=True, location="data\r\n", size_threshold=0)
    ran("streamrnn", "import", tmp_path / "gru.onnx", "--allow-external-data", "-o", tmp_path / "gru.safetensors")
    assert (tmp_path / "gru.safetensors").exists()

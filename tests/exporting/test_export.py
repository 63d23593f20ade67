"""A model as C: the object file gives the bits of a `Stream`, needs nothing, and refuses what a `Stream` refuses."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Dense, InputError, Model, ModelError, Reverse, Stream, StreamRNNError, export_c
from streamrnn.exporting import TARGETS
from tests.exporting.machine_code import Exported, undefined_symbols
from tests.models import LOOPS, dense, framed, gru, lstm, mixed, model, one_width, signal  # noqa: F401 - a fixture

OK, INPUT_NOT_FINITE, STATE_NOT_FINITE, NOT_RESET, BAD_SNAPSHOT = 0, 1, 2, 4, 5
RUNS_HERE = platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64")
ARCHITECTURES = {"x86-64-v3": 62, "x86-64-v4": 62, "aarch64": 183, "armv7-neon": 40}  # as ELF numbers them


def fewer_bytes() -> Model:
    """A layer of each type in which weights are stored."""
    rng = np.random.default_rng(0)
    layers = [lstm(rng, 3, 9, stored="int8"), gru(rng, 9, 7, stored="bfloat16"), dense(rng, 7, 2, stored="float16")]
    return Model(layers)


MODELS: dict[str, Callable[[], Model]] = {
    "layers of many kinds": mixed,
    "lstm-float64": lambda: model("lstm", inputs=2, hidden=5).astype("float64"),
    "weights in fewer bytes": fewer_bytes,
    "a loop": lambda: next(iter(LOOPS.values()))(np.random.default_rng(0), 3, 6),
    "steps of several rows": lambda: framed(np.random.default_rng(1), 3, 6),
}


def number(header: str, name: str) -> int:
    """What a header defines."""
    found = re.search(rf"#define VAD_{name} +(\d+)", header)
    assert found
    return int(found[1])


def exported(made: Model, folder: Path, **options: object) -> Exported:
    export_c(made, folder, "vad", **options)
    header = (folder / "vad.h").read_text()
    assert number(header, "INPUTS") * number(header, "ROWS") == np.prod(made.step_shape)
    assert number(header, "OUTPUTS") == made.output_size
    assert f'FINGERPRINT "{made.fingerprint}"' in header
    return Exported(folder, "vad", made, number(header, "STREAM_BYTES"), number(header, "SNAPSHOT_BYTES"))


@pytest.mark.skipif(not RUNS_HERE, reason="no target of an export has the architecture of this machine")
@pytest.mark.parametrize("name", MODELS)
def test_c_gives_the_bits_of_a_stream_in_any_chunks_and_moves_to_python_and_back(name: str, tmp_path: Path) -> None:
    made = MODELS[name]()
    c, stream = exported(made, tmp_path), Stream(made)
    x = signal(40 * made.stride, made.input_size).astype(made.dtype)
    expected = stream.process(x)
    rows = x.reshape(40, *made.step_shape)
    assert c.step(rows[0])[0] == NOT_RESET
    assert c.save() == b""
    c.reset()
    got = []
    for row in rows[:10]:
        status, y = c.step(row)
        assert status == OK
        got.append(y)
    status, more = c.process(x[10 * made.stride :])
    assert status == OK
    assert np.concatenate([got, more]).tobytes() == expected.tobytes()
    assert c.save() == stream.snapshot()
    go_on = stream.process(x)
    c.memory[:] = 0
    stream = Stream(made)
    stream.process(x)
    assert c.load(stream.snapshot()) == OK
    assert c.process(x)[1].tobytes() == go_on.tobytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    made = Model([*model("lstm", inputs=2, hidden=5).layers, Dense(np.ones((3, 5), np.float32))])
    folder = tmp_path_factory.mktemp("export")
    export_c(made, folder, "vad")
    return made, folder


@pytest.mark.skipif(not RUNS_HERE, reason="no target of an export has the architecture of this machine")
def test_what_is_refused_leaves_the_stream_as_it_was(small: tuple[Model, Path]) -> None:
    made, folder = small
    header = (folder / "vad.h").read_text()
    c = Exported(folder, "vad", made, number(header, "STREAM_BYTES"), number(header, "SNAPSHOT_BYTES"))
    c.reset()
    x = signal(5, 2)
    c.process(x)
    saved = c.save()
    for bad in (np.nan, np.inf, -np.inf):
        wrong = x.copy()
        wrong[3, 1] = bad
        assert c.process(wrong)[0] == INPUT_NOT_FINITE
    for at in (0, 9, 20, 60, len(saved) - 1):
        damaged = bytearray(saved)
        damaged[at] ^= 1
        assert c.load(bytes(damaged)) == BAD_SNAPSHOT
    other = Stream(model("lstm", inputs=2, hidden=5, seed=1)).snapshot()
    assert c.load(other.ljust(len(saved), b"\0")) == BAD_SNAPSHOT
    assert c.save() == saved
    moved = c.memory.copy()
    assert c.step(x[0], moved.ctypes.data + c.place - c.memory.ctypes.data)[0] == NOT_RESET


@pytest.mark.skipif(not RUNS_HERE, reason="no target of an export has the architecture of this machine")
@pytest.mark.few(1)
@pytest.mark.parametrize("small_code", [False, True], ids=["usual", "small"])
def test_an_object_is_the_same_bytes_on_whatever_cpu_it_is_made(
    small_code: bool, small: tuple[Model, Path], tmp_path: Path
) -> None:
    """In processes of their own: once LLVM has made code for WebAssembly, it makes other code for x86-64 in that process."""
    made, _ = small
    made.save(tmp_path / "made.safetensors")
    script = "import sys, streamrnn as s; s.export_c(s.load(sys.argv[1]), sys.argv[2], 'vad', small=sys.argv[3] == 'True')"
    for folder, cpu in ("here", {}), ("there", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}):
        arguments = [tmp_path / "made.safetensors", tmp_path / folder, str(small_code)]
        subprocess.run([sys.executable, "-c", script, *arguments], env=os.environ | cpu, check=True)
    assert (tmp_path / "here" / "vad.o").read_bytes() == (tmp_path / "there" / "vad.o").read_bytes()


@pytest.mark.skipif(not RUNS_HERE, reason="no target of an export has the architecture of this machine")
def test_a_small_object_has_less_code_and_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMRNN_LANES")  # it chooses the vectors itself
    rng = np.random.default_rng(0)
    made = Model([lstm(rng, 1, 16), dense(rng, 16, 1)])
    usual, small = exported(made, tmp_path / "usual"), exported(made, tmp_path / "small", small=True)
    n_usual, n_small = ((tmp_path / folder / "vad.o").stat().st_size for folder in ("usual", "small"))
    assert n_usual <= 24 << 10
    assert n_small <= 14 << 10
    assert undefined_symbols((tmp_path / "small" / "vad.o").read_bytes()) == []
    x = signal(100, 1)
    for one in (usual, small):
        one.reset()
    assert [small.step(row)[1].tobytes() for row in x] == [usual.step(row)[1].tobytes() for row in x]
    assert small.save() == usual.save()
    assert small.process(x)[1].tobytes() == usual.process(x)[1].tobytes()


@pytest.mark.parametrize("small_code", [False, True], ids=["usual", "small"])
@pytest.mark.parametrize("target", TARGETS)
def test_an_object_for_any_target_needs_nothing_else(
    target: str, small_code: bool, small: tuple[Model, Path], tmp_path: Path
) -> None:
    made, _ = small
    export_c(made, tmp_path, "vad", target, small=small_code)
    machine_code = (tmp_path / "vad.o").read_bytes()
    assert f"for {target}" in (tmp_path / "vad.h").read_text()
    if target == "wasm32":
        assert machine_code[:4] == b"\0asm"
        return  # tests/exporting/test_boards.py links it
    assert machine_code[:4] == b"\x7fELF"
    assert int.from_bytes(machine_code[18:20], "little") == ARCHITECTURES[target]
    assert undefined_symbols(machine_code) == []


def test_undefined_symbols_are_seen(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, cc")
    (tmp_path / "a.c").write_text("double sin(double); double f(double x) { return sin(x); }")
    subprocess.run([compiler, "-c", "a.c"], cwd=tmp_path, check=True)
    assert "sin" in undefined_symbols((tmp_path / "a.o").read_bytes())


@pytest.mark.parametrize("standard", ["c99", "c11", "c++17"])
def test_the_test_program_passes_with_sanitizers_and_without_a_warning(standard: str, small: tuple[Model, Path]) -> None:
    compiler = shutil.which("c++" if "+" in standard else "cc")
    if compiler is None or not RUNS_HERE:
        pytest.skip("there is no C compiler")
    _, folder = small
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsanitize=address,undefined", f"-std={standard}"]
    language = ["-x", "c++"] if "+" in standard else []
    program = folder / f"test-{standard}"
    command = [compiler, *strict, *language, "vad_test.c", "-x", "none", "-L.", "-lvad", "-o", str(program)]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if "cannot find" in built.stderr and "asan" in built.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "vad: 50 steps, the same bits\n", "")


@pytest.mark.skipif(not RUNS_HERE, reason="no target of an export has the architecture of this machine")
def test_a_test_program_with_other_bits_fails(small: tuple[Model, Path]) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, cc")
    _, folder = small
    text = (folder / "vad_test.c").read_text()
    begin = text.index("0x", text.index("y_bits"))
    other = f"{text[: begin + 9]}{int(text[begin + 9], 16) ^ 1:x}{text[begin + 10 :]}"
    (folder / "other.c").write_text(other)
    subprocess.run([compiler, "other.c", "vad.o", "-o", "other"], cwd=folder, check=True)
    ran = subprocess.run([folder / "other"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "vad: check 3 failed\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "9lives"}, "name '9lives' is not a lowercase C identifier"),
        ({"name": "Vad"}, "not a lowercase C identifier"),
        ({"name": "a" * 41}, "at most 40 characters"),
        ({"target": "z80"}, "target 'z80' is not one of x86-64-v3"),
    ],
)
def test_names_that_c_or_nobody_knows_are_refused(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        export_c(model("rnn-tanh"), tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_stream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="streamed"):
        export_c(Model([Reverse(3)]), tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, small: tuple[Model, Path]) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(StreamRNNError, match="cannot be a folder"):
        export_c(small[0], tmp_path / "taken", "vad")
    assert (tmp_path / "taken").read_text() == "mine"

"""`streamrnn warmup`: afterwards all kernels that a stream needs are in the cache, or the exit code says that they are not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamrnn import Model, code_cache
from streamrnn.code_cache import Function, files
from streamrnn.code_cache.key import key_of
from streamrnn.command import compiling, warmup
from streamrnn.command.compiling import compile_all
from streamrnn.command.inventory import kernels, needed_by
from streamrnn.layers.layer import DTYPES
from streamrnn.plan import Plan, PoolPlan
from streamrnn.readiness import functions_of
from streamrnn.target.storage import STORED_TYPES
from tests.command.process import PATIENCE, Command, called, finished, started
from tests.models import SIZES, VARIANTS, model

# Prints whether Numba was imported to make a stream of the archive.
PROGRAM = "import sys, streamrnn; streamrnn.Stream(streamrnn.load(sys.argv[1])); print('numba' in sys.modules)"


#: Layers whose kernels the inventory holds.
LISTED = [variant for variant in VARIANTS if not variant.startswith("state-output")]


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory for the code cache."""
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, gated: Model) -> list[Function]:
    """Two functions; for the test these are all."""
    functions = functions_of(gated)[:2]
    monkeypatch.setattr(warmup, "needed_by", lambda models, pools: functions)
    monkeypatch.setattr(warmup, "kernels", lambda *, pools, stored: functions)
    return functions


@pytest.fixture(scope="module")
def warmed(gated: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A code cache that holds those two functions."""
    folder = tmp_path_factory.mktemp("warmed") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMRNN_CACHE_DIR", str(folder))
        compile_all(functions_of(gated)[:2])
    return folder


@pytest.fixture
def full(warmed: Path, cache_dir: Path, known: list[Function]) -> Path:
    """The directory for the code cache, in which all of the known functions are."""
    shutil.copytree(warmed, cache_dir)
    assert all(files.read(key_of(*function)) for function in known)
    return cache_dir


@pytest.mark.parametrize("asking", [Plan, PoolPlan])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lanes", ["", "4", "8", "16"])
def test_the_inventory_holds_whatever_kernel_a_model_may_ask_for(
    lanes: str, dtype: str, asking: type[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", lanes)
    asked: dict[str, set[Function]] = {}
    for variant in LISTED:
        asked[variant] = set()
        for size in SIZES if not lanes else SIZES[:1]:
            asked[variant].update(asking(model(variant, inputs=size % 7 + 1, hidden=size).astype(dtype)).functions)
    of_every_model = set.intersection(*asked.values())
    for variant, functions in asked.items():
        pools = asking is PoolPlan or variant.startswith("bank")  # the rows of a bank are as the streams of a pool
        assert functions - of_every_model <= set(kernels(pools=pools))


@pytest.mark.parametrize("asking", [Plan, PoolPlan])
@pytest.mark.parametrize("stored", STORED_TYPES)
def test_the_inventory_holds_the_kernels_of_stored_weights_where_they_are_asked_for(
    stored: str, asking: type[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    asked, pools = dict[str, set[Function]](), asking is PoolPlan
    for variant in LISTED:
        whole = model(variant, inputs=3, hidden=5)
        if whole.layers[0].can_store:
            own = Model([layer.with_stored(stored) for layer in whole.layers])
            asked[variant] = {one for one in asking(own).functions if one.width.stored}
    assert len(set.union(*asked.values())) > 20
    for variant, functions in asked.items():
        assert functions <= set(kernels(pools=pools or variant.startswith("bank"), stored=[stored])), variant
        assert not functions & set(kernels(pools=pools))


def test_kernels_that_give_another_state_than_usual_are_those_of_a_model_alone() -> None:
    asked = [one for one in needed_by([model("state-output-lstm")], pools=True) if ":c/" in one.path]
    assert {one.path.rpartition("/")[2] for one in asked} == {"stream", "pool"}
    assert not set(asked) & set(kernels(pools=True))


def test_weights_of_a_type_are_for_all_kernels_and_not_for_those_of_a_model(archive: Path) -> None:
    done = finished("warmup", "--weights", "int8", archive)
    assert done.returncode == 2
    assert b"is for all kernels" in done.stderr


def test_all_that_a_model_needs_is_there_afterwards(cache_dir: Path, archive: Path) -> None:
    first, second = finished("warmup", archive), finished("warmup", archive)
    n_files = len(list(cache_dir.iterdir()))
    assert (first.returncode, first.stderr) == (second.returncode, second.stderr) == (0, b"")
    assert first.stdout.startswith(f"{n_files} kernels compiled, 0 were there: ".encode())
    assert second.stdout.startswith(f"0 kernels compiled, {n_files} were there: ".encode())
    assert first.stdout.endswith(f" KiB in {cache_dir}\n".encode())
    needs_numba = subprocess.run([sys.executable, "-c", PROGRAM, archive], capture_output=True, timeout=PATIENCE, check=True)
    assert needs_numba.stdout == b"False\n"


@pytest.mark.few(0)
def test_what_a_pool_needs_is_there_where_it_is_wanted(cache_dir: Path, archive: Path) -> None:
    finished("warmup", archive)
    for_streams = len(list(cache_dir.iterdir()))
    first, second = finished("warmup", "--pools", archive), finished("warmup", "--pools", archive)
    more = len(list(cache_dir.iterdir())) - for_streams
    assert more > 0
    assert first.stdout.startswith(f"{more} kernels compiled, {for_streams} were there: ".encode())
    assert second.stdout.startswith(f"0 kernels compiled, {for_streams + more} were there: ".encode())


def test_without_a_model_it_is_what_there_is(
    cache_dir: Path, known: list[Function], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "_PER_PROCESS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    ended = called(capfd, monkeypatch, "warmup")
    assert (ended.code, ended.err, ended.out.count("\n")) == (0, "", 1)
    assert all(files.read(key_of(*function)) for function in known)


def test_json_tells_what_was_compiled_and_where_it_is(cache_dir: Path, known: list[Function], command: Command) -> None:
    first, second = (json.loads(command("warmup", "--json").out) for _ in range(2))
    n_bytes = sum(len(files.read(key_of(*function)).object) for function in known)
    assert first == {"compiled": len(known), "there": 0, "bytes": n_bytes, "directory": str(cache_dir)}
    assert second == first | {"compiled": 0, "there": len(known)}


def test_damaged_code_is_mended(full: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = next(full.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert called(capfd, monkeypatch, "warmup").code == 0
    assert files.read(damaged.stem)


def test_what_cannot_be_kept_is_an_error_that_says_where_and_what_to_do(
    known: list[Function], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "file" / "store"))
    ended = called(capfd, monkeypatch, "warmup")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith(f"error: {tmp_path / 'file' / 'store'}: compiled code cannot be kept (Not a directory); set ")
    assert "STREAMRNN_CACHE_DIR" in ended.err


def test_a_directory_that_is_not_trusted_is_an_error(
    full: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full.chmod(0o777)
    ended = called(capfd, monkeypatch, "warmup")
    assert (ended.code, ended.out) == (1, "")
    assert "others can write to it" in ended.err


def test_a_user_without_a_home_is_told_what_to_set(
    known: list[Function], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise FileNotFoundError("no home directory")

    for module, name in (files, "directory"), (code_cache, "directory"), (code_cache, "trusted_directory"):
        monkeypatch.setattr(module, name, homeless)
    ended = called(capfd, monkeypatch, "warmup")
    assert (ended.code, ended.out) == (1, "")
    assert "no home directory" in ended.err


def test_a_full_store_that_is_read_only_is_as_good(
    full: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    def refused(*_: object) -> None:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr(files, "write", refused)
    assert called(capfd, monkeypatch, "warmup").code == 0


def test_what_is_no_archive_is_an_error_before_anything_is_compiled(
    cache_dir: Path, archive: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = called(capfd, monkeypatch, "warmup", archive, "missing.safetensors")
    assert (ended.code, ended.out) == (1, "")
    assert "missing.safetensors: cannot be read" in ended.err
    assert not cache_dir.exists()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def something_is_compiled(cache_dir: Path) -> bool:
    return cache_dir.exists() and any(path.suffix == ".o" for path in cache_dir.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_and_what_was_compiled_is_kept(cache_dir: Path, number: signal.Signals) -> None:
    with started("warmup") as process:
        wait_until(lambda: something_is_compiled(cache_dir))
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert {path.suffix for path in cache_dir.iterdir()} == {".o"}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc, which lists processes")
def test_compiling_processes_end_with_the_one_that_started_them(cache_dir: Path) -> None:
    with started("warmup") as process:
        wait_until(lambda: something_is_compiled(cache_dir))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
        process.kill()
        wait_until(lambda: all(has_ended(child) for child in children))


def has_ended(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_what_a_model_of_whole_recordings_needs_is_compiled_ahead(command: Command, backward_archive: Path) -> None:
    ended = command("warmup", "--pools", backward_archive)
    assert (ended.code, ended.err) == (0, "")
    assert "kernels compiled" in ended.out

"""`streamrnn compile`: a library and its manifest, or a line that says what is wrong."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamrnn import Model
from streamrnn.code_cache import Function, loader
from streamrnn.command import compile as command_module
from streamrnn.command.compile import usual
from streamrnn.command.inventory import needed_by
from streamrnn.exporting.library import KERNEL_TARGETS, symbol_of
from streamrnn.target.machine import MACHINES, aimed_at
from streamrnn.target.processor import NEEDED
from tests.command.process import Command
from tests.models import model

ELF_MACHINES = {"x86-64-v3": 62, "x86-64-v4": 62, "aarch64": 183}


@pytest.fixture
def compiled_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that only return a number, instead of kernels."""
    pytest.importorskip("ziglang", reason="links for every target: pip install 'streamrnn[export]'")

    def fast(functions: Sequence[Function], target: str) -> dict[Function, bytes]:
        with aimed_at(MACHINES[target]):
            return {
                function: loader.emit(symbol_of(at), f"define i64 @{symbol_of(at)}() {{ ret i64 {at} }}").object
                for at, function in enumerate(functions)
            }

    monkeypatch.setattr(command_module, "compile_ahead", fast)


@pytest.mark.parametrize("target", KERNEL_TARGETS)
def test_the_manifest_describes_the_library(
    target: str, compiled_fast: None, command: Command, archive: Path, gated: Model, tmp_path: Path
) -> None:
    ended = command("compile", archive, "--pools", "-o", tmp_path / "made", "--target", target, "--json")
    assert ended.code == 0
    manifest = json.loads((tmp_path / "made" / f"{target}.json").read_bytes())
    library = (tmp_path / "made" / f"{target}.so").read_bytes()
    assert json.loads(ended.out)["bytes"] == manifest["bytes"] == len(library)
    assert (manifest["target"], manifest["features"]) == (target, sorted(NEEDED[target]))
    assert manifest["sha256"] == hashlib.sha256(library).hexdigest()
    assert set(manifest["versions"]) == {"streamrnn", "numba", "llvmlite", "LLVM"}
    with aimed_at(MACHINES[target]):
        needed = needed_by([Model(gated.layers)], pools=True)
    assert {entry["path"] for entry in manifest["functions"]} == {function.path for function in needed}
    assert library[:4] == b"\x7fELF"
    assert int.from_bytes(library[18:20], "little") == ELF_MACHINES[target]
    assert all(entry["symbol"].encode() in library for entry in manifest["functions"])


def test_it_says_how_to_use_the_library(compiled_fast: None, command: Command, archive: Path, tmp_path: Path) -> None:
    ended = command("compile", archive, "-o", tmp_path / "made")
    assert ended.code == 0
    assert " kernels for " in ended.out
    assert ended.err.endswith(f"to use it: STREAMRNN_KERNELS={tmp_path / 'made'}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "pentium"], "compile: target 'pentium' is not one of x86-64-v4, x86-64-v3, aarch64"),
        (["--target", "wasm32"], "compile: target 'wasm32' is not one of x86-64-v4, x86-64-v3, aarch64"),
        (["missing.safetensors"], "missing.safetensors: cannot be read"),
    ],
)
def test_what_cannot_be_compiled_is_one_line(arguments: list[str], message: str, command: Command, tmp_path: Path) -> None:
    ended = command("compile", *arguments, "-o", tmp_path / "made")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert message in ended.err
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_made_is_named(compiled_fast: None, command: Command, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = command("compile", archive, "-o", tmp_path / "file")
    assert (ended.code, ended.out) == (1, "")
    assert f"{tmp_path / 'file'}: cannot be a folder" in ended.err


def test_without_numba_the_remedy_is_named(command: Command, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.exporting.library.numba_version", lambda: None)
    ended = command("compile", archive, "-o", "made")
    assert ended.code == 1
    assert ended.err.endswith("compile: needs Numba, and it is not installed; pip install 'streamrnn[compile]'\n")


@pytest.mark.parametrize("target", KERNEL_TARGETS)
def test_a_wheel_has_whatever_a_usual_model_may_ask_for(target: str) -> None:
    with aimed_at(MACHINES[target]):
        carried = set(usual())
        for variant in ("lstm", "gru-reset-after", "gru-reset-before", "rnn-tanh", "dense-softmax", "conv1d"):
            for hidden in (5, 40, 128, 700):
                needed = needed_by([model(variant, inputs=3, hidden=hidden)], pools=True)
                assert set(needed) <= carried, (variant, hidden)

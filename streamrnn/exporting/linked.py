"""Shared libraries of an object file, by a linker that is installed: that of Zig, or the C compiler of this machine."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from streamrnn.errors import MissingExtraError, StreamRNNError
from streamrnn.target.machine import machine, this_machine

_ZIG_TARGETS = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "armv7": "arm-linux-gnueabihf",
    "wasm32": "wasm32-freestanding",
}


def check_linker() -> None:
    """Raise MissingExtraError where nothing here links for the machine that is aimed at."""
    _linker()


def link_shared(object_path: Path, name: str, symbols: Sequence[str]) -> Path:
    """Link an object file for the machine that is aimed at: to libNAME.so, or to NAME.wasm, whose symbols JavaScript sees.

    Raises MissingExtraError where nothing here links for that machine, StreamRNNError where the linker fails.
    """
    is_wasm = machine().architecture == "wasm32"
    target = object_path.with_name(f"{name}.wasm" if is_wasm else f"lib{name}.so")
    options = ["-nostdlib", "-o", str(target)]
    if is_wasm:
        options += ["-Wl,--no-entry", *(f"-Wl,--export={symbol}" for symbol in (*symbols, "__heap_base"))]
    else:
        options += ["-shared"]
    return _linked([object_path], target, options)


def link_kernels(objects: Sequence[Path], target: Path) -> Path:
    """Link object files of kernels for the machine that is aimed at to a shared library, which is `target`.

    It names no other library: memcpy and its like are those of the process that loads it, whatever C library it has.
    Raises what `link_shared` raises.
    """
    options = ["-shared", "-nostdlib", "-Wl,-s", "-Wl,--build-id=none", "-o", str(target)]
    return _linked(objects, target, options)


def _linked(objects: Sequence[Path], target: Path, options: Sequence[str]) -> Path:
    ran = subprocess.run([*_linker(), *map(str, objects), *options], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise StreamRNNError(f"{target}: cannot be linked: {ran.stderr.strip()}")
    return target


def _linker() -> list[str]:
    architecture = machine().architecture
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", _ZIG_TARGETS[architecture]]
    compiler = shutil.which("cc")
    if compiler and architecture == this_machine().architecture:
        return [compiler]
    raise MissingExtraError(f"nothing here links for {architecture}; pip install 'streamrnn[export]' brings a linker")

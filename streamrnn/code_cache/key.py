"""What the machine code of a kernel depends on, as a hash: the sources, the compilers, the CPU, the function."""

import hashlib
import os
import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from streamrnn.code_cache.sources import sources
from streamrnn.target.machine import Machine, machine
from streamrnn.target.packing import Width

#: The sources of kernels, relative to the package: a change in any of these files changes the key of all code.
SOURCES = (
    "kernels",
    "kernels/pool",
    "simd",
    "door/machine",
    "cells",
    "functions.py",
    "recipe.py",
    "target",
    "activation.py",
    "errors.py",
    "code_cache",
)
#: Settings of Numba that change the code made from the same source.
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "CPU_NAME", "CPU_FEATURES", "ENABLE_AVX", "DEBUGINFO")

_OF_NUMBA = 16  # the last digits of a key stand for the version of Numba


def key_of(function: str, width: Width) -> str:
    """The key of a function's code for a width, 64 hexadecimal digits; the name of its file. Numba must be installed."""
    return beginning_of(function, width) + hashlib.sha256(str(numba_version()).encode()).hexdigest()[:_OF_NUMBA]


def beginning_of(function: str, width: Width) -> str:
    """The digits of the key before those of Numba: code of any version of Numba will do where none is installed."""
    return hashlib.sha256(_surroundings(machine()) + f"{function} {width}".encode()).hexdigest()[:-_OF_NUMBA]


@cache
def objects_can_be_loaded() -> bool:
    """Whether llvmlite is there, which loads what the store has."""
    try:
        import llvmlite  # noqa: F401
    except ImportError:
        return False
    return True


@cache
def numba_version() -> str | None:
    """The version of Numba, without importing it; None if it is not installed.

    It is read from Numba's own file where that is there, because importing importlib.metadata takes longer than loading a
    kernel.
    """
    spec = find_spec("numba")
    if spec is None or spec.origin is None:
        return None
    try:
        found = re.search(rb'"version": "([^"]+)"', Path(spec.origin).with_name("_version.py").read_bytes())
    except OSError:
        found = None
    if found:
        return found[1].decode()
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("numba")
    except PackageNotFoundError:  # in a frozen application, for example
        import numba

        return str(numba.__version__)


@cache
def _surroundings(made_for: Machine) -> bytes:
    """The hash of everything but Numba that is the same for every kernel for a machine."""
    import llvmlite
    from llvmlite import binding

    digest = hashlib.sha256()
    digest.update(f"\nllvmlite {llvmlite.__version__} LLVM {binding.llvm_version_info}\n".encode())
    digest.update(f"{sys.implementation.cache_tag} {object.__basicsize__}\n".encode())
    digest.update(f"{[os.environ.get(f'NUMBA_{name}') for name in SETTINGS]}\n".encode())
    digest.update(f"{made_for.triple} {made_for.cpu}\n{made_for.features}".encode())
    digest.update(digest_of_sources())
    return digest.digest()


@cache
def digest_of_sources() -> bytes:
    """The hash of the sources of kernels."""
    digest = hashlib.sha256()
    for name, content in sources(SOURCES):
        digest.update(f"\n{name}\n".encode())
        digest.update(content)
    return digest.digest()

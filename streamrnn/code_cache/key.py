"""What the machine code of a kernel depends on, as a hash: the sources, the compilers, the CPU, the function."""

import hashlib
import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from llvmlite import binding

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


@cache
def _surroundings() -> bytes:
    """The hash of everything that is the same for every kernel of this process."""
    digest = hashlib.sha256()
    for name in ("numba", "llvmlite"):
        digest.update(_version(name))
    digest.update(f"\nLLVM {binding.llvm_version_info} {sys.implementation.cache_tag} {object.__basicsize__}\n".encode())
    digest.update(f"{[os.environ.get(f'NUMBA_{name}') for name in SETTINGS]}\n".encode())
    digest.update(f"{binding.get_process_triple()} {binding.get_host_cpu_name()}\n".encode())
    digest.update(binding.get_host_cpu_features().flatten().encode())
    package = Path(__file__).parents[1]
    for source in SOURCES:
        path = package / source
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(f"\n{file.relative_to(package).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.digest()


def _version(package: str) -> bytes:
    """The version of a package, as bytes, without importing it.

    It is read from the package's own file, because importing importlib.metadata takes longer than loading a kernel.
    """
    spec = find_spec(package)
    try:
        return Path(spec.origin).with_name("_version.py").read_bytes()  # type: ignore[union-attr, arg-type]
    except OSError:
        from importlib.metadata import version

        return version(package).encode()


def key_of(function: str, width: Width) -> str:
    """The key of a function's code for a width, in hexadecimal; the name of its file."""
    return hashlib.sha256(_surroundings() + f"{function} {width}".encode()).hexdigest()

"""What the machine code of a kernel depends on, as a hash: the sources, the compilers, the CPU, the function."""

import hashlib
import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from llvmlite import binding

from streamrnn.target.packing import Width

#: What a kernel is built from, relative to the package: a change in any of these files makes all code new.
SOURCES = ("kernels", "kernels/pool", "simd", "door/machine", "target", "activation.py", "code_cache")
#: Settings of Numba that make other code of the same source.
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "CPU_NAME", "CPU_FEATURES", "ENABLE_AVX", "DEBUGINFO")


@cache
def _surroundings() -> bytes:
    """The hash of all that is the same for every kernel of this process."""
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
    """What tells one version of a package from another, without importing it.

    It is read from where the package itself has it: to import importlib.metadata takes longer than to load a kernel.
    """
    spec = find_spec(package)
    try:
        return Path(spec.origin).with_name("_version.py").read_bytes()  # type: ignore[union-attr, arg-type]
    except OSError:
        from importlib.metadata import version

        return version(package).encode()


def key_of(function: str, width: Width) -> str:
    """The name under which the code of a function for a width is kept, in hexadecimal."""
    return hashlib.sha256(_surroundings() + f"{function} {width}".encode()).hexdigest()

"""What the machine code of a kernel depends on, as a hash: the sources, the compilers, the CPU, the function."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from llvmlite import binding

from streamrnn.packing import Width

#: What a kernel is built from, relative to the package: a change in any of these files makes all code new.
SOURCES = (
    "kernels",
    "simd",
    "door/machine.py",
    "door/layout.py",
    "record.py",
    "packing.py",
    "host.py",
    "activation.py",
    "store",
)


@cache
def _surroundings() -> bytes:
    """The hash of all that is the same for every kernel of this process."""
    digest = hashlib.sha256()
    for name in ("numba", "llvmlite"):
        digest.update(f"{name} {version(name)}\n".encode())
    digest.update(f"{binding.get_process_triple()} {binding.get_host_cpu_name()}\n".encode())
    digest.update(binding.get_host_cpu_features().flatten().encode())
    package = Path(__file__).parents[1]
    for source in SOURCES:
        path = package / source
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(f"\n{file.relative_to(package).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.digest()


def key_of(function: str, width: Width) -> str:
    """The name under which the code of a function for a width is kept, in hexadecimal."""
    return hashlib.sha256(_surroundings() + f"{function} {width}".encode()).hexdigest()

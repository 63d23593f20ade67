"""Kernels compiled ahead, as one shared library with a manifest. streamrnn/code_cache/library.py checks and loads it."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from streamrnn.archive import replace_file
from streamrnn.code_cache import Function, numba_version
from streamrnn.code_cache.library import manifest_of
from streamrnn.code_cache.loader import check_alone, generator
from streamrnn.errors import InputError, MissingExtraError
from streamrnn.exporting.linked import link_kernels
from streamrnn.target.machine import MACHINES, USUAL, aimed_at, machine
from streamrnn.target.processor import NEEDED, architecture

#: The machines for which kernels can be compiled ahead.
KERNEL_TARGETS: Final = tuple(NEEDED)


def kernel_target(name: str | None) -> str:
    """A name of KERNEL_TARGETS; for None the usual one of this machine's architecture. Raises InputError for another name.

    Raises MissingExtraError without Numba.
    """
    if numba_version() is None:
        raise MissingExtraError("compile: needs Numba, and it is not installed; pip install 'streamrnn[compile]'")
    target = name or USUAL.get(architecture())
    if target not in KERNEL_TARGETS:
        raise InputError(f"compile: target {target!r} is not one of {', '.join(KERNEL_TARGETS)}")
    return target


def kernel_object(target: str, function: Function, symbol: str) -> bytes:
    """The object file of a function for a target, in which it is called `symbol`; no other name is seen from outside."""
    from streamrnn.exporting.code import with_names_of_its_own
    from streamrnn.kernels.compile import compiled
    from streamrnn.kernels.inline import Aim, optimised_for

    with aimed_at(MACHINES[target]), optimised_for(Aim.USUAL_CPU):
        own_name, text = compiled(*function)
        module, made = with_names_of_its_own(own_name, text, symbol), generator(machine())
        check_alone(own_name, module)
        module.triple, module.data_layout = made.triple, str(made.target_data)
        return bytes(made.emit_object(module))


def symbol_of(number: int) -> str:
    """The symbol of the function with a number, in a library."""
    return f"streamrnn_{number}"


def write_library(folder: Path, target: str, objects: Mapping[Function, bytes]) -> list[Path]:
    """Link the objects of functions, whose symbols are numbered in their order, to TARGET.so; and write TARGET.json.

    The folder is made if it is not there, and only this user can write to it. Raises MissingExtraError without a linker,
    StreamRNNError where the linker fails, InputError and ArchiveError where a file cannot be written.
    """
    import llvmlite
    from llvmlite import binding

    with TemporaryDirectory(prefix="streamrnn-") as temporary, aimed_at(MACHINES[target]):
        paths = []
        for number, content in enumerate(objects.values()):
            paths.append(Path(temporary, f"{number}.o"))
            paths[-1].write_bytes(content)
        library = link_kernels(paths, Path(temporary, f"{target}.so")).read_bytes()
    versions = {
        "numba": str(numba_version()),
        "llvmlite": llvmlite.__version__,
        "LLVM": ".".join(map(str, binding.llvm_version_info)),
    }
    symbols = {(path, width): symbol_of(number) for number, (path, width) in enumerate(objects)}
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"compile: {folder}: cannot be a folder: {error.strerror}") from None
    contents = {f"{target}.so": library, f"{target}.json": manifest_of(target, NEEDED[target], versions, library, symbols)}
    written = []
    for name, content in contents.items():
        written.append(folder / name)
        replace_file(written[-1], content, sync=False)
        os.chmod(written[-1], 0o644)
    return written

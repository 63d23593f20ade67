"""`export_c`: write a model as C."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamrnn.archive import replace_file
from streamrnn.errors import InputError
from streamrnn.exporting.archive import static_library
from streamrnn.exporting.image import image_of
from streamrnn.exporting.linked import check_linker, link_shared
from streamrnn.exporting.small_plan import SmallPlan
from streamrnn.exporting.texts import Names, header, test_program
from streamrnn.model import Model
from streamrnn.plan import Plan
from streamrnn.target.machine import MACHINES, USUAL, Machine, aimed_at, this_machine

#: The machines for which a model can be exported.
TARGETS: Final = tuple(MACHINES)

_FUNCTIONS = ("reset", "step", "process", "save", "load")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,39}")


def export_c(
    model: Model,
    folder: str | os.PathLike[str],
    name: str = "model",
    target: str | None = None,
    *,
    shared: bool = False,
    same_bits: bool = False,
    small: bool = False,
    say: Callable[[int, int], None] = lambda done, of: None,
) -> list[Path]:
    """Write a model as C, for programs without Python: NAME.h, NAME.o, libNAME.a and NAME_test.c. Returns their paths.

    The object file holds weights and code, and needs nothing else: no C library, no allocation. Its functions give the bits of
    a `Stream`, but for wasm32 (no fused multiply-add) and, where a number is subnormal, for armv7-neon.

    model      any that streams
    folder     is made if it is not there; files in it are replaced
    name       what functions and files begin with: a lowercase C identifier of at most 40 characters
    target     one of TARGETS; None: the usual one for the architecture of this machine
    shared     also link it: libNAME.so; for wasm32 NAME.wasm. Needs a linker: that of the extra "export", or a C compiler
    same_bits  for armv7-neon: scalar arithmetic, slower, with the same bits for subnormal numbers too
    small      few bytes of code and of a stream's memory before speed: short vectors, no loop unrolled, step after step
               also in chunks; the bits of results are the same
    say        called with how many functions are compiled, and how many there are

    Raises InputError for another name or target, ModelError for a model that does not stream or is too large, MissingExtraError
    without a linker, ArchiveError where a file cannot be written.
    """
    target = target or USUAL.get(this_machine().architecture)
    if target not in MACHINES:
        raise InputError(f"export: target {target!r} is not one of {', '.join(TARGETS)}")
    if not _IDENTIFIER.fullmatch(name):
        raise InputError(f"export: name {name!r} is not a lowercase C identifier of at most 40 characters; such as 'vad'")
    names, symbols = Names(name, target), [f"{name}_{function}" for function in _FUNCTIONS]
    made_for = _machine(target, same_bits)
    with aimed_at(made_for):
        if shared:
            check_linker()
        plan = SmallPlan(model) if small else Plan(model)
        image = image_of(plan, model.fingerprint)
        from streamrnn.exporting.code import object_file  # here, since it imports Numba

        machine_code = object_file(plan, image, name, say, small)
    contents = {
        f"{name}.h": header(model, image, names).encode(),
        f"{name}.o": machine_code,
        f"lib{name}.a": static_library(machine_code, f"{name[:13]}.o", symbols),
        f"{name}_test.c": test_program(model, names).encode(),
    }
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"export: {folder}: cannot be a folder: {error.strerror}") from None
    written = []
    for file_name, content in contents.items():
        written.append(Path(folder, file_name))
        replace_file(written[-1], content, sync=False)
    if shared:
        with aimed_at(made_for):
            written.append(link_shared(Path(folder, f"{name}.o"), name, symbols))
    return written


def _machine(target: str, same_bits: bool) -> Machine:
    machine = MACHINES[target]
    if same_bits and target == "armv7-neon":
        return machine._replace(features="-neon,+vfp4")
    return machine

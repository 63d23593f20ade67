"""How large the caches of the CPU are for which code is made."""

import os
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from streamrnn.target.machine import machine, this_machine

_SYSTEM: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS: Final = {"K": 1 << 10, "M": 1 << 20}


class Caches(NamedTuple):
    """Bytes of the caches for data that a core has for itself, or, where the cores share the second one, of that one.

    first   of the first cache
    second  of the second cache
    """

    first: int
    second: int


#: Of a CPU that does not tell, or that is not here: what most have at least.
USUAL: Final = Caches(32 << 10, 512 << 10)


def caches() -> Caches:
    """The caches of the machine that code is made for: those of this CPU, or the usual ones of another."""
    return _of_this_cpu() if machine() == this_machine() else USUAL


@cache
def _of_this_cpu() -> Caches:
    found = _told_by_linux(_SYSTEM) or _told_by_the_c_library()
    return Caches(*(found.get(level, usual) for level, usual in enumerate(USUAL, 1)))


def _told_by_linux(folder: Path) -> dict[int, int]:
    """Level -> bytes of the caches that hold data, as files of Linux tell; empty elsewhere."""
    found = {}
    for index in sorted(folder.glob("index*")):
        try:
            kind, level, size = ((index / name).read_text(encoding="ascii").strip() for name in ("type", "level", "size"))
            n_bytes = int(size[:-1]) * _UNITS[size[-1]]
        except (OSError, ValueError, LookupError):
            continue
        if kind != "Instruction" and level.isdecimal() and n_bytes > 0:
            found[int(level)] = n_bytes
    return found


def _told_by_the_c_library() -> dict[int, int]:
    names = {1: "SC_LEVEL1_DCACHE_SIZE", 2: "SC_LEVEL2_CACHE_SIZE"}
    known = getattr(os, "sysconf_names", {})
    sizes = {level: os.sysconf(name) for level, name in names.items() if name in known}
    return {level: n_bytes for level, n_bytes in sizes.items() if n_bytes > 0}

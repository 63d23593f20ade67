"""What the processor of this process can do, found without a compiler; and the machines whose code it runs."""

import platform
from functools import cache
from typing import Final

_V3: Final = frozenset(["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"])
_V4: Final = _V3 | frozenset(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])

#: The machines for which kernels are compiled ahead, the best first: what each asks of a processor, in LLVM's words.
NEEDED: Final = {"x86-64-v4": _V4, "x86-64-v3": _V3, "aarch64": frozenset({"neon"})}

_ARCHITECTURES: Final = {"x86-64-v4": "x86_64", "x86-64-v3": "x86_64", "aarch64": "aarch64"}
_OTHER_NAMES: Final = {"AMD64": "x86_64", "arm64": "aarch64"}
_LINUX_NAMES: Final = {"bmi1": "bmi", "abm": "lzcnt", "asimd": "neon"}  # names of features that Linux and LLVM do not share


def runs_here(name: str, features: frozenset[str]) -> bool:
    """Whether a processor of this process's architecture, with some features, runs the code of a machine."""
    return architecture() == _ARCHITECTURES.get(name) and features >= NEEDED[name]


def architecture() -> str:
    """The architecture of this process, as LLVM names it."""
    return _OTHER_NAMES.get(platform.machine(), platform.machine())


@cache
def features() -> frozenset[str]:
    """The features of this processor that `NEEDED` asks for, as far as Linux tells; of 64-bit ARM always NEON."""
    if architecture() == "aarch64":
        return frozenset({"neon"})
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            told = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        told = ""
    return frozenset(_LINUX_NAMES.get(word, word) for word in told.split()) & _V4

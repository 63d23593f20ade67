"""What machine code is made for: the CPU of this process, or another one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Final, NamedTuple

from streamrnn.errors import StreamRNNError
from streamrnn.target import ahead, processor

_CPU = "STREAMRNN_CPU"


class Machine(NamedTuple):
    """A kind of CPU, in LLVM's words.

    triple    architecture, vendor and system
    cpu       its name
    features  what it has (+) and what it has not (-), such as "+avx2,-avx512f"
    """

    triple: str
    cpu: str
    features: str

    @property
    def architecture(self) -> str:
        """The first part of the triple."""
        return self.triple.partition("-")[0]

    @property
    def has_64_bits(self) -> bool:
        """Whether its addresses have 64 bits."""
        return self.architecture in ("x86_64", "aarch64", "arm64")

    def has(self, feature: str) -> bool:
        """Whether it has a feature."""
        return feature in _enabled(self.features)


#: The machines that have a name here. A CPU's name implies features; those that the choice of widths asks for are named too.
MACHINES: Final = {
    "x86-64-v3": Machine("x86_64-unknown-linux-gnu", "x86-64-v3", "+avx2,+fma"),
    "x86-64-v4": Machine("x86_64-unknown-linux-gnu", "x86-64-v4", "+avx2,+fma,+avx512f,+avx512vl"),
    "aarch64": Machine("aarch64-unknown-linux-gnu", "cortex-a72", "+neon"),
    "armv7-neon": Machine("armv7-unknown-linux-gnueabihf", "cortex-a7", "+neon,+vfp4"),
    "wasm32": Machine("wasm32-unknown-unknown", "generic", "+simd128"),
}

#: The usual machine of an architecture: code for it runs on all but very old CPUs.
USUAL: Final = {"x86_64": "x86-64-v3", "aarch64": "aarch64", "arm64": "aarch64"}

_aimed: ContextVar[Machine | None] = ContextVar("_aimed", default=None)


def machine() -> Machine:
    """The machine that code is made for: that of the innermost `aimed_at`, else that of this process."""
    return _aimed.get() or this_machine()


@contextmanager
def aimed_at(other: Machine) -> Iterator[None]:
    """Choose widths and make code for another machine, within a `with`."""
    before = _aimed.set(other)
    try:
        yield
    finally:
        _aimed.reset(before)


@cache
def this_machine() -> Machine:
    """The machine of this process. The environment variable STREAMRNN_CPU, "x86-64-v3" for example, makes it a lesser one.

    Without llvmlite, which knows each CPU, it is the best machine that this CPU is and for which a library is there.

    Raises StreamRNNError for a name that stands for none, or for one of another architecture.
    """
    real = _real()
    name = os.environ.get(_CPU)
    if not name:
        return real
    known = [one for one, its in MACHINES.items() if its.architecture == real.architecture]
    if name not in known:
        raise StreamRNNError(f"{_CPU}={name!r} is not a machine whose code runs here; set it to one of {known}, or unset it")
    return MACHINES[name]._replace(triple=real.triple)


def _real() -> Machine:
    try:
        from llvmlite import binding
    except ImportError:
        here = processor.features()
        found = (MACHINES[name] for name, _ in ahead.manifests() if processor.runs_here(name, here))
        unknown = Machine(
            f"{processor.architecture()}-unknown-linux-gnu", "generic", ",".join(f"+{one}" for one in sorted(here))
        )
        return next(found, unknown)
    return Machine(binding.get_process_triple(), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())


def runs_here(name: str) -> bool:
    """Whether code for the machine of a name runs in this process, as STREAMRNN_CPU allows it."""
    forced = os.environ.get(_CPU)
    if forced and this_machine():
        return processor.runs_here(name, processor.NEEDED.get(forced, frozenset()))
    return processor.runs_here(name, processor.features())


@cache
def _enabled(features: str) -> frozenset[str]:
    return frozenset(feature[1:] for feature in features.split(",") if feature.startswith("+"))

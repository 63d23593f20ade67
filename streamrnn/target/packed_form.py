"""The form in which weights of a stored type are packed, which depends on the machine that code is made for."""

from streamrnn.target.machine import machine
from streamrnn.target.packing import INT8, INT8_BY_FOUR


def packed_form(stored: str | None) -> str | None:
    """The packed form of weights of a stored type, for the kernels of a stream; None, as a type, stays None."""
    has = machine().has
    return INT8_BY_FOUR if stored == INT8 and has("avx512vnni") and has("avx512vl") else stored

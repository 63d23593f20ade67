"""What this CPU offers, and the vector width that suits a layer on it."""

import os
from functools import cache

from llvmlite import binding

from streamrnn.errors import StreamRNNError
from streamrnn.packing import Width

_FORCED = "STREAMRNN_LANES"


@cache
def widest_vector() -> int:
    """Lanes of float32 in the widest vector: 16 (AVX-512), 8 (AVX2), 4 (SSE, NEON)."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


def width_for(units: int, n_gates: int) -> Width:
    """The width for a layer of `units` units of `n_gates` gates on this CPU.

    The environment variable STREAMRNN_LANES (4, 8 or 16) takes the lanes out of this choice. The bits of a result never
    depend on it. Raises StreamRNNError for another value.
    """
    forced = os.environ.get(_FORCED)
    if forced:
        if forced not in ("4", "8", "16"):
            raise StreamRNNError(f"{_FORCED}={forced!r} is not a vector width; set it to 4, 8 or 16, or unset it")
        return Width(int(forced), 2)
    return _best(widest_vector(), units, n_gates)


def _best(lanes: int, units: int, n_gates: int) -> Width:
    """As few padded units as there can be, in panels whose sums fill the registers but do not spill."""
    if lanes == 16:
        return Width(8, -(-units // 8)) if units <= 24 else Width(16, 2)
    if lanes == 8:
        blocks = -(-units // 8)
        return Width(8, 1) if blocks == 1 or (blocks % 2 and blocks < 16) else Width(16, 1 if n_gates > 1 else 2)
    return Width(4, 1) if units <= 4 else Width(4, 2)

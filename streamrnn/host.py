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


def width_for(units: int, rows: int, passes: tuple[int, ...]) -> Width:
    """The width for a layer on this CPU: the one that should take the fewest cycles.

    units   of the layer
    rows    of its weights: inputs and hidden units
    passes  gates that are summed at once, for each pass over the weights

    The environment variable STREAMRNN_LANES (4, 8 or 16) takes the lanes out of this choice. The bits of a result never
    depend on it. Raises StreamRNNError for another value.
    """
    widest = widest_vector()
    return min(widths(passes), key=lambda width: _cycles(width, widest, units, rows, passes))


def widths(passes: tuple[int, ...]) -> list[Width]:
    """Every width that `width_for` can choose for layers with these passes. Raises as it does."""
    forced = os.environ.get(_FORCED)
    if forced:
        if forced not in ("4", "8", "16"):
            raise StreamRNNError(f"{_FORCED}={forced!r} is not a vector width; set it to 4, 8 or 16, or unset it")
        return [Width(int(forced), 2)]
    return _candidates(widest_vector(), max(passes))


# What the choice of a width rests on; benchmarks/tune.py prints the times to compare it with.
_LATENCY = 4.0  # cycles from one fma of a sum to the next
_PER_VECTOR = 0.5  # cycles per fma where weights come from the first cache
_PER_VECTOR_AFAR = 1.0  # and where they come from the second
_FIRST_CACHE = 24 << 10  # bytes of weights that stay in the first cache
_PER_PANEL = 30.0  # cycles to begin a panel
_PER_CELL = 12.0  # cycles of the activations of one vector of units


def _candidates(widest: int, gates: int) -> list[Width]:
    """Widths whose sums fit in the registers: 16 of them, or 32 with AVX-512. The widest vectors come first."""
    native = min(widest, 8)
    registers = 28 if widest == 16 else 12
    found = []
    for vectors in range(8, 0, -1):
        if gates * vectors <= registers:
            paired = native == 8 and vectors % 2 == 0  # vectors of 16 lanes, which LLVM splits in two where there are none
            found.append(Width(16, vectors // 2) if paired else Width(native, vectors))
    return found


def _cycles(width: Width, widest: int, units: int, rows: int, passes: tuple[int, ...]) -> float:
    """An estimate of what a step takes. On a tie, the first candidate is taken."""
    vectors = width.units // min(widest, 8)
    near = 4 * sum(passes) * width.padded(units) * rows <= _FIRST_CACHE
    per_vector = _PER_VECTOR if near else _PER_VECTOR_AFAR
    per_row = sum(max(_LATENCY, gates * vectors * per_vector) for gates in passes)
    return width.panels(units) * (_PER_PANEL + _PER_CELL * vectors + rows * per_row)

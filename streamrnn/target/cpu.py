"""What this CPU offers, and the vector width that suits a layer on it."""

import os
from functools import cache

import numpy as np
from llvmlite import binding

from streamrnn.errors import StreamRNNError
from streamrnn.target.packing import DType, Width

#: Bytes of weights that stay in the second cache, or nearly so; from there on it pays to fetch them ahead (benchmarks/tune.py).
SECOND_CACHE = 3 << 19

_FORCED = "STREAMRNN_LANES"
_SINGLE = np.dtype(np.float32).itemsize


@cache
def widest_vector() -> int:
    """Bytes of the widest vector: 64 (AVX-512), 32 (AVX2), 16 (SSE, NEON)."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    return 32 if features.get("avx2") and features.get("fma") else 16


@cache
def _full_rate_vector() -> int:
    """Bytes of the widest vector of which two can be multiplied in a cycle: Zen 4 takes two cycles for one of AVX-512."""
    return 32 if binding.get_host_cpu_name() == "znver4" else widest_vector()


def n_registers(width: Width) -> int:
    """How many vectors of a width the registers of this CPU hold."""
    has_32 = widest_vector() == 64 or binding.get_process_triple().startswith(("aarch64", "arm64"))
    return (32 if has_32 else 16) // -(-width.vector_bytes // widest_vector())


def driver_width(dtype: DType) -> Width:
    """The vectors in which a driver copies and checks: whole cache lines."""
    return Width(64 // np.dtype(dtype).itemsize, 1, dtype)


def width_for(units: int, rows: int, passes: tuple[int, ...], dtype: DType = np.float32) -> Width:
    """The width for a layer on this CPU: the one that should take the fewest cycles, and of those about equal the narrowest.

    units   of the layer
    rows    of its weights: inputs and hidden units
    passes  gates that are summed at once, for each pass over the weights; none, where there are no weights
    dtype   of the layer

    The environment variable STREAMRNN_LANES (4, 8 or 16; half of it for float64) takes the lanes out of this choice. The bits
    of a result never depend on it. Raises StreamRNNError for another value.
    """
    if not passes:
        return widths(passes, dtype)[0]
    chosen = _best(units, rows, passes, dtype)
    return _far(passes, dtype) if _weight_bytes(chosen, units, rows, passes) > SECOND_CACHE else chosen


def widths(passes: tuple[int, ...], dtype: DType = np.float32) -> list[Width]:
    """Every width that `width_for` can choose for layers with these passes. Raises as it does."""
    if not passes:
        return [(_forced(dtype) or driver_width(dtype))._replace(blocks=1)]
    return [*_candidates(max(passes), dtype), _far(passes, dtype)]


def pool_width_for(units: int, passes: tuple[int, ...], dtype: DType = np.float32) -> Width:
    """The width for a layer of a pool, whose weights are multiplied with the inputs of several streams at once.

    Four vectors of sums, times four streams, keep the registers busy; as few vectors as hold the units, rather narrow ones.
    """
    return min(pool_widths(passes, dtype), key=lambda width: (_pool_cost(width, units), width.units))


def pool_widths(passes: tuple[int, ...], dtype: DType = np.float32) -> list[Width]:
    """Every width that `pool_width_for` can choose for layers with these passes."""
    if not passes:
        return widths(passes, dtype)
    most = max(1, 4 // max(passes))
    if forced := _forced(dtype):
        return [forced._replace(blocks=most)]
    widest = widest_vector() // np.dtype(dtype).itemsize
    return [Width(lanes, blocks, dtype) for lanes in (4, 8, 16) if lanes <= widest for blocks in range(1, most + 1)]


def _pool_cost(width: Width, units: int) -> float:
    """Of a row of weights for one stream, in vectors: an input is spread once for all blocks."""
    vectors = -(-width.vector_bytes // _full_rate_vector())
    return width.panels(units) * max(width.blocks * vectors, 1 + width.blocks / 8)


# What the choice of a width rests on; benchmarks/tune.py prints the times to compare it with.
_LATENCY = 4.0  # cycles from one fma of a sum to the next
_PER_VECTOR = 0.5  # cycles per fma where weights come from the first cache
_PER_VECTOR_AFAR = 1.0  # and where they come from the second
_FIRST_CACHE = 24 << 10  # bytes of weights that stay in the first cache
_AHEAD = 2048  # bytes
_PER_PANEL = 30.0  # cycles to begin a panel
_PER_CELL = 12.0  # cycles of the activations of one vector of units
_ABOUT = 1.001  # what differs by less is equal


def _best(units: int, rows: int, passes: tuple[int, ...], dtype: DType) -> Width:
    candidates = _candidates(max(passes), dtype)
    cycles = {width: _cycles(width, units, rows, passes) for width in candidates}
    about_best = [width for width in candidates if cycles[width] <= _ABOUT * min(cycles.values())]
    return min(about_best, key=lambda width: width.units)


def _far(passes: tuple[int, ...], dtype: DType) -> Width:
    """For weights beyond the second cache: what is best for a large layer, whose last panel hardly matters."""
    return _best(1024, 2048, passes, dtype)._replace(ahead=_AHEAD)


def _forced(dtype: DType) -> Width | None:
    lanes = os.environ.get(_FORCED)
    if not lanes:
        return None
    if lanes not in ("4", "8", "16"):
        raise StreamRNNError(f"{_FORCED}={lanes!r} is not a vector width; set it to 4, 8 or 16, or unset it")
    return Width(int(lanes) * _SINGLE // np.dtype(dtype).itemsize, 2, dtype)


def _candidates(gates: int, dtype: DType) -> list[Width]:
    """Widths whose sums fit in the registers: 16 of them, or 32 with AVX-512."""
    if forced := _forced(dtype):
        return [forced]
    base = min(widest_vector(), 32)
    lanes = base // np.dtype(dtype).itemsize
    room = n_registers(Width(lanes, 1, dtype)) - 4
    found = []
    for vectors in range(1, 9):
        paired = base == 32 and vectors % 2 == 0  # into vectors of AVX-512; LLVM splits them where there are none
        halves = _full_rate_vector() == 64 and not paired and vectors > 1  # no faster than the next even number
        if gates * vectors <= room and not halves:
            found.append(Width(2 * lanes, vectors // 2, dtype) if paired else Width(lanes, vectors, dtype))
    return found


def _cycles(width: Width, units: int, rows: int, passes: tuple[int, ...]) -> float:
    """An estimate of what a step takes."""
    vectors = width.blocks * -(-width.vector_bytes // _full_rate_vector())
    near = _weight_bytes(width, units, rows, passes) <= _FIRST_CACHE
    per_vector = _PER_VECTOR if near else _PER_VECTOR_AFAR
    per_row = sum(max(_LATENCY, gates * vectors * per_vector) for gates in passes)
    return width.panels(units) * (_PER_PANEL + _PER_CELL * vectors + rows * per_row)


def _weight_bytes(width: Width, units: int, rows: int, passes: tuple[int, ...]) -> int:
    return width.itemsize * sum(passes) * width.padded(units) * rows

"""What a machine has (vector width, registers, caches), and the choice of a vector width for a layer.

The machine is that for which code is made (streamrnn/target/machine.py), which is this CPU unless another one is asked for.
"""

import os

import numpy as np

from streamrnn.errors import StreamRNNError
from streamrnn.target.caches import caches
from streamrnn.target.machine import machine
from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8, INT8_BY_FOUR, DType, Width
from streamrnn.warn import warn_once

#: A layer with at least so many inputs computes the input sums of a chunk ahead, several steps at once.
INPUT_SUMS_FROM = 8

#: Coming steps whose input sums are computed at once within the steps before (streamrnn/kernels/coming.py).
COMING_STEPS = 12

_FORCED = "STREAMRNN_LANES"
_SINGLE = np.dtype(np.float32).itemsize


def widest_vector() -> int:
    """Bytes of the widest vector: 64 (AVX-512), 32 (AVX2), 16 (SSE, NEON)."""
    has = machine().has
    if has("avx512f") and has("avx512vl"):
        return 64
    return 32 if has("avx2") and has("fma") else 16


def _full_rate_vector() -> int:
    """Bytes of the widest vector that runs at full rate, two FMAs per cycle: some CPUs of AMD do the widest in two halves.

    Those are Zen 4 with AVX-512, and with AVX2 what came before Zen 2. They are known by their features, as compilers do not
    have a name for every CPU: AMD's have SSE4a, Zen 2 brought CLWB, and Zen 5 AVX-VNNI.
    """
    has, widest = machine().has, widest_vector()
    of_later_ones = {64: "avxvnni", 32: "clwb"}
    in_halves = widest in of_later_ones and has("sse4a") and not has(of_later_ones[widest])
    return widest // 2 if in_halves else widest


def _avx2_in_halves() -> bool:
    """Whether vectors of AVX2 are done in halves: then narrow vectors are as fast as wide ones, and loads count like FMAs."""
    return widest_vector() == 32 and _full_rate_vector() == 16


def warn_without_fma() -> None:
    """Warn, once in a process, where each fused multiply-add is a call of a C function, as the bits of results require."""
    if _is_x86() and not machine().has("fma"):
        warn_once(
            "fma",
            "this CPU has no FMA, so every multiply-add is computed in software: the results are the same, but a step takes "
            "20 to 1000 times as long; use an x86-64 CPU of 2013 or later, or 64-bit ARM",
        )


def _is_x86() -> bool:
    return machine().architecture in ("x86_64", "i386", "i686")


def converts_halves() -> bool:
    """Whether the machine has an instruction from float16 to float32: x86-64 with F16C, and every 64-bit ARM."""
    return machine().architecture in ("aarch64", "arm64") or machine().has("f16c")


def n_registers(width: Width) -> int:
    """How many vectors of a width the registers of this CPU hold."""
    has_32 = widest_vector() == 64 or machine().architecture in ("aarch64", "arm64")
    return (32 if has_32 else 16) // -(-width.vector_bytes // widest_vector())


def driver_width(dtype: DType) -> Width:
    """The width with which a driver copies and checks.

    It is half a cache line. On Intel's CPUs a single instruction on 64 bytes slows down those on fewer that are near it: with
    one in the driver, a step of a small layer took 15 to 40 ns more.
    """
    return Width(32 // np.dtype(dtype).itemsize, 1, dtype)


def row_width(dtype: DType) -> Width:
    """The width of kernels that only move values."""
    return widths((), dtype)[0]


def width_for(
    units: int, inputs: int, recurrent: int, passes: tuple[int, ...], dtype: DType = np.float32, stored: str | None = None
) -> Width:
    """The width for a layer on this CPU: the one with the fewest estimated cycles; among about equal ones, the fewest units.

    units      units of the layer
    inputs     values that a step takes
    recurrent  values of the last step that it reads, too; 0 for a layer without a state
    passes     for each pass over the weights, the gates that are summed at once; empty for a layer without weights
    dtype      the type in which the layer computes
    stored     the type in which its weights are stored; None: the same

    What counts is a step alone and a step of a chunk alike: the product of their cycles, as a share of the fewest.

    The environment variable STREAMRNN_LANES (4, 8 or 16; half as many lanes for float64) fixes the lanes, and with 8 or 16 also
    the blocks. The bits of a result never depend on it. Raises StreamRNNError for another value.
    """
    if not passes:
        return widths(passes, dtype)[0]
    alone = inputs + recurrent
    in_chunk = recurrent or inputs if inputs >= INPUT_SUMS_FROM else alone

    def cycles(width: Width) -> float:
        chunk = _cycles(width, units, in_chunk, passes, recurrent > 0) * (_BESIDE if width.beside else 1)
        return _cycles(width, units, alone, passes, recurrent > 0) * chunk

    candidates = _candidates(max(passes), dtype, stored)
    if _pays_beside(inputs, recurrent, sum(passes) * units * recurrent * np.dtype(dtype).itemsize):
        candidates += [width._replace(beside=True) for width in candidates if can_be_beside(width, passes)]
    found = {width: cycles(width) for width in candidates}
    about_best = [width for width, estimate in found.items() if estimate <= _ABOUT * min(found.values())]
    chosen = min(about_best, key=lambda width: (width.units, -width.lanes))
    is_far = _weight_bytes(chosen, units, alone, passes) > _SECOND_CACHE * caches().second
    return chosen._replace(ahead=_AHEAD if is_far and fetches_ahead() else 0)


def widths(passes: tuple[int, ...], dtype: DType = np.float32, stored: str | None = None) -> list[Width]:
    """Every width that `width_for` can choose for layers with these passes. Raises what `width_for` raises."""
    if not passes:
        return [(_forced(dtype) or driver_width(dtype))._replace(blocks=1)]
    candidates = _candidates(max(passes), dtype, stored)
    ahead = [width._replace(ahead=_AHEAD) for width in candidates if fetches_ahead()]
    return [*candidates, *ahead, *(width._replace(beside=True) for width in candidates if can_be_beside(width, passes))]


def pool_width_for(units: int, passes: tuple[int, ...], dtype: DType = np.float32, stored: str | None = None) -> Width:
    """The width for a layer of a pool, whose kernel multiplies each weight with the inputs of several streams at once.

    Four vectors of sums for each of four streams keep the FMA units busy. Among these widths, the one with the fewest vectors
    for the units is best, and of equal ones the narrowest.
    """
    return min(pool_widths(passes, dtype, stored), key=lambda width: (_pool_cost(width, units), width.units))


def pool_widths(passes: tuple[int, ...], dtype: DType = np.float32, stored: str | None = None) -> list[Width]:
    """Every width that `pool_width_for` can choose for layers with these passes."""
    if not passes:
        return widths(passes, dtype)  # a layer without weights
    most = max(1, 4 // max(passes))
    if forced := _forced(dtype):
        return [forced._replace(blocks=most, stored=stored)]
    widest = widest_vector() // np.dtype(dtype).itemsize
    lanes_of = [lanes for lanes in (2, 4, 8, 16) if min(4, widest) <= lanes <= widest]
    return [Width(lanes, blocks, dtype, stored=stored) for lanes in lanes_of for blocks in range(1, most + 1)]


def _pool_cost(width: Width, units: int) -> float:
    """The cost of a row of weights for one stream, in vectors: an input is copied to all lanes once for all blocks.

    Where vectors of AVX2 are done in halves, they count as whole: narrow ones need more copies, and are no faster.
    """
    full_rate = max(_full_rate_vector(), min(widest_vector(), 32))
    vectors = -(-width.vector_bytes // full_rate)
    return width.panels(units) * max(width.blocks * vectors, 1 + width.blocks / 8)


# The figures behind the choice of a width. They were fitted to measured times of an Intel Xeon (Sapphire Rapids), as it is and
# with code for AVX2 only, and agree with what was known of AMD's Zen 4 and Zen 5; what concerns halves of AVX2 is from a Zen 1.
# `python -m benchmarks.tune` compares.
_LATENCY = 4.0  # cycles from one FMA of a sum to the next
_PER_VECTOR = 0.5  # cycles per FMA with weights from the first cache
_FROM_AFAR = {16: 0.6, 32: 0.9, 64: 1.4}  # and with weights from the second cache, by the bytes of a vector
_UNPACKED = {FLOAT16: 1.5, BFLOAT16: 0.6, INT8: 1.0, INT8_BY_FOUR: 1.0}  # and per vector that is loaded of stored weights
_REGISTERS = {
    BFLOAT16: 2,
    FLOAT16: 2,
    INT8_BY_FOUR: 2,
}  # for each vector of sums: what is unpacked, or a second sum
_FIRST_CACHE = 0.9  # of the first cache, how much weights can fill
_SECOND_CACHE = 1.5  # of the second; of what is a little larger, it keeps most for the next step, which goes backwards
_AHEAD = 2048  # bytes by which weights beyond it are fetched before their use
_PER_INPUT = 1.0  # cycles to copy an input to all lanes, where vectors of AVX2 are done in halves
_PER_PANEL = 30.0  # cycles to begin a panel,
_PER_PANEL_AFAR = 12.0  # and where the loads of the weights hide most of them
_PER_CELL = 10.0  # cycles of the activations of one vector of units
_WIDE_CHAIN = 60.0  # more cycles from one step to the next, on Intel's CPUs, where a panel is vectors of 64 bytes
_WIDE_IN_HALVES = 8.0  # more cycles from one step to the next, where a panel is vectors of 64 bytes that are done in halves,
_SAVED_IN_HALVES = 1.5  # and fewer for each gate of such a vector, which is one instruction where two narrow ones are two;
_SAVED_IN_HALVES_AFAR = 3.0  # with weights from the second cache, of which it is also one load
_BESIDE = 0.9  # of the cycles of a step of a chunk, where the input sums of coming steps are computed within it
_ABOUT = 1.01  # estimates whose ratio is smaller count as equal


def keeps_order(width: Width) -> bool:
    """Whether what a kernel computes with a vector stays in its order: on x86-64, whose CPUs look far ahead by themselves.

    The compiler would mix what does not depend on each other, as a CPU needs it that does one instruction after the other.
    """
    return _is_x86() and width.vector_bytes <= widest_vector()


def fetches_ahead() -> bool:
    """Whether weights beyond the second cache are fetched by instructions: on Zen 5 and on Zen 1 it pays.

    On Zen 4 it takes more than it gives, since that CPU fetches as fast by itself; on Intel's it makes no difference.
    """
    return _avx2_in_halves() or (_full_rate_vector() == 64 and machine().has("sse4a"))


def can_be_beside(width: Width, passes: tuple[int, ...]) -> bool:
    """Whether a step can also compute input sums of coming steps, of which it takes a share of one vector each.

    That is done where the weights of the states come from the second cache more slowly than they are multiplied, and registers
    are there: on Zen 4. On other CPUs with 32 registers it has not been measured.
    """
    halves_of_512 = widest_vector() == width.vector_bytes == 64 and _full_rate_vector() == 32
    return halves_of_512 and not width.stored and all(COMING_STEPS % (gates * width.blocks) == 0 for gates in passes)


def _pays_beside(inputs: int, recurrent: int, state_weight_bytes: int) -> bool:
    """Whether it pays to compute input sums within the steps before: enough of them, while weights of the states arrive."""
    first, second = caches()
    return 2 * inputs >= recurrent > 0 and _FIRST_CACHE * first < state_weight_bytes <= _SECOND_CACHE * second


def _forced(dtype: DType) -> Width | None:
    lanes = os.environ.get(_FORCED)
    if not lanes:
        return None
    if lanes not in ("4", "8", "16"):
        raise StreamRNNError(f"{_FORCED}={lanes!r} is not a vector width; set it to 4, 8 or 16, or unset it")
    return Width(int(lanes) * _SINGLE // np.dtype(dtype).itemsize, 2, dtype)


def _candidates(gates: int, dtype: DType, stored: str | None) -> list[Width]:
    """Widths whose sums fit in the registers: 16 of them, or 32 with AVX-512. Vectors of half a register suit small layers."""
    forced, sizes = _forced(dtype), sorted({min(_full_rate_vector(), 32), widest_vector()})
    if forced and forced.vector_bytes > 16:
        return [forced._replace(stored=stored)]
    candidates = []
    for n_bytes in [forced.vector_bytes] if forced else sizes:
        width = Width(n_bytes // np.dtype(dtype).itemsize, 1, dtype, stored=stored)
        per_sum = _REGISTERS.get(stored or "", 1)
        is_small = n_bytes < sizes[-1] and not forced and not _avx2_in_halves()
        most = min(5 if is_small else 8, (n_registers(width) - 4) // (gates * per_sum))
        candidates += [width._replace(blocks=blocks) for blocks in range(1, most + 1)]
    return candidates


def _cycles(width: Width, units: int, rows: int, passes: tuple[int, ...], is_recurrent: bool) -> float:
    """An estimate of the cycles of a step that multiplies `rows` rows of weights."""
    full_rate = min(width.vector_bytes, _full_rate_vector())
    vectors, panels = width.blocks * -(-width.vector_bytes // full_rate), width.panels(units)
    n_bytes, first = _weight_bytes(width, units, rows, passes), _FIRST_CACHE * caches().first
    near = n_bytes <= first
    # A step begins with the panels with which the last one ended. A panel that is the only one is read from its beginning.
    kept = 1.0 if near else 0.0 if panels == 1 else min(1.0, first // (n_bytes / panels) / panels)
    per_vector = kept * _PER_VECTOR + (1 - kept) * _FROM_AFAR[full_rate]
    if width.stored:
        per_vector = _UNPACKED[width.stored]
    n_loads = -(-rows // width.rows_at_once) if width.has_integers else rows
    per_input = _PER_INPUT if _avx2_in_halves() else 0.0
    per_row = sum(max(_LATENCY, gates * vectors * per_vector + per_input) for gates in passes)
    begin = _PER_PANEL + (_WIDE_CHAIN if is_recurrent and full_rate == 64 and not machine().has("sse4a") else 0)
    begin = begin if near else begin * _PER_PANEL_AFAR / _PER_PANEL
    cell = _PER_CELL * vectors
    if full_rate < width.vector_bytes == 64:
        saved = _SAVED_IN_HALVES if near else _SAVED_IN_HALVES_AFAR
        cell += _WIDE_IN_HALVES - saved * max(passes) * width.blocks
    return panels * (begin * len(passes) + cell + n_loads * per_row)


def _weight_bytes(width: Width, units: int, rows: int, passes: tuple[int, ...]) -> int:
    return width.stored_itemsize * sum(passes) * width.padded(units) * rows

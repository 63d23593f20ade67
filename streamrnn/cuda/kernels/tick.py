"""A tick: many streams go through one pass of a layer, for one step each."""

from typing import Any

import numpy as np
from numba import cuda
from numba.core import types

from streamrnn.cuda.kernels.device import Kernel, part
from streamrnn.cuda.kernels.integers import FOUR, as_integers, find_largest, fours_of, multiply_fours, scaled
from streamrnn.cuda.kernels.parts import (
    NONE,
    NOTHING,
    Pass,
    Section,
    Tile,
    as_it_is,
    audible,
    begin,
    cell_of_sums,
    each_stream,
    is_finite,
    multiply,
)
from streamrnn.cuda.kernels.record import (
    FIRST_READ,
    FIRST_WRITTEN,
    INPUT_PANEL,
    INPUT_WEIGHTS,
    MOST_INPUT,
    MOST_MULTIPLIED,
    MULTIPLIED,
    N_INPUTS,
    N_MULTIPLIED,
    OPTIONS,
    PADDED,
    RECURRENT_PANEL,
    RECURRENT_WEIGHTS,
    SECOND_READ,
    SECOND_WRITTEN,
    STATUS,
    STREAMS,
    UNITS,
)
from streamrnn.simd.vector import numba_type
from streamrnn.target.record import STATE_NOT_FINITE


def _staged(section: Section, n_sums: int, tile: Tile, taken: Any) -> Any:
    """A part that adds a section to the sums of a thread. Weights and values go through shared memory, a few rows at a time.

    The section begins at index `at` of the weights. The values of the block's n-th stream are in `source`, in row source_at +
    n source_stride from `column` on, and go through the part `taken`. `n_left` is the number of streams from the block's first
    one on.
    """
    (n_biases, biases_kept, bias_shift), (gates, kept, shift), _ = section
    lanes, at_once, depth, row_size, zero = tile.lanes, tile.at_once, tile.depth, gates * tile.lanes, tile.dtype(0)

    @part
    def add(sums, room, weights, at, source, source_at, source_stride, column, count, most, n_left):
        staged, values, _, _ = room
        lane, row = cuda.threadIdx.x, cuda.threadIdx.y
        thread, n_threads, n_here = row * lanes + lane, cuda.blockDim.y * lanes, cuda.blockDim.y * at_once
        padded = n_here | 1  # odd, so that the threads of a warp write to different banks
        begin(sums, weights, at + lane, n_biases, biases_kept, bias_shift, n_sums, lanes, at_once)
        at += n_biases * lanes
        for done in range(0, count, depth):
            n_rows = min(depth, count - done)
            cuda.syncthreads()
            for index in range(thread, n_rows * row_size, n_threads):
                staged[index] = weights[at + index]
            for index in range(thread, n_rows * n_here, n_threads):
                stream, value = index // n_rows, index % n_rows
                is_there = stream < n_left
                values[value * padded + stream] = (
                    taken(source[source_at + stream * source_stride, column + done + value]) if is_there else zero
                )
            cuda.syncthreads()
            multiply(sums, staged, lane, values, row * at_once, padded, n_rows, gates, kept, shift, n_sums, lanes, at_once)
            at += n_rows * row_size

    return add


def _staged_integers(section: Section, n_sums: int, tile: Tile) -> Any:
    """As `_staged`, where weights are integers. The largest integer of a value is `most`."""
    (n_biases, biases_kept, bias_shift), (gates, _, _), _ = section
    lanes, at_once, depth, row_size, zero = tile.lanes, tile.at_once, tile.depth, gates * tile.lanes, tile.dtype(0)
    factor_of, integer_of = as_integers(section)
    add_scaled = scaled(section, n_sums, lanes, at_once)

    @part
    def read(stream, value, known):
        source, source_at, source_stride, column, n_left = known
        return source[source_at + stream * source_stride, column + value] if stream < n_left else zero

    find = find_largest(section, read)

    @part
    def add(sums, room, weights, at, source, source_at, source_stride, column, count, most, n_left):
        staged, values, largest, totals = room
        lane, row, n_warps = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockDim.y
        thread, n_threads, n_here, words = row * lanes + lane, n_warps * lanes, n_warps * at_once, weights.view(np.int32)
        padded = n_here | 1  # odd, so that the threads of a warp write to different banks
        known = source, source_at, source_stride, column, n_left
        begin(sums, weights, at + lane, n_biases, biases_kept, bias_shift, n_sums, lanes, at_once)
        for index in range(at_once * gates):
            totals[index] = 0
        factors = at + n_biases * lanes
        at = factors + 2 * row_size
        cuda.syncthreads()
        find(largest, 0, count, n_here, known)
        for done in range(0, fours_of(count), depth):
            n_rows = min(depth, fours_of(count) - done)
            cuda.syncthreads()
            for index in range(thread, n_rows * row_size, n_threads):
                staged[index] = words[at + index]
            for stream in range(row, n_here, n_warps):
                factor = factor_of(largest, stream, most)
                for value in range(lane, FOUR * n_rows, lanes):
                    index = FOUR * done + value
                    number = read(stream, index, known) if index < count else zero
                    values[value * padded + stream] = integer_of(number, factor, most)
            cuda.syncthreads()
            multiply_fours(totals, staged, lane, values, row * at_once, padded, n_rows, gates, lanes, at_once)
            at += n_rows * row_size
        add_scaled(sums, totals, weights, factors + lane, largest, row * at_once, most)

    return add


def _added(section: Section, n_sums: int, tile: Tile, taken: Any) -> Any:
    """The part that adds a section, which may be no section."""

    @part
    def nothing(sums, room, weights, at, source, source_at, source_stride, column, count, most, n_left):
        pass

    if section == NOTHING:
        return nothing
    return _staged_integers(section, n_sums, tile) if tile.integers else _staged(section, n_sums, tile, taken)


def tick(one: Pass, tile: Tile) -> Kernel:
    """A kernel that takes `n_rows` rows, one of each stream, through a pass of a layer.

    A block of threads has a panel of units and a tile of rows, and reads each weight once for all of these rows. Row r of the
    inputs is x[x_at + r x_stride], of the outputs y[y_at + r y_stride]. Row r of `before` and of `after` has the vectors of a
    stream, in the columns that the fields of the pass tell; these begin at index `at` of the record. States are read from
    `before` and written to `after`, which must not be the same array.
    """
    lanes, at_once, most_rows, depth, dtype = tile[:5]
    n_sums, n_in_registers, n_streams = one.n_sums, at_once * one.n_sums, most_rows * at_once
    gates = max(one.inputs.weights.gates, one.recurrent.weights.gates)
    n_staged, n_values = depth * lanes * gates, (FOUR if tile.integers else 1) * depth * (n_streams | 1)
    kind, n_totals = types.int32 if tile.integers else numba_type(dtype), at_once * gates
    add_inputs, add_recurrent = _added(one.inputs, n_sums, tile, audible), _added(one.recurrent, n_sums, tile, as_it_is)
    multiplies_state, finish = one.is_state(one.multiplied), each_stream(at_once, _finish(one, tile))

    def kernel(x, x_at, x_stride, before, after, y, y_at, y_stride, weights, record, at, n_rows, status):
        staged = cuda.shared.array(n_staged, kind)
        values = cuda.shared.array(n_values, kind)
        largest = cuda.shared.array(n_streams, types.int32)
        totals = cuda.local.array(n_totals, types.int32)
        sums = cuda.local.array(n_in_registers, dtype)
        panel, n_here, room = cuda.blockIdx.y, cuda.blockDim.y * at_once, (staged, values, largest, totals)
        first, unit = cuda.blockIdx.x * n_here, panel * lanes + cuda.threadIdx.x
        n_inputs, n_multiplied, left = record[N_INPUTS], record[at + N_MULTIPLIED], n_rows - first
        w = record[at + INPUT_WEIGHTS] + panel * record[at + INPUT_PANEL]
        r = record[at + RECURRENT_WEIGHTS] + panel * record[at + RECURRENT_PANEL]
        x_first, most = x_at + first * x_stride, record[MOST_INPUT]
        add_inputs(sums, room, weights, w, x, x_first, x_stride, 0, n_inputs, most, left)
        multiplied, column, most = before if multiplies_state else after, record[at + MULTIPLIED], record[at + MOST_MULTIPLIED]
        add_recurrent(sums, room, weights, r, multiplied, first, 1, column, n_multiplied, most, left)
        if unit < record[at + UNITS]:
            finish((sums, before, after, y, y_at, y_stride, record, at, unit, first, n_rows, status))

    return kernel


def _finish(one: Pass, tile: Tile) -> Any:
    """A part that applies the cell to the sums of one stream of a thread, and stores its results."""
    n_sums, at_once, zero = one.n_sums, tile.at_once, tile.dtype(0)
    cell, gives = cell_of_sums(one), one.gives
    (reads_a, reads_b), (writes_p, writes_q) = ((vector != NONE for vector in vectors) for vectors in (one.reads, one.writes))
    (a_is_state, b_is_state), (p_is_state, q_is_state) = (map(one.is_state, vectors) for vectors in (one.reads, one.writes))

    @part
    def finish(index, known):
        sums, before, after, y, y_at, y_stride, record, at, unit, first, n_rows, status = known
        row = first + cuda.threadIdx.y * at_once + index
        if row < n_rows:
            a = b = zero
            if reads_a:
                a = (before if a_is_state else after)[row, record[at + FIRST_READ] + unit]
            if reads_b:
                b = (before if b_is_state else after)[row, record[at + SECOND_READ] + unit]
            p, q = cell(record[at + OPTIONS], unit, record[at + PADDED], sums, index * n_sums, a, b)
            if writes_p:
                after[row, record[at + FIRST_WRITTEN] + unit] = p
            if writes_q:
                after[row, record[at + SECOND_WRITTEN] + unit] = q
            if gives:
                y[y_at + row * y_stride, unit] = p
            if (p_is_state and not is_finite(p)) or (q_is_state and not is_finite(q)):
                status[STATUS] = STATE_NOT_FINITE
                status[STREAMS + row] = STATE_NOT_FINITE

    return finish

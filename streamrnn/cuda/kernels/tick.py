"""A tick: many streams go through one pass of a layer, for one step each."""

from typing import Any

from numba import cuda

from streamrnn.cuda.kernels.device import Kernel, part
from streamrnn.cuda.kernels.parts import (
    NONE,
    NOTHING,
    Pass,
    Section,
    Tile,
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
    MULTIPLIED,
    N_INPUTS,
    N_MULTIPLIED,
    OPTIONS,
    PADDED,
    SECOND_READ,
    SECOND_WRITTEN,
    STATUS,
    STREAMS,
    UNITS,
    WEIGHTS,
)
from streamrnn.target.record import STATE_NOT_FINITE


@part
def _as_it_is(value):
    return value


def _staged(section: Section, n_sums: int, tile: Tile, taken: Any) -> Any:
    """A part that adds a section to the sums of a thread. Weights and values go through shared memory, a few rows at a time.

    The section begins at index `at` of the weights. The values of the block's n-th stream are in `source`, in row source_at +
    n source_stride from `column` on, and go through the part `taken`. `n_left` is the number of streams from the block's first
    one on.
    """
    (n_biases, biases_kept, bias_shift), (gates, kept, shift) = section
    lanes, at_once, _, depth, dtype = tile
    row_size, zero = gates * lanes, dtype(0)
    if section == NOTHING:

        @part
        def nothing(sums, staged, values, weights, at, source, source_at, source_stride, column, count, n_left):
            pass

        return nothing

    @part
    def add(sums, staged, values, weights, at, source, source_at, source_stride, column, count, n_left):
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


def tick(one: Pass, tile: Tile) -> Kernel:
    """A kernel that takes `n_rows` rows, one of each stream, through a pass of a layer.

    A block of threads has a panel of units and a tile of rows, and reads each weight once for all of these rows. Row r of the
    inputs is x[x_at + r x_stride], of the outputs y[y_at + r y_stride]. Row r of `before` and of `after` has the vectors of a
    stream, in the columns that the fields of the pass tell; these begin at index `at` of the record. States are read from
    `before` and written to `after`, which must not be the same array.
    """
    lanes, at_once, most_rows, depth, dtype = tile
    n_sums, n_in_registers = one.n_sums, at_once * one.n_sums
    (n_biases, _, _), (input_gates, _, _) = one.inputs
    (n_inner, _, _), (recurrent_gates, _, _) = one.recurrent
    n_staged, n_values = depth * lanes * max(input_gates, recurrent_gates), depth * (most_rows * at_once | 1)
    add_inputs, add_recurrent = _staged(one.inputs, n_sums, tile, audible), _staged(one.recurrent, n_sums, tile, _as_it_is)
    multiplies_state, finish = one.is_state(one.multiplied), each_stream(at_once, _finish(one, tile))

    def kernel(x, x_at, x_stride, before, after, y, y_at, y_stride, weights, record, at, n_rows, status):
        staged = cuda.shared.array(n_staged, dtype)
        values = cuda.shared.array(n_values, dtype)
        sums = cuda.local.array(n_in_registers, dtype)
        panel, n_here = cuda.blockIdx.y, cuda.blockDim.y * at_once
        first, unit = cuda.blockIdx.x * n_here, panel * lanes + cuda.threadIdx.x
        n_inputs, n_multiplied, left = record[N_INPUTS], record[at + N_MULTIPLIED], n_rows - first
        w_size, r_size = n_biases + n_inputs * input_gates, n_inner + n_multiplied * recurrent_gates
        w = record[at + WEIGHTS] + panel * lanes * w_size
        r = record[at + WEIGHTS] + record[at + PADDED] * w_size + panel * lanes * r_size
        add_inputs(sums, staged, values, weights, w, x, x_at + first * x_stride, x_stride, 0, n_inputs, left)
        multiplied, column = before if multiplies_state else after, record[at + MULTIPLIED]
        add_recurrent(sums, staged, values, weights, r, multiplied, first, 1, column, n_multiplied, left)
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

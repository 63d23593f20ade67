"""A chunk: a few streams go through all passes of a layer and many steps, while the weights stay in shared memory."""

from typing import Any

from numba import cuda

from streamrnn.cuda.kernels.device import Kernel, part
from streamrnn.cuda.kernels.parts import (
    NONE,
    DeviceRecipe,
    Pass,
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
    INPUT_AT,
    MULTIPLIED,
    N_INPUTS,
    N_MULTIPLIED,
    N_STATE,
    N_WEIGHTS,
    OPTIONS,
    PADDED,
    PASS_FIELDS,
    PASSES,
    SECOND_READ,
    SECOND_WRITTEN,
    STATE_AT,
    STATE_COLUMN,
    STATUS,
    STREAMS,
    STRIDE,
    UNITS,
    WEIGHTS,
)
from streamrnn.simd.vector import numba_type
from streamrnn.target.record import STATE_NOT_FINITE


def _through(one: Pass, at: int, tile: Tile) -> Any:
    """A part that takes the streams of a block through a pass, whose fields begin at index `at` of the record.

    Its arguments `now` and `then` are the indices in shared memory where the states before and after the step begin. The record
    has the indices of state vectors relative to these.
    """
    lanes, at_once, dtype = tile.lanes, tile.at_once, tile.dtype
    n_sums, n_in_registers = one.n_sums, at_once * one.n_sums
    (n_biases, biases_kept, bias_shift), (input_gates, kept, shift) = one.inputs
    (n_inner, inner_kept, inner_shift), (recurrent_gates, recurrent_kept, recurrent_shift) = one.recurrent
    multiplies_state, finish = one.is_state(one.multiplied), each_stream(at_once, _finish(one, at, tile))

    @part
    def through(memory, record, n_here, n_left, now, then, y, y_at, y_stride, status, first):
        sums = cuda.local.array(n_in_registers, dtype)
        n_inputs, n_multiplied, stride = record[N_INPUTS], record[at + N_MULTIPLIED], record[STRIDE]
        n_units, groups = record[at + UNITS], n_here // at_once
        w_size, r_size = n_biases + n_inputs * input_gates, n_inner + n_multiplied * recurrent_gates
        first_w = record[at + WEIGHTS] + cuda.threadIdx.x
        first_r = first_w + record[at + PADDED] * w_size
        for item in range(cuda.threadIdx.y, record[at + PADDED] // lanes * groups, cuda.blockDim.y):
            panel, stream = item // groups, item % groups * at_once
            row, unit = first_w + panel * lanes * w_size, panel * lanes + cuda.threadIdx.x
            begin(sums, memory, row, n_biases, biases_kept, bias_shift, n_sums, lanes, at_once)
            row += n_biases * lanes
            values = record[INPUT_AT] + stream
            multiply(
                sums, memory, row, memory, values, stride, n_inputs, input_gates, kept, shift, n_sums, lanes, at_once
            )  # fmt: skip
            row = first_r + panel * lanes * r_size
            begin(sums, memory, row, n_inner, inner_kept, inner_shift, n_sums, lanes, at_once)
            row += n_inner * lanes
            values = record[at + MULTIPLIED] + stream + (now if multiplies_state else 0)
            multiply(
                sums, memory, row, memory, values, stride, n_multiplied,
                recurrent_gates, recurrent_kept, recurrent_shift, n_sums, lanes, at_once,
            )  # fmt: skip
            if unit < n_units:
                finish((sums, memory, now, then, y, y_at, y_stride, record, unit, stream, n_left, status, first))

    return through


def _finish(one: Pass, at: int, tile: Tile) -> Any:
    """A part that applies the cell to the sums of one stream of a thread, and stores its results."""
    n_sums, zero, cell, gives = one.n_sums, tile.dtype(0), cell_of_sums(one), one.gives
    (reads_a, reads_b), (writes_p, writes_q) = ((vector != NONE for vector in vectors) for vectors in (one.reads, one.writes))
    (a_is_state, b_is_state), (p_is_state, q_is_state) = (map(one.is_state, vectors) for vectors in (one.reads, one.writes))

    @part
    def finish(index, known):
        sums, memory, now, then, y, y_at, y_stride, record, unit, stream, n_left, status, first = known
        offset = unit * record[STRIDE] + stream + index
        a = b = zero
        if reads_a:
            a = memory[record[at + FIRST_READ] + offset + (now if a_is_state else 0)]
        if reads_b:
            b = memory[record[at + SECOND_READ] + offset + (now if b_is_state else 0)]
        p, q = cell(record[at + OPTIONS], unit, record[at + PADDED], sums, index * n_sums, a, b)
        if writes_p:
            memory[record[at + FIRST_WRITTEN] + offset + (then if p_is_state else 0)] = p
        if writes_q:
            memory[record[at + SECOND_WRITTEN] + offset + (then if q_is_state else 0)] = q
        if stream + index < n_left:
            if gives:
                y[y_at + (stream + index) * y_stride, unit] = p
            if (p_is_state and not is_finite(p)) or (q_is_state and not is_finite(q)):
                status[STATUS] = STATE_NOT_FINITE
                status[STREAMS + first + stream + index] = STATE_NOT_FINITE

    return finish


def chunk(recipe: DeviceRecipe, tile: Tile) -> Kernel:
    """A kernel that takes `n_streams` streams through `n_steps` steps of a layer, `n_here` streams in each block of threads.

    All that a step reads is in the shared memory of the block: the weights, which are loaded once for the whole chunk, the
    inputs of the step, and the states before and after it. The inputs of stream i at step s are row i n_steps + s of x, its
    outputs the same row of y. Its states are read from row i of `before` and written to row i of `after`.
    """
    passes = [_through(one, PASSES + PASS_FIELDS * index, tile) for index, one in enumerate(recipe.passes)]
    first_pass, last_pass, has_two = passes[0], passes[-1], len(passes) == 2
    lanes, zero, number = tile.lanes, tile.dtype(0), numba_type(tile.dtype)

    def kernel(x, before, after, y, n_steps, weights, record, n_streams, n_here, status):
        memory = cuda.shared.array(0, number)
        thread, n_threads = cuda.threadIdx.y * lanes + cuda.threadIdx.x, cuda.blockDim.y * lanes
        first, stride = cuda.blockIdx.x * n_here, record[STRIDE]
        left, n_inputs, n_state = n_streams - first, record[N_INPUTS], record[N_STATE]
        inputs, now, column = record[INPUT_AT], record[STATE_AT], record[STATE_COLUMN]
        then = now + n_state * stride
        for index in range(thread, record[N_WEIGHTS], n_threads):
            memory[index] = weights[index]
        for index in range(thread, n_state * n_here, n_threads):
            stream, value = index // n_state, index % n_state
            memory[now + value * stride + stream] = before[first + stream, column + value] if stream < left else zero
        for step in range(n_steps):
            for index in range(thread, n_inputs * n_here, n_threads):
                stream, value = index // n_inputs, index % n_inputs
                memory[inputs + value * stride + stream] = (
                    audible(x[(first + stream) * n_steps + step, value]) if stream < left else zero
                )
            cuda.syncthreads()
            y_at = first * n_steps + step
            first_pass(memory, record, n_here, left, now, then, y, y_at, n_steps, status, first)
            cuda.syncthreads()
            if has_two:
                last_pass(memory, record, n_here, left, now, then, y, y_at, n_steps, status, first)
                cuda.syncthreads()
            now, then = then, now
        for index in range(thread, n_state * n_here, n_threads):
            stream, value = index // n_state, index % n_state
            if stream < left:
                after[first + stream, column + value] = memory[now + value * stride + stream]

    return kernel

"""A chunk: a few streams go through all passes of a layer and many steps, while the weights stay in shared memory."""

from typing import Any

import numpy as np
from numba import cuda
from numba.core import types

from streamrnn.cuda.kernels.device import Kernel, part
from streamrnn.cuda.kernels.integers import as_integers, find_largest, fours_of, multiply_fours, scaled
from streamrnn.cuda.kernels.parts import (
    NONE,
    NOTHING,
    DeviceRecipe,
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
    INPUT_AT,
    INPUT_PANEL,
    INPUT_WEIGHTS,
    INTEGERS_AT,
    MOST_INPUT,
    MOST_MULTIPLIED,
    MULTIPLIED,
    N_INPUTS,
    N_MULTIPLIED,
    N_STATE,
    N_WEIGHTS,
    OPTIONS,
    PADDED,
    PASS_FIELDS,
    PASSES,
    RECURRENT_PANEL,
    RECURRENT_WEIGHTS,
    SECOND_READ,
    SECOND_WRITTEN,
    STATE_AT,
    STATE_COLUMN,
    STATUS,
    STREAMS,
    STRIDE,
    UNITS,
)
from streamrnn.simd.vector import numba_type
from streamrnn.target.record import STATE_NOT_FINITE


def _added(section: Section, n_sums: int, tile: Tile) -> Any:
    """A part that adds a section to the sums of a thread.

    The section begins, for the unit, at index `at` of the memory; the values of the thread's first stream at index `values`,
    the next one `stride` further. With weights that are integers these are integers, up to `most`.
    """
    (n_biases, biases_kept, bias_shift), (gates, kept, shift), _ = section
    lanes, at_once = tile.lanes, tile.at_once
    add_scaled = scaled(section, n_sums, lanes, at_once)

    @part
    def add(sums, totals, memory, at, values, stride, count, most):
        begin(sums, memory, at, n_biases, biases_kept, bias_shift, n_sums, lanes, at_once)
        at += n_biases * lanes
        multiply(sums, memory, at, memory, values, stride, count, gates, kept, shift, n_sums, lanes, at_once)

    @part
    def add_integers(sums, totals, memory, at, values, stride, count, most):
        begin(sums, memory, at, n_biases, biases_kept, bias_shift, n_sums, lanes, at_once)
        for index in range(at_once * gates):
            totals[index] = 0
        words, factors = memory.view(np.int32), at + n_biases * lanes
        rows = factors + 2 * gates * lanes
        multiply_fours(totals, words, rows, words, values, stride, fours_of(count), gates, lanes, at_once)
        add_scaled(sums, totals, memory, factors, words, values - stride, most)

    return add_integers if tile.integers else add


def _converted(section: Section, tile: Tile) -> Any:
    """A part that writes the values of a vector as integers, up to `most`, to index `target` of the memory; before them a row.

    The vector is at index `source`, which may be the same. All threads of the block take part, and wait for each other.
    """
    factor_of, integer_of = as_integers(section)

    @part
    def read(stream, value, known):
        memory, source, stride = known
        return memory[source + value * stride + stream]

    @part
    def nothing(memory, source, target, stride, count, n_here, most):
        pass

    find = find_largest(section, read)

    @part
    def convert(memory, source, target, stride, count, n_here, most):
        words = memory.view(np.int32)
        find(words, target - stride, count, n_here, (memory, source, stride))
        for stream in range(cuda.threadIdx.y, n_here, cuda.blockDim.y):
            factor = factor_of(words, target - stride + stream, most)
            for value in range(cuda.threadIdx.x, count, cuda.blockDim.x):
                at = value * stride + stream
                words[target + at] = integer_of(memory[source + at], factor, most)
        cuda.syncthreads()

    return convert if tile.integers and section != NOTHING else nothing


def _through(one: Pass, at: int, tile: Tile) -> Any:
    """A part that takes the streams of a block through a pass, whose fields begin at index `at` of the record.

    Its arguments `now` and `then` are the indices in shared memory where the states before and after the step begin. The record
    has the indices of state vectors relative to these.
    """
    lanes, at_once, dtype, has_integers = tile.lanes, tile.at_once, tile.dtype, tile.integers
    n_sums, n_in_registers = one.n_sums, at_once * one.n_sums
    n_totals = at_once * max(one.inputs.weights.gates, one.recurrent.weights.gates)
    add_inputs, add_recurrent = _added(one.inputs, n_sums, tile), _added(one.recurrent, n_sums, tile)
    multiplies_state, finish = one.is_state(one.multiplied), each_stream(at_once, _finish(one, at, tile))
    convert = _converted(one.recurrent, tile)

    @part
    def through(memory, record, n_here, n_left, now, then, y, y_at, y_stride, status, first):
        sums = cuda.local.array(n_in_registers, dtype)
        totals = cuda.local.array(n_totals, types.int32)
        n_inputs, n_multiplied, stride = record[N_INPUTS], record[at + N_MULTIPLIED], record[STRIDE]
        n_units, groups = record[at + UNITS], n_here // at_once
        most_input, most = record[MOST_INPUT], record[at + MOST_MULTIPLIED]
        source = record[at + MULTIPLIED] + (now if multiplies_state else 0)
        multiplied = record[INTEGERS_AT] if has_integers else source
        convert(memory, source, multiplied, stride, n_multiplied, n_here, most)
        for item in range(cuda.threadIdx.y, record[at + PADDED] // lanes * groups, cuda.blockDim.y):
            panel, stream = item // groups, item % groups * at_once
            unit = panel * lanes + cuda.threadIdx.x
            row = record[at + INPUT_WEIGHTS] + panel * record[at + INPUT_PANEL] + cuda.threadIdx.x
            add_inputs(sums, totals, memory, row, record[INPUT_AT] + stream, stride, n_inputs, most_input)
            row = record[at + RECURRENT_WEIGHTS] + panel * record[at + RECURRENT_PANEL] + cuda.threadIdx.x
            add_recurrent(sums, totals, memory, row, multiplied + stream, stride, n_multiplied, most)
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
    taken, word = (as_it_is, np.int32) if tile.integers else (audible, tile.dtype)
    convert_inputs = _converted(recipe.inputs, tile)

    def kernel(x, before, after, y, n_steps, weights, record, n_streams, n_here, status):
        memory = cuda.shared.array(0, number)
        thread, n_threads = cuda.threadIdx.y * lanes + cuda.threadIdx.x, cuda.blockDim.y * lanes
        first, stride = cuda.blockIdx.x * n_here, record[STRIDE]
        left, n_inputs, n_state = n_streams - first, record[N_INPUTS], record[N_STATE]
        inputs, now, column, most = record[INPUT_AT], record[STATE_AT], record[STATE_COLUMN], record[MOST_INPUT]
        then = now + n_state * stride
        packed, room = weights.view(word), memory.view(word)
        for index in range(thread, record[N_WEIGHTS], n_threads):
            room[index] = packed[index]
        for index in range(thread, n_state * n_here, n_threads):
            stream, value = index // n_state, index % n_state
            memory[now + value * stride + stream] = before[first + stream, column + value] if stream < left else zero
        for step in range(n_steps):
            for index in range(thread, n_inputs * n_here, n_threads):
                stream, value = index // n_inputs, index % n_inputs
                memory[inputs + value * stride + stream] = (
                    taken(x[(first + stream) * n_steps + step, value]) if stream < left else zero
                )
            cuda.syncthreads()
            convert_inputs(memory, inputs, inputs, stride, n_inputs, n_here, most)
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

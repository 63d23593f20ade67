"""What the kernels of all layer kinds share: the fields of a record, sums of panels and their blocks, copies and checks."""

from collections.abc import Callable
from math import isqrt
from typing import Any

from streamrnn.kernels.inline import inline
from streamrnn.simd.arithmetic import any_lane
from streamrnn.simd.memory import load, load_int, load_scalar, load_tuple, multiply_panel, multiply_steps, store, store_int
from streamrnn.target.cpu import SECOND_CACHE, n_registers
from streamrnn.target.packing import Width
from streamrnn.target.record import READS, TURN

Part = Callable[..., Any]
Kernel = Callable[[int, int, int, int], int]

#: Rows of a panel that are multiplied with all steps of a tile before the next rows: few enough to stay in the first cache.
ROWS_AT_ONCE = 64


@inline
def field(record, index):
    """The int64 at a position of a record."""
    return load_int(record + 8 * index)


def input_sums(width: Width, n_gates: int) -> Part:
    """A kernel part that begins the pre-activations of one panel, [gate][block]: bias + W x.

    It takes the address of the panel's bias and input weights, that of the sums that `ready_sums` has made for it (0: none),
    and the input with its size.
    """
    lanes, dtype, ahead, vectors = width.lanes, width.dtype, width.ahead, n_gates * width.blocks
    row_bytes = vectors * width.vector_bytes

    @inline
    def sums_of_inputs(w, ready, x, n_x):
        if ready:
            return load_tuple(ready, dtype, lanes, vectors)
        return multiply_panel(load_tuple(w, dtype, lanes, vectors), w + row_bytes, x, n_x, ahead)

    return sums_of_inputs


def recurrent_sums(width: Width, n_gates: int) -> Part:
    """A kernel part that adds R h to the sums of a panel.

    It takes the sums, the address of the panel's recurrent weights, that of the panel's ready sums, and h with its size.
    Weights are fetched ahead as the width says, unless input sums are ready: without the input weights, the rest of a layer is
    smaller, and may stay in the second cache.
    """
    ahead, most_near = width.ahead, isqrt(SECOND_CACHE // (n_gates * width.itemsize))

    @inline
    def with_recurrent(sums, r, ready, h, n_h):
        if ahead and ready and n_h <= most_near:
            return multiply_panel(sums, r, h, n_h, 0)
        return multiply_panel(sums, r, h, n_h, ahead)

    return with_recurrent


@inline
def places_of_panel(panel, w, w_bytes, r, r_bytes, ready, ready_bytes):
    """Where the panel's input weights, recurrent weights and ready sums (0: none) are, from where those of the first panel are.

    No multiplication delays the loads of the first one, which may be the only one.
    """
    if panel:
        return w + panel * w_bytes, r + panel * r_bytes, ready + panel * ready_bytes if ready else 0
    return w, r, ready


def panel_sums(width: Width, n_gates: int) -> Part:
    """A kernel part that computes the pre-activations of one panel: bias + W x + R h, in this order.

    It takes the number of the panel; the addresses of the first panel's bias and input weights, of its recurrent weights, and
    of its ready sums (0: none); and both inputs with their sizes.
    """
    row_bytes = n_gates * width.panel_bytes
    sums_of_inputs, with_recurrent = input_sums(width, n_gates), recurrent_sums(width, n_gates)

    @inline
    def sums_of_panel(panel, w, r, ready, x, n_x, h, n_h):
        w, r, ready = places_of_panel(panel, w, row_bytes * (1 + n_x), r, row_bytes * n_h, ready, row_bytes)
        return with_recurrent(sums_of_inputs(w, ready, x, n_x), r, ready, h, n_h)

    return sums_of_panel


@inline
def panel_of_turn(index, panels, backwards):
    """The panel that is the index-th of a step. Every other step takes the panels backwards.

    What the caches have kept of a layer that is larger than they are is its end: the next step begins there.
    """
    return panels - 1 - index if backwards else index


@inline
def next_turn(record, panels, n_steps):
    """Whether the first of a call's steps takes the panels backwards; the record is told of the first one behind them."""
    if panels == 1:
        return 0
    backwards = field(record, TURN)
    store_int(record + 8 * TURN, (backwards + n_steps) & 1)
    return backwards


def ready_sums(width: Width, n_gates: int) -> Part:
    """A kernel part that computes bias + W x of all panels for many steps at once, so that weights are loaded once for several.

    It takes the address of the first panel's weights, the number of panels, the inputs with their size, the number of steps,
    and the address for the sums, [step][panel][gate][block][lane]. The bits are those of `input_sums`.
    """
    vectors, itemsize, row_bytes = n_gates * width.blocks, width.itemsize, n_gates * width.panel_bytes
    n_groups = -(-vectors // 4)
    sums_of_groups = [
        _sums_of_group(width, range(vectors * i // n_groups, vectors * (i + 1) // n_groups), vectors) for i in range(n_groups)
    ]
    sums_of_rows = _one_after_another(sums_of_groups)

    @inline
    def make_ready(weights, panels, x, n_x, n_steps, ready):
        x_stride, ready_stride = n_x * itemsize, panels * row_bytes
        for _ in range(panels):
            rows, inputs, left, begin, begin_stride = weights + row_bytes, x, n_x, weights, 0
            while left > 0:
                count = min(left, ROWS_AT_ONCE)
                sums_of_rows((rows, count, inputs, x_stride, begin, begin_stride, ready, ready_stride), n_steps)
                rows += count * row_bytes
                inputs += count * itemsize
                left -= count
                begin, begin_stride = ready, ready_stride
            weights += row_bytes * (1 + n_x)
            ready += row_bytes

    return make_ready


def _sums_of_group(width: Width, group: range, vectors: int) -> Part:
    """A kernel part that takes any number of steps through `multiply_steps`, as many at once as registers hold."""
    at_once = min(8, max(1, (n_registers(width) - len(group) - 1) // len(group)))
    several = multiply_steps(group, vectors, at_once, width.dtype, width.lanes)
    single = multiply_steps(group, vectors, 1, width.dtype, width.lanes)

    @inline
    def sums_of_group(places, n_steps):
        rows, count, x, x_stride, begin, begin_stride, end, end_stride = places
        whole = n_steps - n_steps % at_once
        for step in range(0, whole, at_once):
            at_x, at_begin, at_end = x + step * x_stride, begin + step * begin_stride, end + step * end_stride
            several(rows, count, at_x, x_stride, at_begin, begin_stride, at_end, end_stride)
        for step in range(whole, n_steps):
            at_x, at_begin, at_end = x + step * x_stride, begin + step * begin_stride, end + step * end_stride
            single(rows, count, at_x, x_stride, at_begin, begin_stride, at_end, end_stride)

    return sums_of_group


def _one_after_another(parts: list[Part]) -> Part:
    """A kernel part that calls each of the parts with the same two arguments."""
    first, *rest = parts
    if not rest:
        return first
    others = _one_after_another(rest)

    @inline
    def both(one, other):
        first(one, other)
        others(one, other)

    return both


def for_each_block(width: Width, cell: Part) -> Part:
    """A kernel part that calls `cell(gates, offset, memory)` for each block of a panel.

    `gates` are the block's vectors, cut out of the panel's sums [gate][block]; `offset` is the address of the block's first
    unit relative to the first unit of all; `memory` is passed on. Written as a chain because blocks must be constants.
    """
    blocks, block_bytes = width.blocks, width.vector_bytes

    def chain(block: int) -> Part:
        if block == blocks - 1:

            @inline
            def last(sums, offset, memory):
                cell(sums[block::blocks], offset, memory)

            return last
        others = chain(block + 1)

        @inline
        def first(sums, offset, memory):
            cell(sums[block::blocks], offset, memory)
            others(sums, offset + block_bytes, memory)

        return first

    return chain(0)


def whole_copy(width: Width) -> Part:
    """A kernel part that copies `n_bytes`, a multiple of a vector: between vectors that are padded to whole panels."""
    lanes, dtype, vector_bytes = width.lanes, width.dtype, width.vector_bytes

    @inline
    def copy(target, source, n_bytes):
        for at in range(0, n_bytes, vector_bytes):
            store(target + at, load(source + at, dtype, lanes))

    return copy


def row_copy(width: Width) -> Part:
    """A kernel part that copies `count` values, touches not a byte more, and tells whether they are all finite.

    By vectors, the last of which overlaps the one before; what is shorter than a vector, by fours; or one by one. To ask costs
    no load: v - v is 0 for a finite v, else NaN.
    """
    lanes, dtype, itemsize = width.lanes, width.dtype, width.itemsize
    vector_bytes, four_bytes = width.vector_bytes, 4 * itemsize
    zero = dtype(0)

    @inline
    def copy(target, source, count):
        end = count * itemsize
        if count >= lanes:
            value = load(source + (end - vector_bytes), dtype, lanes)
            worst = value - value
            store(target + (end - vector_bytes), value)
            for at in range(0, end - vector_bytes, vector_bytes):
                value = load(source + at, dtype, lanes)
                worst = worst + (value - value)
                store(target + at, value)
            return not any_lane(worst != zero)
        if count >= 4:
            value = load(source + (end - four_bytes), dtype, 4)
            worst = value - value
            store(target + (end - four_bytes), value)
            for at in range(0, end - four_bytes, four_bytes):
                value = load(source + at, dtype, 4)
                worst = worst + (value - value)
                store(target + at, value)
            return not any_lane(worst != zero)
        total = zero
        for at in range(0, end, itemsize):
            one = load_scalar(source + at, dtype)
            total += one - one
            store(target + at, one)
        return total == zero

    return copy


def finite_check(width: Width) -> Part:
    """A kernel part that tells whether `count` values are all finite: v - v is 0 for a finite v, else NaN."""
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes
    zero = dtype(0)

    @inline
    def all_finite(at, count):
        end = at + count * itemsize
        if count >= lanes:
            value = load(end - vector_bytes, dtype, lanes)
            worst = value - value
            for place in range(at, end - vector_bytes, vector_bytes):
                value = load(place, dtype, lanes)
                worst = worst + (value - value)
            return not any_lane(worst != zero)
        total = zero
        for place in range(at, end, itemsize):
            one = load_scalar(place, dtype)
            total += one - one
        return total == zero

    return all_finite


def row_map(width: Width, formula: Callable[[Part], Part]) -> Part:
    """A kernel part that writes `count` values of a row: `formula(load)(memory, offset)` for each offset in bytes.

    `load(address)` gives a vector, of one number where the row is shorter than a whole one; `memory` is passed on. The last
    vector overlaps the one before, so that not a byte beyond the row is touched. The row must not alias what is read.
    """
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes

    @inline
    def load_vector(address):
        return load(address, dtype, lanes)

    @inline
    def load_number(address):
        return load(address, dtype, 1)

    of_vectors, of_numbers = formula(load_vector), formula(load_number)

    @inline
    def write_row(target, memory, count):
        end = count * itemsize
        if count >= lanes:
            for at in range(0, end - vector_bytes, vector_bytes):
                store(target + at, of_vectors(memory, at))
            at = end - vector_bytes
            store(target + at, of_vectors(memory, at))
        else:
            for at in range(0, end, itemsize):
                store(target + at, of_numbers(memory, at))

    return write_row


@inline
def read_place(record, index):
    """Address of the rows in the index-th place that an op reads."""
    return load_int(load_int(field(record, READS) + 16 * index))


@inline
def read_size(record, index):
    """Values per step in the index-th place that an op reads."""
    return load_int(field(record, READS) + 16 * index + 8)

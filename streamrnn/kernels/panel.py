"""What the kernels of all layer kinds share: reading the fields of a record, copying rows, checking that they are finite.

A kernel part is a function that is compiled into the kernel that calls it. The functions here that take a `Width` build such a
part for vectors of that width. Where kernels are to have few bytes, a part takes the values of a row one by one.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.kernels.inline import inline, is_for_size, made_once
from streamrnn.simd.arithmetic import any_first_lane, any_lane, in_every_lane
from streamrnn.simd.memory import INT, emit_load_int, load, load_int, load_scalar, store, store_first, store_int
from streamrnn.target.packing import Width
from streamrnn.target.record import BACKWARDS, SOURCES

Part = Callable[..., Any]
Kernel = Callable[[int, int, int, int], int]


@intrinsic
def field(typingctx: Any, record: types.Type, index: types.Type) -> Any:
    """The int64 at an index of a record, which is given by its address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit_load_int(builder, builder.add(args[0], builder.mul(args[1], INT(8))))

    return signature(types.int64, types.int64, types.int64), codegen


@inline
def next_direction(record, panels, n_steps):
    """1 where the next step takes the panels backwards, else 0. Notes in the record the direction after `n_steps` steps."""
    if panels == 1:
        return 0
    backwards = field(record, BACKWARDS)
    store_int(record + 8 * BACKWARDS, (backwards + n_steps) & 1)
    return backwards


@made_once
def whole_copy(width: Width) -> Part:
    """A kernel part (target, source, n_bytes) that copies whole vectors. `n_bytes` is a multiple of a vector's bytes."""
    lanes, dtype, vector_bytes = width.lanes, width.dtype, width.vector_bytes

    @inline
    def copy(target, source, n_bytes):
        end = source + n_bytes
        while source < end:
            store(target, load(source, dtype, lanes))
            source += vector_bytes
            target += vector_bytes

    return copy


@made_once
def row_copy(width: Width) -> Part:
    """A kernel part (target, source, count) that copies exactly `count` values, and returns whether they are all finite.

    It copies vectors, of which the last overlaps the one before. A row that is shorter than a vector is copied by fours, a row
    of less than four one by one. The check needs no load of its own: v - v is 0 for a finite v, else NaN.
    """
    lanes, dtype, itemsize = width.lanes, width.dtype, width.itemsize
    vector_bytes, four_bytes = width.vector_bytes, 4 * itemsize
    zero, one_by_one = dtype(0), is_for_size()

    @inline
    def copy(target, source, count):
        end = count * itemsize
        if count >= lanes and not one_by_one:
            value = load(source + (end - vector_bytes), dtype, lanes)
            worst = value - value
            store(target + (end - vector_bytes), value)
            for at in range(0, end - vector_bytes, vector_bytes):
                value = load(source + at, dtype, lanes)
                worst = worst + (value - value)
                store(target + at, value)
            return not any_lane(worst != zero)
        if count >= 4 and not one_by_one:
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


@made_once
def copy_of_padded(width: Width) -> Part:
    """A kernel part (target, source, count) that does what `row_copy` does, with a source that is padded to whole vectors.

    It loads the vectors that the kernel has stored. A load that reaches into two of them would wait until both are cached.
    """
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes
    zero = dtype(0)
    if is_for_size():
        return row_copy(width)

    @inline
    def copy(target, source, count):
        rest = count & (lanes - 1)
        whole_bytes = (count - rest) * itemsize
        end = source + whole_bytes
        worst = in_every_lane(zero, load(source, dtype, lanes))
        while source < end:
            value = load(source, dtype, lanes)
            worst = worst + (value - value)
            store(target, value)
            source += vector_bytes
            target += vector_bytes
        finite = not any_lane(worst != zero)
        if rest:
            value = load(source, dtype, lanes)
            store_first(target, value, rest)
            finite = finite and not any_first_lane(value - value != zero, rest)
        return finite

    return copy


@made_once
def finite_check(width: Width) -> Part:
    """A kernel part (address, count) that returns whether `count` values are finite: v - v is 0 for a finite v, else NaN."""
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes
    zero, one_by_one = dtype(0), is_for_size()

    @inline
    def all_finite(address, count):
        end = address + count * itemsize
        if count >= lanes and not one_by_one:
            value = load(end - vector_bytes, dtype, lanes)
            worst = value - value
            for at in range(address, end - vector_bytes, vector_bytes):
                value = load(at, dtype, lanes)
                worst = worst + (value - value)
            return not any_lane(worst != zero)
        total = zero
        for at in range(address, end, itemsize):
            one = load_scalar(at, dtype)
            total += one - one
        return total == zero

    return all_finite


def row_map(width: Width, formula: Callable[[Part], Part]) -> Part:
    """A kernel part (target, memory, count) that writes `count` values of a row.

    The values at an offset, in bytes, are `formula(load)(memory, offset)`: `memory` is passed on, and `load(address)` returns
    a vector, of one lane where the row is shorter than a whole vector. The last vector overlaps the one before, so that no byte
    beyond the row is touched. The row must not overlap with what is read.
    """
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes

    @inline
    def load_vector(address):
        return load(address, dtype, lanes)

    @inline
    def load_number(address):
        return load(address, dtype, 1)

    of_vectors, of_numbers, one_by_one = formula(load_vector), formula(load_number), is_for_size()

    @inline
    def write_row(target, memory, count):
        end = count * itemsize
        if count >= lanes and not one_by_one:
            for at in range(0, end - vector_bytes, vector_bytes):
                store(target + at, of_vectors(memory, at))
            at = end - vector_bytes
            store(target + at, of_vectors(memory, at))
        else:
            for at in range(0, end, itemsize):
                store(target + at, of_numbers(memory, at))

    return write_row


@inline
def source_at(record, index):
    """Address of the rows of a source of an op, by its index."""
    return load_int(load_int(field(record, SOURCES) + 16 * index))


@inline
def source_size(record, index):
    """Values per step of a source of an op, by its index."""
    return load_int(field(record, SOURCES) + 16 * index + 8)

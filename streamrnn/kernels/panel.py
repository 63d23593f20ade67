"""What the kernels of all layer kinds share: the fields of a record, the blocks of a panel, the copying of vectors."""

from collections.abc import Callable
from typing import Any

from streamrnn.kernels.inline import inline
from streamrnn.packing import Width
from streamrnn.simd.memory import load, load_int, load_scalar, load_tuple, multiply_panel, store

BYTES = 4  # of a float32


@inline
def field(record, index):
    """The int64 at a position of a record."""
    return load_int(record + 8 * index)


def panel_sums(width: Width, n_gates: int) -> Callable[..., Any]:
    """A kernel part that computes the pre-activations of one panel: bias + W x + R h, in this order.

    It takes the address of the panel's weights and the two inputs with their sizes (n_h may be 0), and returns the sums
    [gate][block] with the address behind the weights that it read.
    """
    lanes, vectors = width.lanes, n_gates * width.blocks
    row_bytes = vectors * lanes * BYTES

    @inline
    def sums_of_panel(at, x, n_x, h, n_h):
        sums = load_tuple(at, lanes, vectors)
        at += row_bytes
        sums = multiply_panel(sums, at, x, n_x)
        at += row_bytes * n_x
        sums = multiply_panel(sums, at, h, n_h)
        return sums, at + row_bytes * n_h

    return sums_of_panel


def for_each_block(width: Width, cell: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel part that calls `cell(gates, offset, memory)` for each block of a panel.

    `gates` are the block's vectors, cut out of the panel's sums [gate][block]; `offset` is the address of the block's first
    unit relative to the first unit of all; `memory` is passed on. Written as a chain because blocks must be constants.
    """
    blocks, block_bytes = width.blocks, width.lanes * BYTES

    def chain(block: int) -> Callable[..., Any]:
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


def whole_copy(width: Width) -> Callable[..., Any]:
    """A kernel part that copies `n_bytes`, a multiple of a vector: between vectors that are padded to whole panels."""
    lanes, vector_bytes = width.lanes, width.lanes * BYTES

    @inline
    def copy(target, source, n_bytes):
        for at in range(0, n_bytes, vector_bytes):
            store(target + at, load(source + at, lanes))

    return copy


def row_copy(width: Width) -> Callable[..., Any]:
    """A kernel part that copies `count` float32 values and touches not a byte more: vectors, then fours, then one by one."""
    lanes, vector_bytes = width.lanes, width.lanes * BYTES

    @inline
    def copy(target, source, count):
        end = count * BYTES
        vectors_end = end - end % vector_bytes
        fours_end = end - end % 16
        for at in range(0, vectors_end, vector_bytes):
            store(target + at, load(source + at, lanes))
        for at in range(vectors_end, fours_end, 16):
            store(target + at, load(source + at, 4))
        for at in range(fours_end, end, BYTES):
            store(target + at, load_scalar(source + at))

    return copy

"""Tiny numbers as 0, so that nothing that kernels multiply is subnormal (the silence law)."""

import numpy as np

from streamrnn.kernels.exponential import flush_to_zero
from streamrnn.kernels.formats import DOUBLE, SINGLE
from streamrnn.kernels.inline import inline, is_for_size, made_once
from streamrnn.kernels.panel import Part, row_map
from streamrnn.simd.arithmetic import any_lane, in_every_lane, is_below, least_size
from streamrnn.simd.memory import load, load_scalar
from streamrnn.target.packing import Width


@made_once
def flushed_copy(width: Width) -> Part:
    """A kernel part (target, source, count) that copies `count` values, tiny ones as 0: what decays ends in silence."""

    def formula(load: Part) -> Part:
        @inline
        def value(source, offset):
            return flush_to_zero(load(source + offset))

        return value

    return row_map(width, formula)


@made_once
def audible(width: Width) -> Part:
    """A kernel part (room, source, count) that returns where `count` values are, tiny ones as 0.

    That is `source` where none is tiny, which is usual; else the room, to which it has copied them. Made for few bytes, it
    copies them always.
    """
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes
    copy, form = flushed_copy(width), {np.float32: SINGLE, np.float64: DOUBLE}[dtype]
    most, tiny = form.bits(-1), form.bits(2 * int(form.number(form.tiny).view(form.bits)) - 1)

    @inline
    def copied(room, source, count):
        copy(room, source, count)
        return room

    if is_for_size():
        return copied

    @inline
    def values(room, source, count):
        end = source + count * itemsize
        if count >= lanes:
            last = end - vector_bytes
            least = least_size(load(last, dtype, lanes), in_every_lane(most, load(last, dtype, lanes)))
            for at in range(source, last, vector_bytes):
                least = least_size(load(at, dtype, lanes), least)
            quiet = any_lane(is_below(least, tiny))
        else:
            least_of_few = most
            for at in range(source, end, itemsize):
                least_of_few = least_size(load_scalar(at, dtype), least_of_few)
            quiet = is_below(least_of_few, tiny)
        return copied(room, source, count) if quiet else source

    return values

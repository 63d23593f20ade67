"""Sums, maxima and the like of all values of a row, whose order depends on their number alone."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Part
from streamrnn.simd.memory import load, load_scalar, store
from streamrnn.target.packing import Width


def over_columns(width: Width, function: Part, combine: Part) -> Part:
    """A kernel part (source, n, parameter, room) that combines `function(x, parameter)` of n values x, n at least 1.

    It combines as many columns as a cache line holds numbers, whatever the width, then these one after the other, and then the
    values that are left. So the order of rounding depends on n alone (bit reproducibility, the machine law).

    room  address of room for a cache line
    """
    itemsize, dtype = width.itemsize, width.dtype
    columns, line = 64 // itemsize, 64

    @inline
    def total(source, n, parameter, room):
        end = n * itemsize
        if n < columns:
            result = function(load_scalar(source, dtype), parameter)
            begin = itemsize
        else:
            begin = (n - n % columns) * itemsize
            results = function(load(source, dtype, columns), parameter)
            for at in range(line, begin, line):
                results = combine(results, function(load(source + at, dtype, columns), parameter))
            store(room, results)
            result = load_scalar(room, dtype)
            for at in range(itemsize, line, itemsize):
                result = combine(result, load_scalar(room + at, dtype))
        for at in range(begin, end, itemsize):
            result = combine(result, function(load_scalar(source + at, dtype), parameter))
        return result

    return total

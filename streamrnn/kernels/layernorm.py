"""Kernel of normalisation over the values of a step (streamrnn/layers/layernorm.py). ONNX LayerNormalization-17."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.simd.arithmetic import fma, square_root
from streamrnn.simd.memory import load, load_scalar, store
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, OUTPUTS, SCRATCH


def layernorm(width: Width) -> Kernel:
    """y = scale (x - mean) / sqrt(variance + epsilon) + bias.

    A sum is made in as many columns as a cache line holds numbers, whatever the width, and then over the columns. So the order
    of rounding depends on n alone (bit reproducibility, the machine law).
    """
    itemsize, dtype = width.itemsize, width.dtype
    columns, line = 64 // itemsize, 64
    zero, one = dtype(0), dtype(1)

    @inline
    def distance(x, mean):
        return x - mean

    @inline
    def square_of_distance(x, mean):
        return (x - mean) * (x - mean)

    def sum_of(function: Part) -> Part:
        @inline
        def total(source, n, mean, room):
            whole = n - n % columns
            result = zero
            if whole > 0:
                sums = function(load(source, dtype, columns), mean)
                for at in range(line, whole * itemsize, line):
                    sums = sums + function(load(source + at, dtype, columns), mean)
                store(room, sums)
                for at in range(0, line, itemsize):
                    result += load_scalar(room + at, dtype)
            for at in range(whole * itemsize, n * itemsize, itemsize):
                result += function(load_scalar(source + at, dtype), mean)
            return result

        return total

    sum_of_distances, sum_of_squares = sum_of(distance), sum_of(square_of_distance)

    def formula(load_at: Part) -> Part:
        @inline
        def value(memory, offset):
            source, scale, bias, mean, factor = memory
            return fma((load_at(source + offset) - mean) * factor, load_at(scale + offset), load_at(bias + offset))

        return value

    write_row = row_map(width, formula)

    def kernel(record, source, target, n_steps):
        n, scale, room = field(record, OUTPUTS), field(record, CONSTANTS), field(record, SCRATCH)
        bias = scale + itemsize * n
        epsilon, count = load_scalar(bias + itemsize * n, dtype), dtype(n)
        for _ in range(n_steps):
            mean = sum_of_distances(source, n, zero, room) / count
            variance = sum_of_squares(source, n, mean, room) / count
            write_row(target, (source, scale, bias, mean, one / square_root(variance + epsilon)), n)
            source += itemsize * n
            target += itemsize * n
        return DONE

    return kernel

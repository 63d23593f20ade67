"""Kernel of normalisation over the values of a step (streamrnn/layers/layernorm.py). ONNX LayerNormalization-17."""

from streamrnn.kernels.columns import over_columns
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.simd.arithmetic import fma, square_root
from streamrnn.simd.memory import load_scalar
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, OUTPUTS, SCRATCH


def layernorm(width: Width) -> Kernel:
    """y = scale (x - mean) / sqrt(variance + epsilon) + bias."""
    itemsize, dtype = width.itemsize, width.dtype
    zero, one = dtype(0), dtype(1)

    @inline
    def distance(x, mean):
        return x - mean

    @inline
    def square_of_distance(x, mean):
        return (x - mean) * (x - mean)

    @inline
    def add(a, b):
        return a + b

    sum_of_distances, sum_of_squares = over_columns(width, distance, add), over_columns(width, square_of_distance, add)

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

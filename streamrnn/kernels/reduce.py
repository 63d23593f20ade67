"""Kernels that reduce rows to one (streamrnn/layers/reduce.py). ONNX ReduceSum-13 and so on, ArgMax-13."""

from streamrnn.kernels.columns import over_columns
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.simd.arithmetic import absolute, select, square_root
from streamrnn.simd.memory import load_int, load_scalar, store
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, SCRATCH, TABLE


def _build(width: Width, function: Part, combine: Part, finish: Part) -> Kernel:
    """A kernel that combines `function(x, 0)` of the values below each other, and gives `finish(result, number of rows)`."""
    itemsize, dtype = width.itemsize, width.dtype
    nothing = dtype(0)

    def formula(load_at: Part) -> Part:
        @inline
        def value(memory, offset):
            source, n_rows, row_bytes, count = memory
            x = source + offset
            result = function(load_at(x), nothing)
            for _ in range(n_rows - 1):
                x += row_bytes
                result = combine(result, function(load_at(x), nothing))
            return finish(result, count)

        return value

    write_row, of_column = row_map(width, formula), over_columns(width, function, combine)

    def kernel(record, source, target, n_steps):
        n, size, n_rows = field(record, INPUTS), field(record, OUTPUTS), load_int(field(record, TABLE))
        count, room = dtype(n_rows), field(record, SCRATCH)
        for _ in range(n_steps):
            if size == 1:
                store(target, finish(of_column(source, n_rows, nothing, room), count))
            else:
                write_row(target, (source, n_rows, itemsize * size, count), size)
            source += itemsize * n
            target += itemsize * size
        return DONE

    return kernel


@inline
def _value(x, _):
    return x


@inline
def _size(x, _):
    return absolute(x)


@inline
def _square(x, _):
    return x * x


@inline
def _add(a, b):
    return a + b


@inline
def _larger(a, b):
    return select(a > b, a, b)


@inline
def _smaller(a, b):
    return select(a < b, a, b)


@inline
def _result(result, count):
    return result


@inline
def _divided(result, count):
    return result / count


@inline
def _root(result, count):
    return square_root(result)


def sum(width: Width) -> Kernel:
    """y = the sum of the rows."""
    return _build(width, _value, _add, _result)


def mean(width: Width) -> Kernel:
    """y = the sum of the rows, divided by their number."""
    return _build(width, _value, _add, _divided)


def max(width: Width) -> Kernel:
    """y = the largest value of each column."""
    return _build(width, _value, _larger, _result)


def min(width: Width) -> Kernel:
    """y = the smallest value of each column."""
    return _build(width, _value, _smaller, _result)


def l1(width: Width) -> Kernel:
    """y = the sum of the absolute values."""
    return _build(width, _size, _add, _result)


def l2(width: Width) -> Kernel:
    """y = the square root of the sum of the squares."""
    return _build(width, _square, _add, _root)


def _first_index(width: Width, is_better: Part) -> Kernel:
    """A kernel that gives the index of the first row whose value no other row's value is better than."""
    itemsize, dtype = width.itemsize, width.dtype

    def kernel(record, source, target, n_steps):
        n, size, n_rows = field(record, INPUTS), field(record, OUTPUTS), load_int(field(record, TABLE))
        for _ in range(n_steps):
            for column in range(size):
                best, found = load_scalar(source + itemsize * column, dtype), 0
                for row in range(1, n_rows):
                    value = load_scalar(source + itemsize * (row * size + column), dtype)
                    if is_better(value, best):
                        best, found = value, row
                store(target + itemsize * column, dtype(found))
            source += itemsize * n
            target += itemsize * size
        return DONE

    return kernel


@inline
def _is_larger(a, b):
    return a > b


@inline
def _is_smaller(a, b):
    return a < b


def argmax(width: Width) -> Kernel:
    """y = the index of the first row that has the largest value of each column."""
    return _first_index(width, _is_larger)


def argmin(width: Width) -> Kernel:
    """y = the index of the first row that has the smallest value of each column."""
    return _first_index(width, _is_smaller)

"""Kernels that combine two values into one (streamrnn/layers/arithmetic.py). ONNX Add-14, Max-13, Greater-13 and so on."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map, source_at
from streamrnn.simd.arithmetic import select
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, OUTPUTS


def _build(width: Width, function: Part) -> Kernel:
    itemsize = width.itemsize

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            a, b = memory
            return function(load(a + offset), load(b + offset))

        return value

    write_row = row_map(width, formula)

    def arithmetic(record, source, target, n_steps):
        n, a, b = field(record, OUTPUTS), source_at(record, 0), source_at(record, 1)
        for _ in range(n_steps):
            write_row(target, (a, b), n)
            a += itemsize * n
            b += itemsize * n
            target += itemsize * n
        return DONE

    return arithmetic


@inline
def _add(a, b):
    return a + b


@inline
def _subtract(a, b):
    return a - b


@inline
def _multiply(a, b):
    return a * b


@inline
def _divide(a, b):
    return a / b


@inline
def _larger(a, b):
    return select(a != a, a, select(a > b, a, b))


@inline
def _smaller(a, b):
    return select(a != a, a, select(a < b, a, b))


def _compare(width: Width, holds: Part) -> Kernel:
    """A kernel that gives 1 where `holds(a, b)`, else 0."""
    one, zero = width.dtype(1), width.dtype(0)

    @inline
    def function(a, b):
        return select(holds(a, b), one, zero)

    return _build(width, function)


@inline
def _is_greater(a, b):
    return a > b


@inline
def _is_greater_or_equal(a, b):
    return a >= b


@inline
def _is_less(a, b):
    return a < b


@inline
def _is_less_or_equal(a, b):
    return a <= b


def add(width: Width) -> Kernel:
    """y = a + b."""
    return _build(width, _add)


def subtract(width: Width) -> Kernel:
    """y = a - b."""
    return _build(width, _subtract)


def multiply(width: Width) -> Kernel:
    """y = a b."""
    return _build(width, _multiply)


def divide(width: Width) -> Kernel:
    """y = a / b."""
    return _build(width, _divide)


def maximum(width: Width) -> Kernel:
    """y = max(a, b); NaN where one of them is."""
    return _build(width, _larger)


def minimum(width: Width) -> Kernel:
    """y = min(a, b); NaN where one of them is."""
    return _build(width, _smaller)


def greater(width: Width) -> Kernel:
    """y = 1 where a > b, else 0."""
    return _compare(width, _is_greater)


def greater_equal(width: Width) -> Kernel:
    """y = 1 where a >= b, else 0."""
    return _compare(width, _is_greater_or_equal)


def less(width: Width) -> Kernel:
    """y = 1 where a < b, else 0."""
    return _compare(width, _is_less)


def less_equal(width: Width) -> Kernel:
    """y = 1 where a <= b, else 0."""
    return _compare(width, _is_less_or_equal)


def equal(width: Width) -> Kernel:
    """y = 1 where a = b, else 0."""
    one, zero = width.dtype(1), width.dtype(0)

    @inline
    def function(a, b):
        return select(a != b, zero, one)

    return _build(width, function)

"""Kernels that combine two values into one (streamrnn/layers/arithmetic.py). ONNX Add-14, Sub-14, Mul-14, Div-14."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map, source_at
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

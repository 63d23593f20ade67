"""Inputs of a step as callers give them: arrays, numbers, lists and tuples of numbers."""

import numpy as np

from streamrnn.door.machine.layout import (
    ALIGNED,
    ARRAY_TYPE,
    DATA,
    DOUBLE_DTYPE,
    DOUBLE_TYPE,
    DTYPE,
    FLAGS,
    FLOAT_TYPE,
    LIST_ITEMS,
    LIST_SIZE,
    LIST_TYPE,
    N_DIMENSIONS,
    N_INPUTS,
    NUMBER,
    READABLE,
    SINGLE_DTYPE,
    SINGLE_TYPE,
    STRIDE,
    STRIDES,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TUPLE_TYPE,
    TYPE,
    VALUE_DTYPE,
)
from streamrnn.door.machine.objects import NULL, dimension, is_array
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Part, field
from streamrnn.simd.memory import load_int, load_int32, load_scalar, store
from streamrnn.target.packing import Width


@inline
def is_vector(array, size, flags, table):
    """Whether a value is a vector of the model's dtype, of shape (size,), with all of `flags`."""
    return is_array(array, field(table, VALUE_DTYPE), 1, flags, table) and dimension(array, 0) == size


@inline
def _is_usual_input(array, table):
    """Whether a value is an input that a kernel can read: a vector, or a matrix where a step takes several rows."""
    stride, n_inputs = field(table, STRIDE), field(table, N_INPUTS)
    if stride == 1:
        return is_vector(array, n_inputs, READABLE, table)
    return (
        is_array(array, field(table, VALUE_DTYPE), 2, READABLE, table)
        and dimension(array, 0) == stride
        and dimension(array, 1) == n_inputs
    )


def _copies(width: Width) -> tuple[Part, Part]:
    """Two kernel parts that copy an input in the model's dtype, and return whether it is one that they know."""
    dtype, itemsize = width.dtype, width.itemsize

    @inline
    def copy_numbers(target, items, n, table):
        """Copy n objects, floats or NumPy scalars. `items` is the address of their addresses."""
        for index in range(n):
            item = load_int(items + 8 * index)
            kind = load_int(item + TYPE)
            if kind == field(table, FLOAT_TYPE) or kind == field(table, DOUBLE_TYPE):
                store(target + itemsize * index, dtype(load_scalar(item + NUMBER, np.float64)))
            elif kind == field(table, SINGLE_TYPE):
                store(target + itemsize * index, dtype(load_scalar(item + NUMBER, np.float32)))
            else:
                return False
        return True

    @inline
    def copy_vector(target, array, n, table):
        """Copy a vector with any stride, of 32 or 64 bits."""
        if load_int32(array + N_DIMENSIONS) != 1 or dimension(array, 0) != n or not load_int32(array + FLAGS) & ALIGNED:
            return False
        at, gap, kind = load_int(array + DATA), load_int(load_int(array + STRIDES)), load_int(array + DTYPE)
        if kind == field(table, DOUBLE_DTYPE):
            for index in range(n):
                store(target + itemsize * index, dtype(load_scalar(at + gap * index, np.float64)))
            return True
        if kind == field(table, SINGLE_DTYPE):
            for index in range(n):
                store(target + itemsize * index, dtype(load_scalar(at + gap * index, np.float32)))
            return True
        return False

    return copy_numbers, copy_vector


def values(width: Width) -> Part:
    """A kernel part (place, target, table): address of the values of an input, in the model's dtype; NULL if it is unusual.

    `place` is the address of the object's address. What must be converted is written to `target`. A value beyond the range of
    the dtype becomes infinite.
    """
    copy_numbers, copy_vector = _copies(width)

    @inline
    def values_of(place, target, table):
        x, n = load_int(place), field(table, N_INPUTS)
        if _is_usual_input(x, table):
            return load_int(x + DATA)
        if field(table, STRIDE) != 1:
            return NULL
        kind, items, n_items = load_int(x + TYPE), place, 1
        if kind == field(table, ARRAY_TYPE):
            return target if copy_vector(target, x, n, table) else NULL
        if kind == field(table, LIST_TYPE):
            items, n_items = load_int(x + LIST_ITEMS), load_int(x + LIST_SIZE)
        elif kind == field(table, TUPLE_TYPE):
            items, n_items = x + TUPLE_ITEMS, load_int(x + TUPLE_SIZE)
        return target if n_items == n and copy_numbers(target, items, n, table) else NULL

    return values_of

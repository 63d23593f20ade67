"""A stream's `step` (streamrnn/door/compiled.py)."""

import numpy as np

from streamrnn.door.machine.layout import (
    ALIGNED,
    ARRAY_TYPE,
    BUSY,
    CONVERTED,
    DATA,
    DOUBLE_DTYPE,
    DOUBLE_TYPE,
    DROP_REFERENCE,
    DTYPE,
    FLAGS,
    FLOAT_TYPE,
    LIST_ITEMS,
    LIST_SIZE,
    LIST_TYPE,
    N_DIMENSIONS,
    N_INPUTS,
    N_OUTPUTS,
    NUMBER,
    PLAN,
    READABLE,
    RING,
    RING_DATA,
    RING_SIZE,
    SINGLE_DTYPE,
    SINGLE_TYPE,
    STRIDE,
    STRIDES,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TUPLE_TYPE,
    TYPE,
    VALUE_DTYPE,
    WRITABLE,
)
from streamrnn.door.machine.objects import NULL, are_apart, dimension, is_array, new_array, out_of_call, unusual
from streamrnn.kernels.driver import advance
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, load_int32, load_scalar, store, store_int, store_int32
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE


@inline
def _is_vector(array, size, flags, table):
    """Whether a value is a vector of the model's dtype, of shape (size,), with all of `flags`."""
    return is_array(array, field(table, VALUE_DTYPE), 1, flags, table) and dimension(array, 0) == size


@inline
def _is_usual_input(array, table):
    """Whether a value is an input that a kernel can read: a vector, or a matrix where a step takes several rows."""
    stride, n_inputs = field(table, STRIDE), field(table, N_INPUTS)
    if stride == 1:
        return _is_vector(array, n_inputs, READABLE, table)
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


def _values(width: Width) -> Part:
    copy_numbers, copy_vector = _copies(width)

    @inline
    def values_of(args, table):
        """Address of the values of a call's input, in the model's dtype; NULL if it is unusual.

        A value beyond the range of the dtype becomes infinite, which the driver refuses.
        """
        x, n, target = load_int(args), field(table, N_INPUTS), field(table, CONVERTED)
        if _is_usual_input(x, table):
            return load_int(x + DATA)
        if field(table, STRIDE) != 1:
            return NULL
        kind, items, n_items = load_int(x + TYPE), args, 1
        if kind == field(table, ARRAY_TYPE):
            return target if copy_vector(target, x, n, table) else NULL
        if kind == field(table, LIST_TYPE):
            items, n_items = load_int(x + LIST_ITEMS), load_int(x + LIST_SIZE)
        elif kind == field(table, TUPLE_TYPE):
            items, n_items = x + TUPLE_ITEMS, load_int(x + TUPLE_SIZE)
        return target if n_items == n and copy_numbers(target, items, n, table) else NULL

    return values_of


@inline
def _free_of_ring(table):
    """An array of the ring that nothing else refers to and that is unchanged; NULL if there is none."""
    for index in range(RING_SIZE):
        array = load_int(field(table, RING) + 8 * index)
        if (
            load_int32(array) == 1
            and load_int(array + DATA) == field(table, RING_DATA + index)
            and _is_vector(array, field(table, N_OUTPUTS), WRITABLE, table)
        ):
            return array
    return NULL


@inline
def _into_ring(table, array):
    """Let the ring take over a reference to an array, and drop its first one: last of all, since its end may call Python."""
    first = load_int(field(table, RING))
    store_int(field(table, RING), array)
    store_int(table + 8 * RING_DATA, load_int(array + DATA))
    call(field(table, DROP_REFERENCE), first)


def step(width: Width) -> Kernel:
    """METH_FASTCALL | METH_KEYWORDS for the width's dtype: (self, args, n_args, names).

    `self` is the table's array object, `args` the address of the arguments, `names` a tuple or NULL. A call that the driver
    refuses goes to the plain door too, which refuses it again and says why.
    """
    itemsize, values_of, advance_plan = width.itemsize, _values(width), advance(width)

    @inline
    def fits(out, x, table):
        """Whether a result can be written to `out` while x is read. NULL fits: an array will be found."""
        n_bytes, n_bytes_of_x = field(table, N_OUTPUTS) * itemsize, field(table, STRIDE) * field(table, N_INPUTS) * itemsize
        return out == NULL or (
            out != -1
            and _is_vector(out, field(table, N_OUTPUTS), WRITABLE, table)
            and are_apart(load_int(out + DATA), n_bytes, x, n_bytes_of_x)
        )

    def step(self, args, n_args, names):
        table, x, result = load_int(self + DATA), NULL, -1
        if n_args >= 1 and load_int(field(table, BUSY)) == 0:
            x, result = values_of(args, table), out_of_call(args, n_args, names, 1, table)
        if x == NULL or not fits(result, x, table):
            return unusual(table, args, n_args, names)
        is_new = False
        if result == NULL:
            result = _free_of_ring(table)
            if result == NULL:
                result, is_new = new_array(table, 1, table + 8 * N_OUTPUTS), True
                if result == NULL:
                    return NULL
        if advance_plan(field(table, PLAN), x, load_int(result + DATA), 1) == DONE:
            store_int32(result, load_int32(result) + 1)  # a new reference
            if is_new:
                _into_ring(table, result)
            return result
        if is_new:
            call(field(table, DROP_REFERENCE), result)
        return unusual(table, args, n_args, names)

    return step

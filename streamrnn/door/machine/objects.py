"""Checks of Python objects in machine code: are they those of a usual call?"""

from streamrnn.door.machine.layout import (
    ARRAY_TYPE,
    DIMENSIONS,
    DTYPE,
    FLAGS,
    N_DIMENSIONS,
    NEW_ARRAY,
    NEW_REFERENCE,
    OUT,
    PLAIN_STEP,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    VALUE_DTYPE,
    VECTORCALL,
)
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import field
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, load_int32

NULL = 0


@inline
def is_array(value, dtype, n_dimensions, flags, table):
    """Whether a value is an ndarray (not a subclass) of this dtype object, with all of `flags`."""
    return (
        load_int(value + TYPE) == field(table, ARRAY_TYPE)
        and load_int(value + DTYPE) == dtype
        and load_int32(value + N_DIMENSIONS) == n_dimensions
        and (load_int32(value + FLAGS) & flags) == flags
    )


@inline
def dimension(array, index):
    """The length of an array along one of its dimensions."""
    return load_int(load_int(array + DIMENSIONS) + 8 * index)


@inline
def out_of_call(args, n_args, names, n_usual, table):
    """The `out` of a call: the argument after the `n_usual` others, or a keyword. NULL: none is given. -1: an unusual call."""
    if names == NULL:
        if n_args == n_usual:
            return NULL
        return load_int(args + 8 * n_usual) if n_args == n_usual + 1 else -1
    if n_args == n_usual and load_int(names + TUPLE_SIZE) == 1 and load_int(names + TUPLE_ITEMS) == field(table, OUT):
        return load_int(args + 8 * n_usual)
    return -1


@inline
def are_apart(at, n_bytes, at_other, n_bytes_other):
    """Whether the data of two arrays in C order, given by their addresses, share no bytes."""
    return at + n_bytes <= at_other or at_other + n_bytes_other <= at


@inline
def new_array(table, n_dimensions, shape):
    """A new array for results, of the shape at an address. NULL, with an exception set, if memory is full."""
    kind, dtype = field(table, ARRAY_TYPE), field(table, VALUE_DTYPE)
    call(field(table, NEW_REFERENCE), dtype)  # the array takes it over
    return call(field(table, NEW_ARRAY), kind, dtype, n_dimensions, shape, NULL, NULL, 0, NULL)


@inline
def unusual(table, args, n_args, names):
    """Let the plain door answer."""
    return call(field(table, VECTORCALL), field(table, PLAIN_STEP), args, n_args, names)

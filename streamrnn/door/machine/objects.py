"""How machine code looks at Python's objects: whether they are what nearly every call brings."""

from streamrnn.door.machine.layout import (
    ARRAY_TYPE,
    DATA,
    DIMENSIONS,
    DTYPE,
    FLAGS,
    N_DIMENSIONS,
    OUT,
    PLAIN,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    VECTORCALL,
)
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import field
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, load_int32

NULL = 0


@inline
def is_array(value, dtype, n_dimensions, flags, table):
    """Whether a value is an ndarray, and no subclass, of a dtype object, whose flags include `flags`."""
    return (
        load_int(value + TYPE) == field(table, ARRAY_TYPE)
        and load_int(value + DTYPE) == dtype
        and load_int32(value + N_DIMENSIONS) == n_dimensions
        and (load_int32(value + FLAGS) & flags) == flags
    )


@inline
def dimension(array, index):
    """The length of an array along a dimension that it has."""
    return load_int(load_int(array + DIMENSIONS) + 8 * index)


@inline
def out_of_call(args, n_args, names, n_usual, table):
    """What a call names `out`, behind `n_usual` arguments or by its keyword; NULL where it does not, -1 where it is unusual."""
    if names == NULL:
        if n_args == n_usual:
            return NULL
        return load_int(args + 8 * n_usual) if n_args == n_usual + 1 else -1
    if n_args == n_usual and load_int(names + TUPLE_SIZE) == 1 and load_int(names + TUPLE_ITEMS) == field(table, OUT):
        return load_int(args + 8 * n_usual)
    return -1


@inline
def are_apart(one, n_bytes, other, n_bytes_other):
    """Whether two arrays in C order share no byte."""
    at, at_other = load_int(one + DATA), load_int(other + DATA)
    return at + n_bytes <= at_other or at_other + n_bytes_other <= at


@inline
def unusual(table, args, n_args, names):
    """What the plain door answers."""
    return call(field(table, VECTORCALL), field(table, PLAIN), args, n_args, names)

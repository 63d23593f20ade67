"""A stream's `step` (streamrnn/door/compiled.py)."""

from streamrnn.door.machine.layout import (
    BUSY,
    DATA,
    N_INPUTS,
    N_OUTPUTS,
    PLAN,
    READABLE,
    RING,
    RING_SIZE,
    STRIDE,
    VALUE_DTYPE,
    WRITABLE,
)
from streamrnn.door.machine.objects import NULL, are_apart, dimension, is_array, out_of_call, unusual
from streamrnn.kernels.driver import advance
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field
from streamrnn.simd.memory import load_int, load_int32, store_int32
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE


@inline
def _is_vector(array, size, flags, table):
    """Whether a value is a vector of the model's dtype, of shape (size,), with all of `flags`."""
    return is_array(array, field(table, VALUE_DTYPE), 1, flags, table) and dimension(array, 0) == size


@inline
def _is_input(array, table):
    """Whether a value is the usual input of a step: a vector, or a matrix where a step takes several rows."""
    stride, n_inputs = field(table, STRIDE), field(table, N_INPUTS)
    if stride == 1:
        return _is_vector(array, n_inputs, READABLE, table)
    return (
        is_array(array, field(table, VALUE_DTYPE), 2, READABLE, table)
        and dimension(array, 0) == stride
        and dimension(array, 1) == n_inputs
    )


@inline
def _free_of_ring(table):
    """An array of the ring that nothing else refers to and that is unchanged; NULL if there is none."""
    for index in range(RING_SIZE):
        array = field(table, RING + 2 * index)
        if (
            array != NULL
            and load_int32(array) == 1
            and load_int(array + DATA) == field(table, RING + 2 * index + 1)
            and _is_vector(array, field(table, N_OUTPUTS), WRITABLE, table)
        ):
            return array
    return NULL


def _result(width: Width) -> Part:
    itemsize = width.itemsize

    @inline
    def result_array(table, args, n_args, names):
        """The array for the result of a usual call; NULL if the call is unusual."""
        if n_args < 1 or load_int(field(table, BUSY)):
            return NULL
        x, n_inputs, n_outputs = load_int(args), field(table, STRIDE) * field(table, N_INPUTS), field(table, N_OUTPUTS)
        if not _is_input(x, table):
            return NULL
        out = out_of_call(args, n_args, names, 1, table)
        if out == NULL:
            return _free_of_ring(table)
        if out == -1 or not _is_vector(out, n_outputs, WRITABLE, table):
            return NULL
        return out if are_apart(out, n_outputs * itemsize, x, n_inputs * itemsize) else NULL

    return result_array


def step(width: Width) -> Kernel:
    """METH_FASTCALL | METH_KEYWORDS for the width's dtype: (self, args, n_args, names).

    `self` is the table's array object, `args` the address of the arguments, `names` a tuple or NULL. A call that the driver
    refuses goes to the plain door too, which refuses it again and says why.
    """
    result_array, advance_plan = _result(width), advance(width)

    def step(self, args, n_args, names):
        table = load_int(self + DATA)
        result = result_array(table, args, n_args, names)
        if result != NULL:
            status = advance_plan(field(table, PLAN), load_int(load_int(args) + DATA), load_int(result + DATA), 1)
            if status == DONE:
                store_int32(result, load_int32(result) + 1)  # a new reference
                return result
        return unusual(table, args, n_args, names)

    return step

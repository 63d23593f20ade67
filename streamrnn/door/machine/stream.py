"""A stream's `step` (streamrnn/door/compiled.py)."""

from streamrnn.door.machine.inputs import is_vector, values
from streamrnn.door.machine.layout import (
    BUSY,
    CONVERTED,
    DATA,
    DROP_REFERENCE,
    N_INPUTS,
    N_OUTPUTS,
    PLAN,
    RING,
    RING_DATA,
    RING_SIZE,
    STRIDE,
    WRITABLE,
)
from streamrnn.door.machine.objects import NULL, are_apart, new_array, out_of_call, unusual
from streamrnn.kernels.driver import advance
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, field
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, load_int32, store_int, store_int32
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE


@inline
def _free_of_ring(table):
    """An array of the ring that nothing else refers to and that is unchanged; NULL if there is none."""
    for index in range(RING_SIZE):
        array = load_int(field(table, RING) + 8 * index)
        if (
            load_int32(array) == 1
            and load_int(array + DATA) == field(table, RING_DATA + index)
            and is_vector(array, field(table, N_OUTPUTS), WRITABLE, table)
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
    itemsize, values_of, advance_plan = width.itemsize, values(width), advance(width)

    @inline
    def fits(out, x, table):
        """Whether a result can be written to `out` while x is read. NULL fits: an array will be found."""
        n_bytes, n_bytes_of_x = field(table, N_OUTPUTS) * itemsize, field(table, STRIDE) * field(table, N_INPUTS) * itemsize
        return out == NULL or (
            out != -1
            and is_vector(out, field(table, N_OUTPUTS), WRITABLE, table)
            and are_apart(load_int(out + DATA), n_bytes, x, n_bytes_of_x)
        )

    def step(self, args, n_args, names):
        table, x, result = load_int(self + DATA), NULL, -1
        if n_args >= 1 and load_int(field(table, BUSY)) == 0:
            x, result = values_of(args, field(table, CONVERTED), table), out_of_call(args, n_args, names, 1, table)
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

"""A pool's `step` (streamrnn/pool/compiled_door.py)."""

from streamrnn.door.machine.layout import (
    BUSY,
    CHANGED,
    DATA,
    DRIVER,
    DROP_REFERENCE,
    LAST_CALL,
    MAX_UNSHARED,
    MAX_WITH_GIL,
    N_CALLS,
    N_INPUTS,
    N_OUTPUTS,
    NEW_REFERENCE,
    POOL,
    READABLE,
    RELEASE_GIL,
    SHAPE,
    SHARED_DRIVER,
    SLOT_DTYPE,
    TAKE_GIL,
    VALUE_DTYPE,
    WRITABLE,
)
from streamrnn.door.machine.objects import NULL, are_apart, dimension, is_array, new_array, out_of_call, unusual
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_copy
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, store_byte, store_int
from streamrnn.simd.shared import store_shared, swap_shared
from streamrnn.target.packing import Width
from streamrnn.target.record import BEGIN, CAPACITY, DONE, END, N_SLOTS, SLOTS

#: A status beside those of the driver.
NO_MEMORY = -1


@inline
def _is_matrix(array, n_rows, n_columns, flags, table):
    """Whether a value is an array of the model's dtype, of shape (n_rows, n_columns), with all of `flags`."""
    return (
        is_array(array, field(table, VALUE_DTYPE), 2, flags, table)
        and dimension(array, 0) == n_rows
        and dimension(array, 1) == n_columns
    )


def _usual(width: Width) -> Part:
    itemsize = width.itemsize

    @inline
    def n_of_usual_call(table, pool, args, n_args, out):
        """How many streams a usual call has; -1 if the call is unusual."""
        if pool == NULL or n_args < 2 or out == -1:
            return -1
        slots, x, n_inputs, n_outputs = load_int(args), load_int(args + 8), field(table, N_INPUTS), field(table, N_OUTPUTS)
        if not is_array(slots, field(table, SLOT_DTYPE), 1, READABLE, table):
            return -1
        n = dimension(slots, 0)
        if n > field(pool, CAPACITY) or not _is_matrix(x, n, n_inputs, READABLE, table):
            return -1
        if out != NULL:
            if not _is_matrix(out, n, n_outputs, WRITABLE, table):
                return -1
            if not are_apart(load_int(out + DATA), n * n_outputs * itemsize, load_int(x + DATA), n * n_inputs * itemsize):
                return -1
        return n

    return n_of_usual_call


@inline
def _new_matrix(table, n_rows, n_columns):
    """A new array of the model's dtype; NULL, with an exception set, if memory is full."""
    store_int(table + 8 * SHAPE, n_rows)
    store_int(table + 8 * (SHAPE + 1), n_columns)
    return new_array(table, 2, table + 8 * SHAPE)


def _run(width: Width) -> Part:
    copy_values = row_copy(width)

    @inline
    def run(table, pool, slots, n, x, y):
        """The driver's status for a call of the n slots at the address `slots`; NO_MEMORY, with an exception set.

        The driver reads the pool's own copy of the slots, and, where the GIL is released, a copy of the inputs: no other thread
        can change them meanwhile.
        """
        own_slots = field(pool, SLOTS)
        for index in range(n):
            store_int(own_slots + 8 * index, load_int(slots + 8 * index))
        store_int(pool + 8 * N_SLOTS, n)
        store_int(pool + 8 * BEGIN, 0)
        store_int(pool + 8 * END, n)
        driver = field(table, DRIVER) if n <= field(table, MAX_UNSHARED) else field(table, SHARED_DRIVER)
        if n <= field(table, MAX_WITH_GIL):
            return call(driver, pool, x, y, 1)
        inputs = _new_matrix(table, n, field(table, N_INPUTS))
        if inputs == NULL:
            return NO_MEMORY
        own_x = load_int(inputs + DATA)
        copy_values(own_x, x, n * field(table, N_INPUTS))
        thread = call(field(table, RELEASE_GIL))
        status = call(driver, pool, own_x, y, 1)
        call(field(table, TAKE_GIL), thread)
        call(field(table, DROP_REFERENCE), inputs)
        return status

    return run


@inline
def _note_use(table, pool, n):
    """What `Uses.note` does, for the n slots of a tick that has been computed."""
    n_calls = field(table, N_CALLS)
    if n_calls != NULL:
        store_int(n_calls, load_int(n_calls) + 1)
        for index in range(n):
            slot = load_int(field(pool, SLOTS) + 8 * index)
            store_int(field(table, LAST_CALL) + 8 * slot, load_int(n_calls))
            store_byte(field(table, CHANGED) + slot, 1)


def step(width: Width) -> Kernel:
    """METH_FASTCALL | METH_KEYWORDS for the width's dtype: (self, args, n_args, names).

    `self` is the table's array object, `args` the address of the arguments, `names` a tuple or NULL. A call that the driver
    refuses goes to the plain door too, which refuses it again and says why.
    """
    n_of_usual_call, run = _usual(width), _run(width)

    def step(self, args, n_args, names):
        table = load_int(self + DATA)
        pool, out = load_int(field(table, POOL)), out_of_call(args, n_args, names, 2, table)
        n = n_of_usual_call(table, pool, args, n_args, out)
        if n < 0:
            return unusual(table, args, n_args, names)
        result = out if out != NULL else _new_matrix(table, n, field(table, N_OUTPUTS))
        if result == NULL:
            return NULL
        if swap_shared(field(table, BUSY), 1) == 0:
            slots, x = load_int(args), load_int(args + 8)
            y = load_int(result + DATA)
            status = run(table, pool, load_int(slots + DATA), n, load_int(x + DATA), y)
            if status == DONE:
                _note_use(table, pool, n)
            store_shared(field(table, BUSY), 0)
            if status == DONE:
                if out != NULL:
                    call(field(table, NEW_REFERENCE), out)
                return result
            if status == NO_MEMORY:
                if out == NULL:
                    call(field(table, DROP_REFERENCE), result)
                return NULL
        if out == NULL:
            call(field(table, DROP_REFERENCE), result)
        return unusual(table, args, n_args, names)

    return step

"""From the inputs of many streams, each an object of its own, to one matrix, and from a matrix to results of their own."""

from streamrnn.door.machine.inputs import values
from streamrnn.door.machine.layout import DATA, DROP_REFERENCE, N_INPUTS, N_OUTPUTS
from streamrnn.door.machine.objects import NULL, new_array
from streamrnn.kernels.panel import Kernel, field, row_copy
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, store_int
from streamrnn.target.packing import Width


def gather(width: Width) -> Kernel:
    """(table, items, n, target): write the n inputs at `items`, the addresses of their addresses, to the rows of `target`.

    Returns how many rows were written: fewer than n if an input is unusual or not finite.
    """
    itemsize, values_of, copy_values = width.itemsize, values(width), row_copy(width)

    def gather(table, items, n, target):
        for index in range(n):
            n_inputs = field(table, N_INPUTS)
            row = target + itemsize * n_inputs * index
            source = values_of(items + 8 * index, row, table)
            if source == NULL or not copy_values(row, source, n_inputs):
                return index
        return n

    return gather


def scatter(width: Width) -> Kernel:
    """(table, items, n, source): put a new array with each of the n rows of `source` into the items of a list.

    Returns how many were made: fewer than n, with an exception set, if memory is full.
    """
    itemsize, copy_values = width.itemsize, row_copy(width)

    def scatter(table, items, n, source):
        for index in range(n):
            n_outputs = field(table, N_OUTPUTS)
            array = new_array(table, 1, table + 8 * N_OUTPUTS)
            if array == NULL:
                return index
            copy_values(load_int(array + DATA), source + itemsize * n_outputs * index, n_outputs)
            before = load_int(items + 8 * index)
            store_int(items + 8 * index, array)
            call(field(table, DROP_REFERENCE), before)
        return n

    return scatter

"""Kernel of a layer with a state for each row of a step (streamrnn/layers/bank.py)."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_copy
from streamrnn.kernels.pool.panel import NOW, THEN, list_rows
from streamrnn.simd.call import call
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    DONE,
    INPUTS,
    N_ROW_STATES,
    OUTPUTS,
    OVER_ROWS,
    ROW_KERNEL,
    ROW_ROOM,
    ROW_STATES,
    ROWS,
    ROWS_AT_ONCE,
    ROWS_OF_STEP,
    STRIDE,
)


def take_step(width: Width) -> Part:
    """A kernel part (record, source, target, now, then): one step of all rows, by the pool's kernel of the layer that is held.

    now   what to add to the addresses of the states to have them before the step
    then  the same, after the step

    The states of a row are copied to whole vectors for the kernel, since those that are kept have no gaps between rows.
    """
    itemsize, copy_row = width.itemsize, row_copy(width)

    @inline
    def move_states(record, first_row, n_rows, room, kept_at, from_room):
        rows, stride = field(record, OVER_ROWS), field(record, STRIDE)
        n_states = field(rows, N_ROW_STATES)
        for state in range(n_states):
            kept, size = field(rows, ROW_STATES + 2 * state), field(rows, ROW_STATES + 2 * state + 1)
            kept += kept_at + first_row * size * itemsize
            for row in range(n_rows):
                whole, own = room + (row * n_states + state) * stride, kept + row * size * itemsize
                if from_room:
                    copy_row(own, whole, size)
                else:
                    copy_row(whole, own, size)

    @inline
    def take(record, source, target, now, then):
        rows, lists = field(record, OVER_ROWS), field(record, ROWS)
        count, at_once = field(rows, ROWS_OF_STEP), field(rows, ROWS_AT_ONCE)
        row_bytes, room = field(rows, N_ROW_STATES) * field(record, STRIDE), field(rows, ROW_ROOM)
        after, begin = room + at_once * row_bytes, 0
        while begin < count:
            n_now = at_once if at_once < count - begin else count - begin
            move_states(record, begin, n_now, room, now, False)
            list_rows(lists + NOW, room, row_bytes, n_now)
            list_rows(lists + THEN, after, row_bytes, n_now)
            status = call(field(rows, ROW_KERNEL), record, source, target, n_now)
            if status != DONE:
                return status
            move_states(record, begin, n_now, after, then, True)
            source += itemsize * n_now * field(record, INPUTS)
            target += itemsize * n_now * field(record, OUTPUTS)
            begin += n_now
        return DONE

    return take


def bank(width: Width) -> Kernel:
    """y_r = layer(x_r), of each row r, with the states of that row."""
    itemsize, step_of_rows = width.itemsize, take_step(width)

    def kernel(record, source, target, n_steps):
        count = field(field(record, OVER_ROWS), ROWS_OF_STEP)
        for _ in range(n_steps):
            status = step_of_rows(record, source, target, 0, 0)
            if status != DONE:
                return status
            source += itemsize * count * field(record, INPUTS)
            target += itemsize * count * field(record, OUTPUTS)
        return DONE

    return kernel

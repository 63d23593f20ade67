"""The driver: one compiled function that takes a plan through any number of steps, wholly or not at all.

It refuses non-finite input before anything moves, walks the op records tile by tile, and puts the state back where a step
drove it out of the range of its type (the poison law). It knows no layer kind: kernels are called by address.
"""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, whole_copy
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, store_int
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    BACKUP,
    DONE,
    HEADER_FIELDS,
    INPUT_NOT_FINITE,
    INPUT_SLOT,
    KERNEL,
    N_INPUTS,
    N_OPS,
    OUTPUT_SLOT,
    OUTPUTS,
    RECORD_FIELDS,
    SLOTS,
    SOURCE,
    STATE_BLOCK,
    STATE_BYTES,
    TARGET,
    TILE,
)


def advance(width: Width) -> Part:
    """The driver as a part, for numbers of the width's type.

    It takes `n_steps` rows from address x to address y, and returns DONE, or why nothing has moved (target/record.py).
    """
    itemsize, all_finite, copy = width.itemsize, finite_check(width), whole_copy(width)

    @inline
    def advance_plan(plan, x, y, n_steps):
        first = plan + 8 * HEADER_FIELDS
        n_ops, tile, slots = field(plan, N_OPS), field(plan, TILE), field(plan, SLOTS)
        n_inputs = field(plan, N_INPUTS)
        x_stride = n_inputs * itemsize
        y_stride = field(first + 8 * RECORD_FIELDS * (n_ops - 1), OUTPUTS) * itemsize
        state, backup, state_bytes = field(plan, STATE_BLOCK), field(plan, BACKUP), field(plan, STATE_BYTES)
        if not all_finite(x, n_steps * n_inputs):
            return INPUT_NOT_FINITE
        copy(backup, state, state_bytes)
        begin = 0
        while begin < n_steps:  # not a range, whose step Numba would check and raise an exception for
            n_now = min(tile, n_steps - begin)
            store_int(slots + 8 * INPUT_SLOT, x + begin * x_stride)
            store_int(slots + 8 * OUTPUT_SLOT, y + begin * y_stride)
            record = first
            for _ in range(n_ops):
                source, target = load_int(slots + 8 * field(record, SOURCE)), load_int(slots + 8 * field(record, TARGET))
                status = call(field(record, KERNEL), record, source, target, n_now)
                if status != DONE:
                    copy(state, backup, state_bytes)
                    return status
                record += 8 * RECORD_FIELDS
            begin += n_now
        return DONE

    return advance_plan


def run(width: Width) -> Kernel:
    """`advance` as a function to be called by address."""
    advance_plan = advance(width)

    def driver(plan, x, y, n_steps):
        return advance_plan(plan, x, y, n_steps)

    return driver

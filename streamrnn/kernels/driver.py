"""The driver: one compiled function that takes any number of steps through all ops of a plan.

A call takes effect wholly or not at all (the poison law). The driver refuses input that is not finite before any state changes,
takes tiles of steps through the ops, and restores the state if a step made it infinite or NaN. It knows no layer kind: it calls
kernels by address.
"""

from streamrnn.kernels.inline import inline, made_once
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, whole_copy
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, store_int
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    BACKUP,
    BUFFERS,
    DONE,
    GROUP_ADVANCED,
    GROUP_FIELDS,
    GROUP_N_ADVANCED,
    GROUP_N_OPS,
    GROUP_ROWS,
    GROUP_TOGETHER,
    GROUPS,
    INPUT_BUFFER,
    INPUT_NOT_FINITE,
    KERNEL,
    N_GROUPS,
    N_INPUTS,
    N_OUTPUTS,
    ONLY_OP,
    OUTPUT_BUFFER,
    RECORD_FIELDS,
    RECORDS,
    SOURCE,
    STATE_BLOCK,
    STATE_BYTES,
    TARGET,
    TILE,
)


@made_once
def advance(width: Width) -> Part:
    """The driver as a kernel part (plan, x, y, n_steps), for numbers of the width's type.

    plan  address of the plan header (streamrnn/target/record.py)
    x     address of the inputs, (n_steps, n_inputs)
    y     address for the outputs, (n_steps, n_outputs)

    Returns DONE, or a status that says why nothing has changed.
    """
    itemsize, all_finite, copy = width.itemsize, finite_check(width), whole_copy(width)
    through_groups = through_all_groups(_row_by_row)

    @inline
    def advance_plan(plan, x, y, n_steps):
        tile, buffers, n_inputs = field(plan, TILE), field(plan, BUFFERS), field(plan, N_INPUTS)
        x_stride, y_stride = n_inputs * itemsize, field(plan, N_OUTPUTS) * itemsize
        state, backup, state_bytes = field(plan, STATE_BLOCK), field(plan, BACKUP), field(plan, STATE_BYTES)
        if not all_finite(x, n_steps * n_inputs):
            return INPUT_NOT_FINITE
        copy(backup, state, state_bytes)
        only, begin, status = field(plan, ONLY_OP), 0, DONE
        if only and n_steps <= tile:
            status, begin = call(field(only, KERNEL), only, x, y, n_steps), n_steps
        while begin < n_steps and status == DONE:  # not a range, whose step Numba would check and raise an exception for
            n_now, source, target = min(tile, n_steps - begin), x + begin * x_stride, y + begin * y_stride
            if only:
                status = call(field(only, KERNEL), only, source, target, n_now)
            else:
                store_int(buffers + 8 * INPUT_BUFFER, source)
                store_int(buffers + 8 * OUTPUT_BUFFER, target)
                status = through_groups(plan, n_now)
            begin += n_now
        if status != DONE:
            copy(state, backup, state_bytes)
        return status

    return advance_plan


@inline
def through_ops(record, buffers, n_ops, n_rows):
    """Take `n_rows` rows through consecutive ops: each op takes all rows before the next op begins."""
    for _ in range(n_ops):
        source, target = load_int(buffers + 8 * field(record, SOURCE)), load_int(buffers + 8 * field(record, TARGET))
        status = call(field(record, KERNEL), record, source, target, n_rows)
        if status != DONE:
            return status
        record += 8 * RECORD_FIELDS
    return DONE


@made_once
def through_all_groups(through_together: Part) -> Part:
    """A part (plan, n_steps) that takes the steps of a tile through all ops, group by group.

    through_together  a part (plan, record, group, n_steps) that takes them through the ops of a group that go together
    """

    @inline
    def through_groups(plan, n_steps):
        record, group, buffers = field(plan, RECORDS), field(plan, GROUPS), field(plan, BUFFERS)
        for _ in range(field(plan, N_GROUPS)):
            n_ops = field(group, GROUP_N_OPS)
            if field(group, GROUP_TOGETHER):
                status = through_together(plan, record, group, n_steps)
            else:
                status = through_ops(record, buffers, n_ops, n_steps * field(group, GROUP_ROWS))
            if status != DONE:
                return status
            record += 8 * RECORD_FIELDS * n_ops
            group += 8 * GROUP_FIELDS
        return DONE

    return through_groups


@inline
def _row_by_row(plan, record, group, n_steps):
    """Take rows through the ops of a group: all ops take a row before any takes the next row."""
    buffers, n_ops, n_rows = field(plan, BUFFERS), field(group, GROUP_N_OPS), n_steps * field(group, GROUP_ROWS)
    status = through_ops(record, buffers, n_ops, 1)
    row = 1
    while row < n_rows and status == DONE:
        move_buffers(group, 1)
        status = through_ops(record, buffers, n_ops, 1)
        row += 1
    if row > 1:
        move_buffers(group, 1 - row)
    return status


@inline
def move_buffers(group, n_rows):
    """Let the buffers of a group begin `n_rows` rows later."""
    pair = field(group, GROUP_ADVANCED)
    for _ in range(field(group, GROUP_N_ADVANCED)):
        buffer = load_int(pair)
        store_int(buffer, load_int(buffer) + n_rows * load_int(pair + 8))
        pair += 16


def run(width: Width) -> Kernel:
    """`advance` as a function that is called by address."""
    advance_plan = advance(width)

    def driver(plan, x, y, n_steps):
        return advance_plan(plan, x, y, n_steps)

    return driver

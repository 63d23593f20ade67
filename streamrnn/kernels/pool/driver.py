"""The driver of a pool: one compiled function that takes any of its streams through any number of steps, wholly or not at all.

As streamrnn/kernels/driver.py does for one stream, it refuses what is wrong before anything moves, and puts all states back
where a step drove one of them out of the range of its type.
"""

from streamrnn.kernels.driver import call_kernel
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, whole_copy
from streamrnn.packing import Width
from streamrnn.record import (
    BACKUP,
    BEGIN,
    CALLED,
    CHOSEN,
    DONE,
    END,
    INPUT_NOT_FINITE,
    INPUT_SLOT,
    KERNEL,
    MARKS,
    N_CHOSEN,
    N_INPUTS,
    N_OPS,
    N_PLACES,
    NO_SUCH_STREAM,
    OPEN,
    OUTPUT_SLOT,
    OUTPUTS,
    POOL_HEADER_FIELDS,
    RECORD_FIELDS,
    SLOTS,
    SOURCE,
    STATE_BLOCK,
    STATE_BYTES,
    TARGET,
    TILE,
    TILE_ROWS,
)
from streamrnn.simd.memory import load_int, store_int


@inline
def all_open_and_distinct(pool):
    """Whether the numbers are those of open streams, each once. A mark says which have been seen."""
    chosen, marks, n_places = field(pool, CHOSEN), field(pool, MARKS), field(pool, N_PLACES)
    seen_to, end = field(pool, BEGIN), field(pool, END)
    while seen_to < end:
        number = load_int(chosen + 8 * seen_to)
        if number < 0 or number >= n_places or load_int(marks + 8 * number) != OPEN:
            break
        store_int(marks + 8 * number, CALLED)
        seen_to += 1
    for index in range(field(pool, BEGIN), seen_to):
        store_int(marks + 8 * load_int(chosen + 8 * index), OPEN)
    return seen_to == end


def state_copies(width: Width) -> tuple[Part, Part]:
    """Kernel parts that copy the states of the streams that are to advance aside, and back."""
    copy = whole_copy(width)

    @inline
    def keep(pool):
        backup, n_bytes = field(pool, BACKUP), field(pool, STATE_BYTES)
        for index in range(field(pool, BEGIN), field(pool, END)):
            number = load_int(field(pool, CHOSEN) + 8 * index)
            copy(backup + index * n_bytes, field(pool, STATE_BLOCK) + number * n_bytes, n_bytes)

    @inline
    def put_back(pool):
        backup, n_bytes = field(pool, BACKUP), field(pool, STATE_BYTES)
        for index in range(field(pool, BEGIN), field(pool, END)):
            number = load_int(field(pool, CHOSEN) + 8 * index)
            copy(field(pool, STATE_BLOCK) + number * n_bytes, backup + index * n_bytes, n_bytes)

    return keep, put_back


@inline
def _through_all_ops(pool, n_streams):
    """A step of a tile of streams, from slot to slot."""
    record, slots = pool + 8 * POOL_HEADER_FIELDS, field(pool, SLOTS)
    for _ in range(field(pool, N_OPS)):
        source, target = load_int(slots + 8 * field(record, SOURCE)), load_int(slots + 8 * field(record, TARGET))
        status = call_kernel(field(record, KERNEL), record, source, target, n_streams)
        if status != DONE:
            return status
        record += 8 * RECORD_FIELDS
    return DONE


def run(width: Width) -> Kernel:
    """Takes `n_steps` rows for each stream of the call, [step][stream][value], from address x to address y.

    The streams from BEGIN to END advance; the others may be on their way in other threads.

    Returns DONE, or why nothing has moved (streamrnn/record.py).
    """
    itemsize, all_finite = width.itemsize, finite_check(width)
    keep, put_back = state_copies(width)

    def driver(pool, x, y, n_steps):
        n_chosen, n_inputs, slots = field(pool, N_CHOSEN), field(pool, N_INPUTS), field(pool, SLOTS)
        chosen, state, n_bytes = field(pool, CHOSEN), field(pool, STATE_BLOCK), field(pool, STATE_BYTES)
        tile, rows = field(pool, TILE), field(pool, TILE_ROWS)
        last = pool + 8 * (POOL_HEADER_FIELDS + RECORD_FIELDS * (field(pool, N_OPS) - 1))
        x_stride, y_stride = itemsize * n_inputs, itemsize * field(last, OUTPUTS)
        if not all_open_and_distinct(pool):
            return NO_SUCH_STREAM
        begin, end = field(pool, BEGIN), field(pool, END)
        for step in range(n_steps):
            if not all_finite(x + (step * n_chosen + begin) * x_stride, (end - begin) * n_inputs):
                return INPUT_NOT_FINITE
        keep(pool)
        while begin < end:
            left = end - begin
            n_now = tile if tile < left else left  # not min, whose error path LLVM does not see through here
            for index in range(n_now):
                store_int(rows + 8 * index, state + n_bytes * load_int(chosen + 8 * (begin + index)))
            for step in range(n_steps):
                row = step * n_chosen + begin
                store_int(slots + 8 * INPUT_SLOT, x + row * x_stride)
                store_int(slots + 8 * OUTPUT_SLOT, y + row * y_stride)
                status = _through_all_ops(pool, n_now)
                if status != DONE:
                    put_back(pool)
                    return status
            begin += n_now
        return DONE

    return driver

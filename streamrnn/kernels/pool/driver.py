"""The driver of a pool: one compiled function that takes any of its streams through any number of steps.

A call takes effect wholly or not at all. The driver refuses bad slots and input that is not finite before any state changes, as
streamrnn/kernels/driver.py does for one stream. Each stream has two pages for its states: a call writes to the page that is not
current. At its end it swaps the pages of all its streams, unless a step made a state infinite or NaN.
"""

from streamrnn.kernels.driver import move_buffers, through_all_groups, through_ops
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, field, finite_check
from streamrnn.kernels.pool.panel import THEN
from streamrnn.simd.memory import load_int, store_int
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    BEGIN,
    BETWEEN_ROWS,
    BUFFERS,
    CALLED,
    CAPACITY,
    DONE,
    END,
    GROUP_N_OPS,
    GROUP_ROWS,
    INPUT_BUFFER,
    INPUT_NOT_FINITE,
    MARKS,
    N_INPUTS,
    N_OUTPUTS,
    N_SLOTS,
    NO_SUCH_STREAM,
    OPEN,
    OUTPUT_BUFFER,
    PAGE_BYTES,
    PAGES,
    SLOTS,
    SPARE,
    STATE_BLOCK,
    STATE_BYTES,
    TILE,
    TILE_ROWS,
)


@inline
def all_open_and_distinct(pool):
    """Whether the call's slots are open, without duplicates. A mark says which slots have been seen."""
    slots, marks, capacity = field(pool, SLOTS), field(pool, MARKS), field(pool, CAPACITY)
    seen_to, end = field(pool, BEGIN), field(pool, END)
    while seen_to < end:
        slot = load_int(slots + 8 * seen_to)
        if slot < 0 or slot >= capacity or load_int(marks + 8 * slot) != OPEN:
            break
        store_int(marks + 8 * slot, CALLED)
        seen_to += 1
    for index in range(field(pool, BEGIN), seen_to):
        store_int(marks + 8 * load_int(slots + 8 * index), OPEN)
    return seen_to == end


@inline
def swap_pages(pool):
    """Make the states that the call has written the current ones of its streams; a second time, undo that."""
    slots, pages = field(pool, SLOTS), field(pool, PAGES)
    for index in range(field(pool, BEGIN), field(pool, END)):
        page = pages + 8 * load_int(slots + 8 * index)
        store_int(page, 1 - load_int(page))


@inline
def _list_states(pool, begin, n_streams, step, n_steps):
    """List, for each stream of a tile, the address of its states before a step and the address for those after it.

    Steps write alternately to the other page and to spare rows, so that the last step writes to the page.
    """
    rows, spare, n_bytes, slots = field(pool, TILE_ROWS), field(pool, SPARE), field(pool, STATE_BYTES), field(pool, SLOTS)
    states, page_bytes, pages = field(pool, STATE_BLOCK), field(pool, PAGE_BYTES), field(pool, PAGES)
    for index in range(n_streams):
        slot = load_int(slots + 8 * (begin + index))
        state, page, row = states + n_bytes * slot, load_int(pages + 8 * slot), rows + 8 * index
        store_int(row, load_int(row + THEN) if step else state + page * page_bytes)
        store_int(row + THEN, state + (1 - page) * page_bytes if (n_steps - step) & 1 else spare + n_bytes * index)


@inline
def _stream_by_stream(pool, record, group, n_streams):
    """Take the rows of each stream of a tile through the ops of a group, row by row. A step has several rows of each stream.

    The ops see a single stream: the first of the lists, which has each stream's states in turn. Rows write alternately to
    spare room and to where the states after the step belong, so that the last row writes there.
    """
    first, buffers, between = field(pool, TILE_ROWS), field(pool, BUFFERS), field(pool, BETWEEN_ROWS)
    n_ops, n_rows = field(group, GROUP_N_OPS), field(group, GROUP_ROWS)
    first_now, first_then = load_int(first), load_int(first + THEN)
    status, taken = DONE, 0
    for stream in range(n_streams):
        now = first_now if stream == 0 else load_int(first + 8 * stream)
        then = first_then if stream == 0 else load_int(first + THEN + 8 * stream)
        for row in range(n_rows):
            if status == DONE:
                after = then if (n_rows - row) & 1 else between
                store_int(first, now)
                store_int(first + THEN, after)
                status = through_ops(record, buffers, n_ops, 1)
                move_buffers(group, 1)
                taken += 1
                now = after
    move_buffers(group, -taken)
    store_int(first, first_now)
    store_int(first + THEN, first_then)
    return status


def run(width: Width) -> Kernel:
    """The driver: int64 (pool, x, y, n_steps).

    pool  address of the plan header of the pool (streamrnn/target/record.py)
    x     address of the inputs, [step][stream][value]
    y     address for the outputs, [step][stream][value]

    The streams of the call from BEGIN to END advance; other threads may advance the others at the same time.

    Returns DONE, or a status that says why nothing has changed.
    """
    itemsize, all_finite, through_groups = width.itemsize, finite_check(width), through_all_groups(_stream_by_stream)

    def driver(pool, x, y, n_steps):
        n_slots, n_inputs, tile = field(pool, N_SLOTS), field(pool, N_INPUTS), field(pool, TILE)
        buffers = field(pool, BUFFERS)
        x_stride, y_stride = itemsize * n_inputs, itemsize * field(pool, N_OUTPUTS)
        if not all_open_and_distinct(pool):
            return NO_SUCH_STREAM
        begin, end = field(pool, BEGIN), field(pool, END)
        for step in range(n_steps):
            if not all_finite(x + (step * n_slots + begin) * x_stride, (end - begin) * n_inputs):
                return INPUT_NOT_FINITE
        while begin < end:
            left = end - begin
            n_now = tile if tile < left else left  # not min, whose error path LLVM does not see through here
            for step in range(n_steps):
                row = step * n_slots + begin
                _list_states(pool, begin, n_now, step, n_steps)
                store_int(buffers + 8 * INPUT_BUFFER, x + row * x_stride)
                store_int(buffers + 8 * OUTPUT_BUFFER, y + row * y_stride)
                status = through_groups(pool, n_now)
                if status != DONE:
                    return status
            begin += n_now
        if n_steps > 0:
            swap_pages(pool)
        return DONE

    return driver

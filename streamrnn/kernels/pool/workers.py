"""How several threads share a call of a pool: two functions over the record of the workers (streamrnn/target/record.py).

The streams of a call are cut into parts, and each worker has a share of the parts. The caller is a worker too; the others are
helpers. A worker has the same share at every tick, so that its states stay in the caches of its core. A worker that has
finished its share takes parts of the others' shares. A helper sleeps until it is called. One that wakes late finds no part
left, so the caller never waits for a thread whose core is busy with something else.
"""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, field
from streamrnn.kernels.pool.driver import all_open_and_distinct, swap_pages
from streamrnn.simd.call import call
from streamrnn.simd.memory import load_int, store_int
from streamrnn.simd.shared import add_shared, load_shared, store_shared, swap_shared
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    ACQUIRE,
    ANSWERS,
    ASLEEP,
    AT_WORK,
    AWAKE,
    BEGIN,
    DONE,
    DRIVER,
    END,
    HELPER_BYTES,
    HELPERS,
    INPUT_NOT_FINITE,
    LEFT,
    LEFT_BYTES,
    LOCK,
    MODE,
    MOST_PARTS,
    N_HELPERS,
    N_PARTS,
    N_SLOTS,
    N_STEPS,
    N_STREAMS,
    NEVER,
    NO_SUCH_STREAM,
    NO_WORKERS,
    PART_STREAMS,
    RELEASE,
    STOP,
    TABLE_BYTES,
    TABLES,
    WANTED,
    WORKERS,
    X_ROWS,
    Y_ROWS,
)

#: How often the caller looks at the helpers before it sleeps: some 20 µs, as long as a part takes.
_LOOKS = 20_000
_NAP = 20  # microseconds

#: How often a helper looks for a call before it sleeps: some 60 µs, so that it is awake if the next tick comes at once.
_LOOKS_FOR_CALL = 60_000
_FOR_EVER = -1  # microseconds


@inline
def _set_range(workers, table, begin, end):
    """Write to a plan header which streams of the call are to advance."""
    store_int(table + 8 * N_SLOTS, field(workers, N_STREAMS))
    store_int(table + 8 * BEGIN, begin)
    store_int(table + 8 * END, end)


@inline
def _set_part(workers, table, part):
    begin, n_streams = part * field(workers, PART_STREAMS), field(workers, N_STREAMS)
    end = begin + field(workers, PART_STREAMS)
    _set_range(workers, table, begin, end if end < n_streams else n_streams)


@inline
def _first_of(workers, share):
    """The first part of a share."""
    return share * field(workers, N_PARTS) // (field(workers, N_HELPERS) + 1)


@inline
def _take_parts(workers, worker):
    """Advance one part after the other, while there are any: first of the worker's own share. Each worker has its own table.

    A worker reads the fields of the call only when it has a part: before, they may still be those of an earlier call.
    """
    n_shares = field(workers, N_HELPERS) + 1
    for offset in range(n_shares):
        share = worker + offset if worker + offset < n_shares else worker + offset - n_shares
        while True:
            left = add_shared(field(workers, LEFT) + share * LEFT_BYTES, -1)
            if left <= 0:
                break
            table, part = field(workers, TABLES) + worker * field(workers, TABLE_BYTES), _first_of(workers, share) + left - 1
            _set_part(workers, table, part)
            answer = call(
                field(workers, DRIVER), table, field(workers, X_ROWS), field(workers, Y_ROWS), field(workers, N_STEPS)
            )
            store_int(field(workers, ANSWERS) + 8 * part, answer)


@inline
def _verdict(workers):
    """The status that one driver would return for the whole call: a bad slot first, then bad input, then the first failure."""
    verdict, answers = DONE, field(workers, ANSWERS)
    for part in range(field(workers, N_PARTS)):
        answer = load_int(answers + 8 * part)
        if answer == NO_SUCH_STREAM or (answer == INPUT_NOT_FINITE and verdict != NO_SUCH_STREAM) or verdict == DONE:
            verdict = answer
    return verdict


@inline
def _call_helper(workers, helper):
    """Tell a helper that there is a call, and wake it if it sleeps."""
    if swap_shared(helper + 8 * MODE, WANTED) == ASLEEP:
        call(field(workers, RELEASE), field(helper, LOCK))


@inline
def _wait_for_call(workers, helper):
    """Wait to be called. To wake a thread takes tens of microseconds, so it sleeps only if no call comes for a while.

    A caller that finds the helper asleep releases its lock, once; so the helper takes the lock once for each time it has said
    that it sleeps, unless no caller has seen it say so.
    """
    mode, looks = helper + 8 * MODE, 0
    while load_shared(mode) != WANTED and looks < _LOOKS_FOR_CALL:
        looks += 1
    if swap_shared(mode, ASLEEP) != WANTED or swap_shared(mode, AWAKE) == WANTED:
        call(field(workers, ACQUIRE), field(helper, LOCK), _FOR_EVER, 0)
        store_shared(mode, AWAKE)


def serve(width: Width) -> Kernel:
    """The loop of a helper: int64 (workers, worker, _, _). It waits to be called and takes parts, until STOP is set."""

    def serve(workers, worker, _, __):
        helper = field(workers, HELPERS) + (worker - 1) * HELPER_BYTES
        while True:
            _wait_for_call(workers, helper)
            if load_shared(workers + 8 * STOP):
                return DONE
            add_shared(workers + 8 * AT_WORK, 1)
            _take_parts(workers, worker)
            add_shared(workers + 8 * AT_WORK, -1)

    return serve


def share(width: Width) -> Kernel:
    """A call that workers share: int64 (pool, x, y, n_steps), as the driver. If a part fails, the other parts are undone.

    Returns the status that the driver would return for the whole call, or NO_WORKERS.
    """

    def caller(pool, x, y, n_steps):
        workers, n_streams = load_int(field(pool, WORKERS)), field(pool, N_SLOTS)
        n_parts = (n_streams + field(workers, PART_STREAMS) - 1) // field(workers, PART_STREAMS)
        if n_parts > field(workers, MOST_PARTS):
            return NO_WORKERS
        if not all_open_and_distinct(pool):
            return NO_SUCH_STREAM
        store_int(workers + 8 * TABLES, pool)
        store_int(workers + 8 * X_ROWS, x)
        store_int(workers + 8 * Y_ROWS, y)
        store_int(workers + 8 * N_STEPS, n_steps)
        store_int(workers + 8 * N_STREAMS, n_streams)
        store_int(workers + 8 * N_PARTS, n_parts)
        for share in range(field(workers, N_HELPERS) + 1):
            store_shared(field(workers, LEFT) + share * LEFT_BYTES, _first_of(workers, share + 1) - _first_of(workers, share))
        for helper in range(field(workers, N_HELPERS)):
            if helper < n_parts - 1:
                _call_helper(workers, field(workers, HELPERS) + helper * HELPER_BYTES)
        _take_parts(workers, 0)
        looks = 0
        while load_shared(workers + 8 * AT_WORK) != 0:
            looks += 1
            if looks > _LOOKS:  # a helper may have no core: let it have this one
                call(field(workers, ACQUIRE), field(workers, NEVER), _NAP, 0)
        verdict = _verdict(workers)
        if verdict != DONE:
            for part in range(n_parts):
                if load_int(field(workers, ANSWERS) + 8 * part) == DONE:
                    _set_part(workers, pool, part)
                    swap_pages(pool)
        return verdict

    return caller

"""The op record and the plan header: the int64 tables through which kernels know what to work on.

A kernel sees addresses and sizes only. Python writes these tables (streamrnn/plan.py), kernels read them; the positions below
are all that the two share.
"""

from typing import Final

# One op record: a layer of a plan.
KERNEL: Final = 0  # address of the kernel: int64 (record, source, target, n_steps)
SOURCE: Final = 1  # buffer that it reads
TARGET: Final = 2  # buffer that it writes
INPUTS: Final = 3  # values per step that it reads
OUTPUTS: Final = 4  # values per step that it writes
HIDDEN: Final = 5  # units
PANELS: Final = 6  # panels that hold the units
WEIGHTS: Final = 7  # address of the packed weights
STATE: Final = 8  # address of the first state vector; in a pool, where it is in the states of a stream
SCRATCH: Final = 9  # address of the first scratch vector
STRIDE: Final = 10  # bytes from one state or scratch vector to the next
CONSTANTS: Final = 11  # address of what else the kernel reads
INPUT_SUMS: Final = 12  # address of room for the input sums of a tile of steps; 0 where they are not worth making ahead
TABLE: Final = 13  # address of integers that the kernel reads
N_SOURCES: Final = 14  # buffers that it reads
SOURCES: Final = 15  # address of their (address of the buffer's address, values per step)
BACKWARDS: Final = 16  # whether the next step takes the panels from the last to the first
ROWS: Final = 17  # in a pool: address of four lists of a tile's addresses (streamrnn/kernels/pool/panel.py)
RECORD_FIELDS: Final = 18

# The plan header, before the op records. A buffer is rows between two ops, or the input or output of the call.
RECORDS: Final = 0  # address of the op records
TILE: Final = 1  # most steps that pass through all ops before the next ones follow
BUFFERS: Final = 2  # address of the buffers' addresses; the driver puts the rows of the call into 0 (input) and 1 (output)
STATE_BLOCK: Final = 3  # address of the block that holds all state vectors
BACKUP: Final = 4  # address of a block as large, for the state before the call
STATE_BYTES: Final = 5  # of that block: whole cache lines
N_INPUTS: Final = 6  # values of a step's input
N_OUTPUTS: Final = 7  # and of its output
N_GROUPS: Final = 8  # groups of ops
GROUPS: Final = 9  # address of their records
HEADER_FIELDS: Final = 10

# A group of ops: they take the rows of a tile op by op, or together, row by row.
GROUP_N_OPS: Final = 0
GROUP_TOGETHER: Final = 1  # whether all ops take a row before any takes the next
GROUP_ROWS: Final = 2  # rows for each step of the call
GROUP_N_ADVANCED: Final = 3  # buffers of which a group that goes together takes the next row
GROUP_ADVANCED: Final = 4  # address of their (address of the buffer's address, bytes of a row)
GROUP_FIELDS: Final = 5

# What else the header of a pool has. Its STATE_BLOCK and STATE_BYTES are those of the first of its streams; it has no BACKUP.
N_SLOTS: Final = 10  # streams of the call: so many rows has each step
SLOTS: Final = 11  # address of their numbers
CAPACITY: Final = 12  # streams for which there is room
MARKS: Final = 13  # address of a mark for each of them
TILE_ROWS: Final = 14  # what the records have as ROWS
BEGIN: Final = 15  # the first of the call's streams that are to advance
END: Final = 16  # the first behind them
PAGES: Final = 17  # address of a number for each stream: 0 where its states are in STATE_BLOCK, 1 where they are behind that
PAGE_BYTES: Final = 18  # from a stream's states there to its other ones
SPARE: Final = 19  # address of room for the states of a tile's streams between two steps
WORKERS: Final = 20  # address of the address of its workers' record
POOL_HEADER_FIELDS: Final = 21

# The record of the workers: what threads share that take parts of a pool's call.
AT_WORK: Final = 0  # helpers that may be taking parts
STOP: Final = 8  # not 0 once the helpers are to end; on another cache line, as what follows
DRIVER: Final = 9  # address of the pool's driver
TABLES: Final = 10  # address of the workers' plan headers, the caller's first
TABLE_BYTES: Final = 11  # from one of them to the next
X_ROWS: Final = 12  # address of the call's inputs
Y_ROWS: Final = 13  # and of its outputs
N_STEPS: Final = 14  # that it takes
N_STREAMS: Final = 15  # of the call
PART_STREAMS: Final = 16  # of a part
N_PARTS: Final = 17
LEFT: Final = 18  # address, for each worker, of how many parts of its share nobody has taken; below 0 where one was looked for
ANSWERS: Final = 19  # address of what the driver answers to each part
N_HELPERS: Final = 20
SEMAPHORES: Final = 21  # address of one for each helper
WAIT: Final = 22  # addresses of the C library's functions: to wait for a semaphore
POST: Final = 23  # to let a waiter go on
SLEEP: Final = 24  # and to sleep so many microseconds
TRY: Final = 25  # to take a semaphore without waiting: 0 where it was to be had
PROCESS: Final = 26  # whose threads the helpers are
THIS_PROCESS: Final = 27  # address of getpid
MOST_PARTS: Final = 28  # for whose answers there is room
WORKERS_FIELDS: Final = 29
LEFT_BYTES: Final = 64  # from one to the next
SEMAPHORE_BYTES: Final = 64

#: Streams of a pool that pass through all ops before the next ones follow.
POOL_TILE: Final = 96

# Marks of a pool's streams.
CLOSED: Final = 0
OPEN: Final = 1
CALLED: Final = 2  # while a call is looked at

INPUT_BUFFER: Final = 0
OUTPUT_BUFFER: Final = 1

# What a kernel and the driver answer.
DONE: Final = 0
INPUT_NOT_FINITE: Final = 1
STATE_NOT_FINITE: Final = 2
NO_SUCH_ENTRY: Final = 3  # an index that is no entry of an embedding
NO_SUCH_STREAM: Final = 4  # a slot that is not open, or appears twice
NO_WORKERS: Final = 5  # the helpers are another process's, or have no room for so many answers

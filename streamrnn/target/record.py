"""The op record and the plan header: the int64 tables that tell kernels and drivers what to work on.

A kernel sees addresses and sizes only. Python writes these tables (streamrnn/memory_layout.py), kernels read them. They share
only the positions below.
"""

from typing import Final

# One op record: a layer of a plan.
KERNEL: Final = 0  # address of the kernel: int64 (record, source, target, n_steps)
SOURCE: Final = 1  # index of the buffer that it reads, the first of its sources
TARGET: Final = 2  # index of the buffer that it writes
INPUTS: Final = 3  # values per step that it reads
OUTPUTS: Final = 4  # values per step that it writes
HIDDEN: Final = 5  # units
PANELS: Final = 6  # panels that hold the units
WEIGHTS: Final = 7  # address of the packed weights
STATE: Final = 8  # address of the first state vector; in a pool, its offset in the states of a stream
SCRATCH: Final = 9  # address of the first scratch vector
STRIDE: Final = 10  # bytes from one state or scratch vector to the next
CONSTANTS: Final = 11  # address of other numbers that the kernel reads
INPUT_SUMS: Final = 12  # address of room for the input sums of a tile; 0 where computing them ahead does not pay
TABLE: Final = 13  # address of integers that the kernel reads
N_SOURCES: Final = 14  # how many sources it reads
SOURCES: Final = 15  # address of a pair for each: address of the buffer's address, values per step
BACKWARDS: Final = 16  # 1 where the next step takes the panels from the last to the first
ROWS: Final = 17  # in a pool: address of four lists of a tile's addresses (streamrnn/kernels/pool/panel.py)
OVER_ROWS: Final = 18  # address of the record of the rows of a step, for an op whose kernel goes over them
INPUT_ROOM: Final = 19  # address of room for the inputs of a tile, for a kernel that takes tiny ones as 0
RECORD_FIELDS: Final = 20

# The rows of a step: of a layer that holds another one, whose kernel gets the same op record. INPUTS and OUTPUTS are of a row.
ROW_KERNEL: Final = 0  # address of the kernel of the layer that is held
ROWS_OF_STEP: Final = 1
ROWS_AT_ONCE: Final = 2  # rows that the kernel takes at once, at most
ROW_ROOM: Final = 3  # address of room for the states of so many rows, before and after the step
FIRST_STATES: Final = 4  # address of the initial states of a row; whole vectors, STRIDE bytes apart
STREAM_LISTS: Final = 5  # in a pool: address of the lists of the tile's streams; ROWS has those of the rows
N_ROW_STATES: Final = 6  # state vectors of a row
ROW_STATES: Final = 7  # from here on two fields for each: address of the vectors of all rows, which have no gaps, and values
#: of a row. In a pool, the address is an offset in the states of a stream.

# The plan header, before the op records. A buffer holds rows: between two ops, or the input or output of the call.
RECORDS: Final = 0  # address of the op records
TILE: Final = 1  # steps that pass through all ops before the next steps, at most
BUFFERS: Final = 2  # address of the buffers' addresses; the driver writes 0 (input of the call) and 1 (its output)
STATE_BLOCK: Final = 3  # address of the block that holds all state vectors
BACKUP: Final = 4  # address of a block of the same size, for the state before the call
STATE_BYTES: Final = 5  # of that block: whole cache lines
N_INPUTS: Final = 6  # values of a step's input
N_OUTPUTS: Final = 7  # and of its output
N_GROUPS: Final = 8  # groups of ops
GROUPS: Final = 9  # address of their records
ONLY_OP: Final = 10  # address of the record of the op, where there is only one, and it needs no buffers; else 0
HEADER_FIELDS: Final = 11

# A group of ops. It takes the rows of a tile op by op, or all ops together, row by row.
GROUP_N_OPS: Final = 0
GROUP_TOGETHER: Final = 1  # 1 where all ops take a row before any op takes the next
GROUP_ROWS: Final = 2  # rows for each step of the call
GROUP_N_ADVANCED: Final = 3  # buffers that advance by a row after each row of a group whose ops go together
GROUP_ADVANCED: Final = 4  # address of a pair for each: address of the buffer's address, bytes of a row
GROUP_FIELDS: Final = 5

# Further fields in the header of a pool. Its STATE_BLOCK and STATE_BYTES are those of its first stream; it has no BACKUP and no
# ONLY_OP.
N_SLOTS: Final = 11  # streams of the call: rows of each step
SLOTS: Final = 12  # address of their slots
CAPACITY: Final = 13  # streams for which there is room
MARKS: Final = 14  # address of a mark for each slot: CLOSED, OPEN or CALLED
TILE_ROWS: Final = 15  # the same address as ROWS in the records
BEGIN: Final = 16  # index of the first stream of the call that is to advance
END: Final = 17  # index after the last of them
PAGES: Final = 18  # address of a number for each slot: the page that has the current states, 0 (at STATE_BLOCK) or 1
PAGE_BYTES: Final = 19  # bytes from a stream's states on page 0 to those on page 1
SPARE: Final = 20  # address of room for the states of a tile's streams between two steps
WORKERS: Final = 21  # address of the address of its workers' record
BETWEEN_ROWS: Final = 22  # address of room for the states of a stream between two rows of a step
POOL_HEADER_FIELDS: Final = 23

# The record of the workers: what the threads share that take parts of a call of a pool.
AT_WORK: Final = 0  # helpers that may be taking parts
STOP: Final = 8  # not 0 once the helpers are to end; it and the next fields are on another cache line
DRIVER: Final = 9  # address of the pool's driver
TABLES: Final = 10  # address of the workers' plan headers, the caller's first
TABLE_BYTES: Final = 11  # from one of them to the next
X_ROWS: Final = 12  # address of the call's inputs
Y_ROWS: Final = 13  # address for its outputs
N_STEPS: Final = 14  # steps of the call
N_STREAMS: Final = 15  # streams of the call
PART_STREAMS: Final = 16  # streams of a part
N_PARTS: Final = 17
LEFT: Final = 18  # address of a count for each worker: parts of its share that are not taken; negative after a vain look
ANSWERS: Final = 19  # address of the status that the driver returned for each part
N_HELPERS: Final = 20
HELPERS: Final = 21  # address of the records of the helpers
ACQUIRE: Final = 22  # address of CPython's PyThread_acquire_lock_timed(lock, microseconds, 0), of PyThread_release_lock,
RELEASE: Final = 23
NEVER: Final = 24  # and of a lock that nobody ever releases: to wait for it is to sleep
MOST_PARTS: Final = 25  # parts whose status ANSWERS has room for; 0 in a fork, which has no helpers yet
WORKERS_FIELDS: Final = 26
LEFT_BYTES: Final = 64  # from one count to the next

# The record of a helper.
MODE: Final = 0  # AWAKE, WANTED or ASLEEP
LOCK: Final = 1  # address of a lock that is released to wake the helper
HELPER_BYTES: Final = 64  # from one record to the next, a cache line

# Values of MODE.
AWAKE: Final = 0
WANTED: Final = 1  # there is a call that the helper has not seen
ASLEEP: Final = 2

#: Streams of a pool that pass through all ops before the next streams, at most.
POOL_TILE: Final = 96

# Marks of a pool's slots.
CLOSED: Final = 0
OPEN: Final = 1
CALLED: Final = 2  # seen in the slots of the call that is being checked

# Indices of the buffers of a call.
INPUT_BUFFER: Final = 0
OUTPUT_BUFFER: Final = 1

# Status that a kernel and the driver return.
DONE: Final = 0
INPUT_NOT_FINITE: Final = 1
STATE_NOT_FINITE: Final = 2
NO_SUCH_ENTRY: Final = 3  # an input that is not an index of an embedding
NO_SUCH_STREAM: Final = 4  # a slot that is not open, or appears twice
NO_WORKERS: Final = 5  # there is no room for so many parts, or in a fork for any

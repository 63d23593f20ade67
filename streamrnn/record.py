"""The op record and the plan header: the int64 tables through which kernels know what to work on.

A kernel sees addresses and sizes only. Python writes these tables (streamrnn/plan.py), kernels read them; the positions below
are all that the two share.
"""

from typing import Final

# One op record: a layer of a plan.
KERNEL: Final = 0  # address of the kernel: int64 (record, source, target, n_steps)
SOURCE: Final = 1  # slot that it reads
TARGET: Final = 2  # slot that it writes
INPUTS: Final = 3  # values per step that it reads
OUTPUTS: Final = 4  # values per step that it writes
HIDDEN: Final = 5  # units
PANELS: Final = 6  # panels that hold the units
WEIGHTS: Final = 7  # address of the packed weights
STATE: Final = 8  # address of the first state vector
SCRATCH: Final = 9  # address of the first scratch vector
STRIDE: Final = 10  # bytes from one state or scratch vector to the next
CONSTANTS: Final = 11  # address of what else the kernel reads
READY: Final = 12  # address of room for the input sums of a tile of steps; 0 where they are not worth making ahead
RECORD_FIELDS: Final = 13

# The plan header, before the op records. A slot is where a value lies between two ops: (address, values per step).
N_OPS: Final = 0
TILE: Final = 1  # most steps that pass through all ops before the next ones follow
SLOTS: Final = 2  # address of the slots; the address of slot 0 (input) and slot 1 (output) comes with the call
STATE_BLOCK: Final = 3  # address of the block that holds all state vectors
BACKUP: Final = 4  # address of a block as large, for the state before the call
STATE_BYTES: Final = 5  # of that block: whole cache lines
BUSY: Final = 6  # not 0 while a caller is in the stream
HEADER_FIELDS: Final = 7

INPUT_SLOT: Final = 0
OUTPUT_SLOT: Final = 1

# What a kernel and the driver answer.
DONE: Final = 0
INPUT_NOT_FINITE: Final = 1
STATE_NOT_FINITE: Final = 2

"""The record of a layer on the GPU: the int64 through which kernels know sizes and places. Python writes it (cuda/plan.py)."""

from typing import Final

# Of the layer, for the kernel of chunks, whose places are in shared memory.
N_WEIGHTS: Final = 0
N_INPUTS: Final = 1  # values of a step
INPUT_PLACE: Final = 2  # of the step's inputs, [value][stream]
N_STATE: Final = 3  # values of all its state vectors, which follow each other
STATE_COLUMN: Final = 4  # where they begin in a stream's row
STATE_PLACE: Final = 5  # of the states, [value][stream], and behind them room for the next step's
STRIDE: Final = 6  # from one value to the next
PASSES: Final = 7  # where the first pass begins

# Of each of its passes. Where a vector is: its column in a stream's row for `tick`, its place in shared memory for `chunk`.
UNITS: Final = 0
PADDED: Final = 1  # units rounded up to whole panels
N_MULTIPLIED: Final = 2  # values of the vector that the recurrent weights multiply
MULTIPLIED: Final = 3  # where it is
FIRST_READ: Final = 4  # where the cell's two arguments are
SECOND_READ: Final = 5
FIRST_WRITTEN: Final = 6  # where its two results go
SECOND_WRITTEN: Final = 7
WEIGHTS: Final = 8  # where the pass begins in the layer's weights
OPTIONS: Final = 9  # address of what else the cell reads
PASS_FIELDS: Final = 10

# The status block of a call: what is wrong with its inputs, its states, the state of each stream; then the streams' numbers.
INPUT_STATUS: Final = 0
STATUS: Final = 1
STREAMS: Final = 2

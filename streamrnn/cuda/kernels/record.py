"""The record of a layer on the GPU: int64 that tell kernels sizes and indices. Python writes it (streamrnn/cuda/plan.py)."""

from typing import Final

# Fields of the layer. Except for N_INPUTS they are for `chunk`, and an index is one in shared memory.
N_WEIGHTS: Final = 0
N_INPUTS: Final = 1  # values of a step
INPUT_AT: Final = 2  # index of the step's inputs, [value][stream]
N_STATE: Final = 3  # values of all state vectors of the layer, which are consecutive
STATE_COLUMN: Final = 4  # column of the first of them in a stream's row
STATE_AT: Final = 5  # index of the states, [value][stream]; after them comes room for those of the next step
STRIDE: Final = 6  # from one value to the next
PASSES: Final = 7  # index of the fields of the first pass

# Fields of each pass. A position of a vector is for `tick` a column in a stream's row, for `chunk` an index in shared memory.
UNITS: Final = 0
PADDED: Final = 1  # units rounded up to whole panels
N_MULTIPLIED: Final = 2  # values of the vector that the recurrent weights are multiplied with
MULTIPLIED: Final = 3  # position of that vector
FIRST_READ: Final = 4  # positions of the two vectors that the cell reads
SECOND_READ: Final = 5
FIRST_WRITTEN: Final = 6  # positions of the two vectors that it writes
SECOND_WRITTEN: Final = 7
WEIGHTS: Final = 8  # index of the first weight of the pass among the layer's weights
OPTIONS: Final = 9  # address of the options and the per-unit vectors that the cell reads
PASS_FIELDS: Final = 10

# The status block of a call: a status of the inputs, one of all states, one of the states of each stream; then the slots.
INPUT_STATUS: Final = 0
STATUS: Final = 1
STREAMS: Final = 2

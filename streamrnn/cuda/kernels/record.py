"""The record of a layer on the GPU: int64 that tell kernels sizes and indices. Python writes it (streamrnn/cuda/plan.py)."""

from typing import Final

# Fields of the layer. Except for N_INPUTS they are for `chunk`, and an index is one in shared memory.
N_WEIGHTS: Final = 0
N_INPUTS: Final = 1  # values of a step
MOST_INPUT: Final = 2  # largest integer of an input, where weights are integers
INPUT_AT: Final = 3  # index of the step's inputs, [value][stream]
N_STATE: Final = 4  # values of all state vectors of the layer, which are consecutive
STATE_COLUMN: Final = 5  # column of the first of them in a stream's row
STATE_AT: Final = 6  # index of the states, [value][stream]; after them comes room for those of the next step
INTEGERS_AT: Final = 7  # index of room for the integers of the other vector of a pass, as INPUT_AT; before both is a row
STRIDE: Final = 8  # from one value to the next
PASSES: Final = 9  # index of the fields of the first pass

# Fields of each pass. A position of a vector is for `tick` a column in a stream's row, for `chunk` an index in shared memory.
UNITS: Final = 0
PADDED: Final = 1  # units rounded up to whole panels
N_MULTIPLIED: Final = 2  # values of the vector that the recurrent weights are multiplied with
MULTIPLIED: Final = 3  # position of that vector
MOST_MULTIPLIED: Final = 4  # its largest integer, where weights are integers
FIRST_READ: Final = 5  # positions of the two vectors that the cell reads
SECOND_READ: Final = 6
FIRST_WRITTEN: Final = 7  # positions of the two vectors that it writes
SECOND_WRITTEN: Final = 8
INPUT_WEIGHTS: Final = 9  # index of the first panel for the inputs among the layer's weights, and from panel to panel
INPUT_PANEL: Final = 10
RECURRENT_WEIGHTS: Final = 11  # the same for the other vector
RECURRENT_PANEL: Final = 12
OPTIONS: Final = 13  # address of the options and the per-unit vectors that the cell reads
PASS_FIELDS: Final = 14

# The status block of a call: a status of the inputs, one of all states, one of the states of each stream; then the slots.
INPUT_STATUS: Final = 0
STATUS: Final = 1
STREAMS: Final = 2

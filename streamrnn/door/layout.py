"""Where CPython and NumPy keep what the compiled door reads, and what stands in the table to which it is bound."""

from typing import Final

# Where the fields of an ndarray lie, behind the head that every object has.
_HEAD: Final = object.__basicsize__
TYPE: Final = 8
DATA: Final = _HEAD
N_DIMENSIONS: Final = _HEAD + 8
DIMENSIONS: Final = _HEAD + 16
DTYPE: Final = _HEAD + 40
FLAGS: Final = _HEAD + 48
READABLE: Final = 0x1 | 0x100  # C order, aligned
WRITABLE: Final = READABLE | 0x400

# Where the items and the size of a tuple lie.
TUPLE_SIZE: Final = 16
TUPLE_ITEMS: Final = 24

# The table to which the function is bound, in int64.
PLAN: Final = 0  # the workspace's table
ARRAY_TYPE: Final = 1
NUMBERS: Final = 2  # the dtype object of the model's numbers
N_INPUTS: Final = 3
N_OUTPUTS: Final = 4
OUT: Final = 5  # the interned string "out"
PLAIN: Final = 6  # what is called for everything unusual
VECTORCALL: Final = 7  # PyObject_Vectorcall
RING: Final = 8  # (array object or NULL, its data) for each array of the ring
RING_SIZE: Final = 3

"""Where CPython and NumPy keep what the compiled doors read, and what stands in the tables to which they are bound."""

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

# The table to which a function is bound, in int64.
ARRAY_TYPE: Final = 0
NUMBERS: Final = 1  # the dtype object of the model's numbers
N_INPUTS: Final = 2
N_OUTPUTS: Final = 3
OUT: Final = 4  # the interned string "out"
PLAIN: Final = 5  # what is called for everything unusual
VECTORCALL: Final = 6  # PyObject_Vectorcall

BUSY: Final = 7  # address of what is not 0 while a caller is in

# What else a stream's has.
PLAN: Final = 8  # the workspace's table
RING: Final = 9  # (array object or NULL, its data) for each array of the ring
RING_SIZE: Final = 3

# What else a pool's has.
POOL: Final = 8  # address of the address of the pool's table; of NULL, while it cannot be used
INTEGERS: Final = 9  # the dtype object of slots
MOST_ALONE: Final = 10  # streams that one thread takes, at most
MOST_HELD: Final = 11  # streams for which the GIL is kept, at most
NEW_REFERENCE: Final = 12  # Py_IncRef
DROPPED: Final = 13  # Py_DecRef
EMPTY: Final = 14  # PyArray_Empty
LET_GO: Final = 15  # PyEval_SaveThread
TAKE_BACK: Final = 16  # PyEval_RestoreThread
DRIVER: Final = 17  # address of the pool's driver
DRIVER_OF_SHARED: Final = 18  # and of what takes ticks of more streams than one thread does
SHAPE: Final = 19  # room for two numbers
POOL_TABLE_FIELDS: Final = 21

# A gate, in bytes behind its beginning.
GATE_BUSY: Final = _HEAD  # not 0 while a caller is in
GATE_REFUSE: Final = _HEAD + 8  # the function that is called for another caller
GATE_VECTORCALL: Final = _HEAD + 16  # PyObject_Vectorcall
GATE_NONE: Final = _HEAD + 24  # None
GATE_NEW_REFERENCE: Final = _HEAD + 32  # Py_IncRef
GATE_BYTES: Final = _HEAD + 40

"""Where CPython and NumPy keep what the compiled doors read, and the tables that the compiled functions are bound to."""

from typing import Final

# Offsets of an ndarray's fields, in bytes. The fields follow the head that every object has.
_HEAD: Final = object.__basicsize__
TYPE: Final = 8
DATA: Final = _HEAD
N_DIMENSIONS: Final = _HEAD + 8
DIMENSIONS: Final = _HEAD + 16
DTYPE: Final = _HEAD + 40
FLAGS: Final = _HEAD + 48
READABLE: Final = 0x1 | 0x100  # C order, aligned
WRITABLE: Final = READABLE | 0x400

# Offsets of a tuple's size and items, in bytes.
TUPLE_SIZE: Final = 16
TUPLE_ITEMS: Final = 24

# The table of every compiled `step`: positions in an int64 array.
ARRAY_TYPE: Final = 0
VALUE_DTYPE: Final = 1  # the dtype object of inputs and outputs
N_INPUTS: Final = 2  # values of a row
N_OUTPUTS: Final = 3
OUT: Final = 4  # the interned string "out"
PLAIN_STEP: Final = 5  # the plain door's step, which answers every unusual call
VECTORCALL: Final = 6  # PyObject_Vectorcall
BUSY: Final = 7  # address of a flag, not 0 while a caller is in
STRIDE: Final = 8  # rows of the input of a step

# A stream's table continues with these.
PLAN: Final = 9  # the workspace's table
RING: Final = 10  # (array object or NULL, its data) for each array of the ring
RING_SIZE: Final = 3

# A pool's table continues with these.
POOL: Final = 9  # address of the address of the pool's table; of NULL, while it cannot be used
SLOT_DTYPE: Final = 10  # the dtype object of slots
MAX_UNSHARED: Final = 11  # the most streams that one thread advances alone
MAX_WITH_GIL: Final = 12  # the most streams for which the GIL is kept
NEW_REFERENCE: Final = 13  # Py_IncRef
DROP_REFERENCE: Final = 14  # Py_DecRef
NEW_ARRAY: Final = 15  # PyArray_Empty
RELEASE_GIL: Final = 16  # PyEval_SaveThread
TAKE_GIL: Final = 17  # PyEval_RestoreThread
DRIVER: Final = 18  # address of the pool's driver
SHARED_DRIVER: Final = 19  # address of the driver of more than MAX_UNSHARED streams
SHAPE: Final = 20  # space for two dimensions
POOL_TABLE_FIELDS: Final = 22

# An entry lock: offsets of its fields, in bytes.
LOCK_BUSY: Final = _HEAD  # not 0 while a caller is in
LOCK_REFUSE: Final = _HEAD + 8  # the function to call for a second caller
LOCK_VECTORCALL: Final = _HEAD + 16  # PyObject_Vectorcall
LOCK_NONE: Final = _HEAD + 24  # None
LOCK_NEW_REFERENCE: Final = _HEAD + 32  # Py_IncRef
LOCK_BYTES: Final = _HEAD + 40

"""Where CPython and NumPy keep what the compiled doors read, and the tables that the compiled functions are bound to."""

from typing import Final

# Offsets of an ndarray's fields, in bytes. The fields follow the head that every object has.
_HEAD: Final = object.__basicsize__
TYPE: Final = 8
DATA: Final = _HEAD
N_DIMENSIONS: Final = _HEAD + 8
DIMENSIONS: Final = _HEAD + 16
STRIDES: Final = _HEAD + 24
DTYPE: Final = _HEAD + 40
FLAGS: Final = _HEAD + 48
ALIGNED: Final = 0x100
READABLE: Final = 0x1 | ALIGNED  # 0x1: C order
WRITABLE: Final = READABLE | 0x400

# Offsets of the size and the items of a tuple, of the address of a list's items, and of the number in a float or a NumPy
# scalar, in bytes.
TUPLE_SIZE: Final = 16
TUPLE_ITEMS: Final = 24
LIST_SIZE: Final = 16
LIST_ITEMS: Final = 24
NUMBER: Final = _HEAD

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
NEW_REFERENCE: Final = 9  # Py_IncRef
DROP_REFERENCE: Final = 10  # Py_DecRef
NEW_ARRAY: Final = 11  # PyArray_NewFromDescr
LIST_TYPE: Final = 12
TUPLE_TYPE: Final = 13
FLOAT_TYPE: Final = 14  # of Python's floats
SINGLE_TYPE: Final = 15  # of NumPy's scalars of 32 and 64 bits
DOUBLE_TYPE: Final = 16
SINGLE_DTYPE: Final = 17  # the dtype objects of both
DOUBLE_DTYPE: Final = 18

# A stream's table continues with these.
PLAN: Final = 19  # the workspace's table
CONVERTED: Final = 20  # address of room for an input that is converted
RING: Final = 21  # address of the arrays of the ring
RING_DATA: Final = 22  # address of the data of each
RING_SIZE: Final = 3
STREAM_TABLE_FIELDS: Final = RING_DATA + RING_SIZE

# A pool's table continues with these.
POOL: Final = 19  # address of the address of the pool's table; of NULL, while it cannot be used
SLOT_DTYPE: Final = 20  # the dtype object of slots
MAX_UNSHARED: Final = 21  # the most streams that one thread advances alone
MAX_WITH_GIL: Final = 22  # the most streams for which the GIL is kept
RELEASE_GIL: Final = 23  # PyEval_SaveThread
TAKE_GIL: Final = 24  # PyEval_RestoreThread
DRIVER: Final = 25  # address of the pool's driver
SHARED_DRIVER: Final = 26  # address of the driver of more than MAX_UNSHARED streams
SHAPE: Final = 27  # space for two dimensions
N_CALLS: Final = 29  # of a pool with a store (else NULL): address of the number of calls that named streams;
LAST_CALL: Final = 30  # of the last one that named each slot, int64;
CHANGED: Final = 31  # and of whether its state has changed since it was saved, int64
POOL_TABLE_FIELDS: Final = 32

# An entry lock: offsets of its fields, in bytes.
LOCK_BUSY: Final = _HEAD  # not 0 while a caller is in
LOCK_REFUSE: Final = _HEAD + 8  # the function to call for a second caller
LOCK_VECTORCALL: Final = _HEAD + 16  # PyObject_Vectorcall
LOCK_NONE: Final = _HEAD + 24  # None
LOCK_NEW_REFERENCE: Final = _HEAD + 32  # Py_IncRef
LOCK_BYTES: Final = _HEAD + 40

"""Many streams of one model: the pool, its memory, its slots and keys, and its doors.

stream_pool                 `StreamPool`, the user's handle
protocols                   what a pool needs of its memory and its door
memory                      the states, one row for each slot, and the table that leads a driver through them
slots, keys                 which slots are open streams, and the keys of these streams
residents                   which streams are in memory, of the many more that a store holds
slot_arguments, snapshots   a caller's slots and snapshots, converted or refused
plain_door, compiled_door   from a caller's arrays to the driver
call_errors                 what a door says of a call that fails
worker_threads              threads that share a call
"""

from streamrnn.pool.stream_pool import StreamPool

__all__ = ["StreamPool"]

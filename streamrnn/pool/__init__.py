"""Many streams of one model: the pool, its memory, who is in it, and the way in.

stream_pool     `StreamPool`, the user's handle
memory          the states, a row for each stream, and the table that leads a driver through them
slots, keys     which rows are open streams, and the keys that they have
residents       which streams are in memory, of the many more that a store holds
plain_door, compiled_door   from a caller's arrays to the driver
worker_threads  threads that share a call
"""

from streamrnn.pool.stream_pool import StreamPool

__all__ = ["StreamPool"]

"""The door: everything between a caller's objects and a kernel's addresses. Nothing unchecked gets through (the door law).

arguments           a caller's arrays, converted or refused
plain               a stream's door in Python: it converts, checks and explains
compiled, builtin   a builtin function over machine code, which answers the usual call in some tens of nanoseconds and passes
                    everything else to the plain door
machine             that machine code
entry_lock          one caller at a time

Both doors give the same bits. A pool has its own two, in streamrnn/pool. See docs/door.md.
"""

from streamrnn.door.compiled import functions_of_stream, open_compiled
from streamrnn.door.plain import PlainDoor

__all__ = ["PlainDoor", "functions_of_stream", "open_compiled"]

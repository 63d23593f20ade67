"""The door: all that lies between a caller's objects and a kernel's addresses. Nothing unchecked gets through (the door law).

`plain` converts, checks and explains, in Python. `compiled` is a builtin function over machine code that answers the usual call
in some tens of nanoseconds and hands everything else to the plain door. Both give the same bits. A pool has its own two, in
streamrnn/pool. docs/door.md tells more.
"""

from streamrnn.door.compiled import open_compiled
from streamrnn.door.plain import PlainDoor, rows_of

__all__ = ["PlainDoor", "open_compiled", "rows_of"]
